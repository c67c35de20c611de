//! One lease at a time, and what a lease that is over can still do.

use crate::{Make, block_on, done, failed, item, on_every_store, secs};
use fusebox_queue::record::{Death, State};
use fusebox_queue::{Limits, NewItem, Settled, Settlement};

on_every_store!(
    a_clock_that_goes_back_ends_no_lease_and_expires_nothing,
    a_lease_that_is_lost_in_flight_is_fenced_and_its_success_is_kept,
    a_worker_that_dies_with_an_item_three_times_leaves_it_dead,
    a_call_that_hangs_keeps_its_lease_as_long_as_it_is_extended,
    workers_that_race_have_no_item_twice,
    what_is_shed_burns_no_attempt_and_keeps_its_place,
    every_attempt_that_fails_counts_until_the_last,
    a_lease_number_is_never_used_again,
    an_item_that_may_have_been_sent_says_so,
);

fn a_lease_that_is_lost_in_flight_is_fenced_and_its_success_is_kept(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a")]);
    let slow = stand.one();
    stand.clock.pass(secs(30));
    assert_eq!(stand.sweep().crashed, 1);
    let second = stand.one();
    assert!(second.view.record.needs_check, "nobody knows what the first has done");
    assert_eq!(stand.settle(&slow, failed(true)), Settled::Fenced);
    assert_eq!(block_on(stand.store.extend(vec![slow.token], secs(60))).expect("told"), [Settled::Fenced]);
    assert_eq!(stand.settle(&slow, done()), Settled::LateSuccess);
    assert_eq!(stand.settle(&second, done()), Settled::AlreadyDone);
    assert_eq!(stand.settle(&second, failed(true)), Settled::Fenced);
    assert_eq!((stand.find("a").record.state, stand.stats().live()), (State::Done, 0));
}

fn a_worker_that_dies_with_an_item_three_times_leaves_it_dead(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("poison"), item("good")]);
    for _ in 0..3 {
        let leased = stand.lease(10);
        for leased in leased.iter().filter(|leased| leased.view.key == "good") {
            stand.settle(leased, done());
        }
        stand.clock.pass(secs(30));
        stand.sweep();
    }
    let poison = stand.find("poison").record;
    assert_eq!((poison.state, poison.crashes, poison.attempts), (State::Dead(Death::CrashLimit), 3, 3));
    assert_eq!(stand.find("good").record.state, State::Done);
    assert_eq!((stand.lease(10).len(), stand.stats().dead()), (0, 1));
}

fn a_call_that_hangs_keeps_its_lease_as_long_as_it_is_extended(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a")]);
    let leased = stand.one();
    for _ in 0..10 {
        stand.clock.pass(secs(29));
        assert_eq!(
            block_on(stand.store.extend(vec![leased.token], secs(30))).expect("told"),
            [Settled::Applied]
        );
        assert_eq!((stand.sweep().crashed, stand.lease(1).len()), (0, 0));
    }
    assert_eq!(stand.settle(&leased, done()), Settled::Applied);
}

fn workers_that_race_have_no_item_twice(make: Make) {
    let stand = make(Limits::default());
    stand.put((0..200).map(|i| item(&format!("{i}"))));
    let mut had: Vec<_> = std::thread::scope(|scope| {
        let work = || (0..20).flat_map(|_| stand.lease(3)).map(|leased| leased.view.id).collect::<Vec<_>>();
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert_eq!(had.len(), 200);
    had.sort();
    had.dedup();
    assert_eq!(had.len(), 200, "each once");
}

fn what_is_shed_burns_no_attempt_and_keeps_its_place(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), item("b")]);
    for _ in 0..50 {
        let first = stand.one();
        assert_eq!((&*first.view.key, first.view.record.attempts), ("a", 1));
        stand.settle(&first, Settlement::Release);
    }
    let shed = stand.one();
    stand.settle(&shed, failed(false));
    let record = stand.find("a").record;
    assert_eq!((record.attempts, record.first_attempt_at, record.needs_check), (0, None, false));
}

fn every_attempt_that_fails_counts_until_the_last(make: Make) {
    let stand = make(Limits::default());
    stand.put([NewItem { max_attempts: 3, ..item("a") }]);
    for _ in 0..3 {
        let leased = stand.one();
        stand.settle(&leased, failed(true));
    }
    assert_eq!(stand.find("a").record.state, State::Dead(Death::MaxAttempts));
    assert!(stand.lease(1).is_empty());
}

fn a_lease_number_is_never_used_again(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a")]);
    let mut numbers: Vec<_> = (0..20)
        .map(|_| {
            let leased = stand.one();
            stand.settle(&leased, Settlement::Release);
            leased.token.lease
        })
        .collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
}

fn an_item_that_may_have_been_sent_says_so(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), NewItem { needs_check: true, ..item("timed out") }]);
    let leased = stand.lease(2);
    assert_eq!(leased.iter().map(|leased| leased.view.record.needs_check).collect::<Vec<_>>(), [false, true]);
    stand.settle(&leased[0], failed(true));
    assert!(stand.find("a").record.needs_check);
    assert_eq!(stand.stats().needs_check, 2);
}

fn a_clock_that_goes_back_ends_no_lease_and_expires_nothing(make: Make) {
    let stand = make(Limits::default());
    stand.put([item("a"), item("b")]);
    let a = stand.one();
    stand.clock.set(fusebox_queue::Timestamp(crate::BEGIN.0 - 2 * 3_600_000));
    assert_eq!(stand.sweep(), fusebox_queue::Swept::default());
    assert!(stand.lease(9).iter().all(|leased| leased.view.key != "a"), "its lease goes on");
    assert_eq!(stand.settle(&a, done()), Settled::Applied);
    stand.clock.set(crate::BEGIN);
    assert!(stand.find("b").record.state.is_live());
}
