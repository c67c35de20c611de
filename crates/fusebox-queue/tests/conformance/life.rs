//! When items are due, in which order, and when they run out of time.

use crate::{Make, block_on, done, failed, item, on_every_store, secs};
use fusebox_core::Priority;
use fusebox_queue::record::{Death, State};
use fusebox_queue::{LeaseRequest, Limits, NewItem, Settled, Settlement};

on_every_store!(
    within_a_class_what_was_due_first_goes_first_and_a_retry_loses_its_place: order,
    a_quota_for_each_class_keeps_the_highest_from_taking_all,
    what_runs_out_of_time_first_can_be_leased_first_whatever_its_class: order,
    what_is_not_due_is_not_leased,
    what_runs_out_of_time_is_expired_and_not_sent,
    what_runs_out_of_time_in_flight_and_succeeds_is_done,
    what_runs_out_of_time_and_may_have_been_made_is_asked_for_before_it_is_expired,
    a_paused_queue_takes_items_and_leases_none: operators,
);

fn keys(leased: &[fusebox_queue::Leased]) -> Vec<&str> {
    leased.iter().map(|leased| &*leased.view.key).collect()
}

fn within_a_class_what_was_due_first_goes_first_and_a_retry_loses_its_place(make: Make) {
    let stand = make(Limits::default());
    let high = NewItem { class: Priority::High, ..item("high") };
    stand.put([item("a"), NewItem { delay: secs(1), ..item("later") }, item("b"), high]);
    stand.clock.pass(secs(2));
    assert_eq!(keys(&stand.lease(2)), ["high", "a"]);
    let b = stand.one();
    stand.clock.pass(secs(1));
    stand.settle(&b, failed(true));
    assert_eq!(keys(&stand.lease(9)), ["later", "b"]);
}

fn a_quota_for_each_class_keeps_the_highest_from_taking_all(make: Make) {
    let stand = make(Limits::default());
    for (name, class) in Priority::ALL {
        stand.put((0..10).map(|i| NewItem { class, ..item(&format!("{name}-{i}")) }));
    }
    let request = LeaseRequest { quota: [1, 2, 4, 8], ..LeaseRequest::of("q", 15, secs(30)) };
    let leased = block_on(stand.store.lease(request)).expect("leased");
    let of = |class| leased.iter().filter(|leased| leased.view.record.class == class).count();
    assert_eq!(Priority::ALL.map(|(_, class)| of(class)), [1, 2, 4, 8]);
}

fn what_is_not_due_is_not_leased(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { delay: secs(60), ..item("a") }]);
    stand.clock.pass(secs(59));
    assert!(stand.lease(1).is_empty());
    stand.clock.pass(secs(1));
    assert_eq!(stand.lease(1).len(), 1);
}

fn what_runs_out_of_time_is_expired_and_not_sent(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { expires_in: secs(60), ..item("a") }]);
    stand.clock.pass(secs(60));
    assert!(stand.lease(1).is_empty(), "before any sweep");
    assert_eq!((stand.sweep().expired, stand.sweep().expired), (1, 0), "once");
    assert_eq!((stand.find("a").record.state, stand.stats().live()), (State::Expired, 0));
}

fn what_runs_out_of_time_in_flight_and_succeeds_is_done(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { expires_in: secs(20), ..item("a") }]);
    let leased = stand.one();
    stand.clock.pass(secs(25));
    assert_eq!(stand.sweep().expired, 0);
    assert_eq!(stand.settle(&leased, done()), Settled::Applied);
    assert_eq!(stand.find("a").record.state, State::Done);
}

fn a_paused_queue_takes_items_and_leases_none(make: Make) {
    let stand = make(Limits::default());
    stand.pause(true);
    stand.put([item("a")]);
    assert!(stand.lease(1).is_empty() && stand.stats().paused);
    stand.pause(false);
    assert_eq!((stand.lease(1).len(), stand.stats().paused), (1, false));
}

fn what_runs_out_of_time_and_may_have_been_made_is_asked_for_before_it_is_expired(make: Make) {
    let stand = make(Limits::default());
    let unsure = |key| NewItem { expires_in: secs(60), needs_check: true, ..item(key) };
    stand.put([unsure("made"), unsure("not made"), unsure("nobody says")]);
    stand.clock.pass(secs(3_600));
    assert_eq!(stand.sweep().expired, 0);
    let [made, missing, silent] = &stand.lease(9)[..] else { panic!("all of them can be asked for") };
    stand.settle(made, done());
    assert_eq!(stand.settle(missing, Settlement::Expire), Settled::Applied);
    stand.settle(silent, failed(false));
    assert_eq!(stand.find("made").record.state, State::Done);
    assert_eq!(stand.find("not made").record.state, State::Expired);
    stand.clock.pass(secs(24 * 3_600));
    assert_eq!((stand.lease(9).len(), stand.sweep().expired), (0, 1));
    assert_eq!(stand.find("nobody says").record.state, State::Dead(Death::Unresolved));
    assert_eq!((stand.stats().live(), stand.stats().dead()), (0, 1));
}

fn what_runs_out_of_time_first_can_be_leased_first_whatever_its_class(make: Make) {
    let stand = make(Limits::default());
    let low = |key, expires| NewItem { class: Priority::Low, expires_in: secs(expires), ..item(key) };
    let critical = NewItem { class: Priority::Critical, ..item("critical") };
    stand.put([
        critical,
        low("second", 200),
        low("first", 100),
        NewItem { delay: secs(50), ..low("later", 60) },
    ]);
    let request = LeaseRequest { soonest: true, quota: [0; 4], ..LeaseRequest::of("q", 2, secs(30)) };
    let leased = block_on(stand.store.lease(request)).expect("leased");
    assert_eq!(keys(&leased), ["first", "second"]);
    assert_eq!(keys(&stand.lease(9)), ["critical"]);
}
