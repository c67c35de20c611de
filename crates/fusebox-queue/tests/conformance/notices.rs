//! Whoever asked is told what becomes of a call: with the change, or not at all.

use crate::{Make, Stand, block_on, done, failed, item, on_every_store, secs};
use fusebox_queue::notice::NOTICES;
use fusebox_queue::record::Death;
use fusebox_queue::{
    Act, Event, Events, Filter, LeaseRequest, Limits, NewItem, Notice, Notices, Order, Settlement,
};

on_every_store!(
    a_caller_is_told_of_what_it_asked_for: notices,
    what_waits_for_long_is_told_of_once: notices,
    what_expires_or_dies_is_told_of_and_nobody_else_is: notices,
    a_success_that_comes_late_is_told_of_once: notices,
    what_dies_twice_in_one_moment_is_told_of_once: notices,
    a_notice_is_never_told_of_and_takes_no_place: notices,
    a_notice_that_died_is_forgotten_and_a_call_that_died_is_not: notices,
);

fn told(events: Events) -> Option<Notices> {
    Some(Notices { contact: "https://shop.test/told".into(), events, delayed_after: Some(secs(60)) })
}

/// The notices that are due, and done now.
fn notices(stand: &Stand) -> Vec<Notice> {
    let leased = block_on(stand.store.lease(LeaseRequest::of(NOTICES, 100, secs(30)))).expect("leased");
    leased.iter().for_each(|leased| _ = stand.settle(leased, done()));
    leased.iter().map(|leased| serde_json::from_slice(&leased.payload).expect("a notice")).collect()
}

fn events(stand: &Stand) -> Vec<Event> {
    notices(stand).iter().map(|notice| notice.event).collect()
}

fn a_caller_is_told_of_what_it_asked_for(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { notices: told(Events::of([Event::Deferred, Event::Done])), ..item("a") }]);
    stand.put([NewItem { notices: told(Events::ALL), ..item("a") }]);
    assert_eq!(events(&stand), [Event::Deferred], "the second time it is there already");
    stand.clock.pass(secs(90));
    let leased = stand.one();
    stand.settle(&leased, failed(true));
    stand.settle(&stand.one(), done());
    let [notice] = &notices(&stand)[..] else { panic!("one notice") };
    assert_eq!((notice.event, &*notice.key, &*notice.queue, notice.attempts), (Event::Done, "a", "q", 2));
    assert_eq!((&*notice.contact, notice.age), ("https://shop.test/told", 90_000));
    assert_eq!((notice.id, notice.result.as_deref()), (leased.view.id.0, Some("ok")));
}

fn what_waits_for_long_is_told_of_once(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { notices: told(Events::of([Event::Delayed])), ..item("a") }]);
    stand.clock.pass(secs(59));
    assert_eq!(stand.sweep().delayed, 0);
    stand.clock.pass(secs(1));
    assert_eq!((stand.sweep().delayed, stand.sweep().delayed), (1, 0));
    assert_eq!(events(&stand), [Event::Delayed]);
    assert_eq!(stand.one().view.key, "a", "it waits on");
}

fn what_expires_or_dies_is_told_of_and_nobody_else_is(make: Make) {
    let stand = make(Limits::default());
    let told = told(Events::of([Event::Expired, Event::Dead]));
    stand.put([
        NewItem { expires_in: secs(60), notices: told.clone(), ..item("expires") },
        NewItem { expires_in: secs(60), ..item("nobody asked") },
        NewItem { notices: told, delay: secs(50), ..item("dies") },
    ]);
    stand.clock.pass(secs(60));
    stand.sweep();
    let dies = Filter { key: Some("dies".into()), ..Filter::default() };
    stand.operate(Order::new(Act::Bury, dies, "ann", "no such card"));
    let notices = notices(&stand);
    let told: Vec<_> = notices.iter().map(|n| (n.event, &*n.key, n.reason.as_deref())).collect();
    assert_eq!(told, [(Event::Expired, "expires", None), (Event::Dead, "dies", Some("no such card"))]);
}

fn a_success_that_comes_late_is_told_of_once(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { max_crashes: 1, notices: told(Events::ALL), ..item("a") }]);
    let leased = stand.one();
    stand.clock.pass(secs(30));
    stand.sweep();
    stand.settle(&leased, done());
    stand.settle(&leased, done());
    let mut events = events(&stand);
    events.sort_by_key(|event| event.as_str());
    assert_eq!(events, [Event::Dead, Event::Deferred, Event::Done]);
}

fn what_dies_twice_in_one_moment_is_told_of_once(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { notices: told(Events::of([Event::Dead])), ..item("a") }]);
    let all = |act| {
        let filter = Filter { queue: Some("q".into()), ..Filter::default() };
        Order::new(act, filter, "ann", "no such card")
    };
    let moved = [Act::Bury, Act::Redrive, Act::Bury].map(|act| stand.operate(all(act)).len());
    assert_eq!((moved, events(&stand)), ([1, 1, 1], vec![Event::Dead]));
    stand.clock.pass(secs(1));
    let moved = [Act::Redrive, Act::Bury].map(|act| stand.operate(all(act)).len());
    assert_eq!((moved, events(&stand)), ([1, 1], vec![Event::Dead]), "it has died again");
}

fn a_notice_is_never_told_of_and_takes_no_place(make: Make) {
    let stand = make(Limits { max_items: 1, ..Limits::default() });
    stand.put([NewItem { notices: told(Events::ALL), ..item("a") }]);
    stand.settle(&stand.one(), done());
    assert_eq!(notices(&stand).len(), 2, "more than the queue's limit");
    assert!(notices(&stand).is_empty());
    let stats = block_on(stand.store.stats(NOTICES)).expect("read");
    assert_eq!((stats.live(), stand.stats().live()), (0, 0));
}

fn a_notice_that_died_is_forgotten_and_a_call_that_died_is_not(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { notices: told(Events::of([Event::Dead])), ..item("a") }]);
    let bury = || Settlement::Bury { death: Death::Refused, reason: "never".into() };
    stand.settle(&stand.one(), bury());
    let leased = block_on(stand.store.lease(LeaseRequest::of(NOTICES, 9, secs(30)))).expect("leased");
    assert_eq!(leased.len(), 1);
    stand.settle(&leased[0], bury());
    let dead = |queue| block_on(stand.store.stats(queue)).expect("read").dead();
    assert_eq!((dead("q"), dead(NOTICES), stand.sweep().forgotten), (1, 1, 0));
    stand.clock.pass(secs(9 * 24 * 3_600));
    assert_eq!(stand.sweep().forgotten, 1);
    assert_eq!((dead("q"), dead(NOTICES)), (1, 0));
}
