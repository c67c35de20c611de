//! The rules of the line, in virtual time.

use super::*;
use crate::{Priority, Reason};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::time::Duration;

extern crate std;

const NEVER: Time = Time::NEVER;
const T0: Time = Time::from_secs(1);

fn bulkhead(config: Config) -> Bulkhead {
    Bulkhead::new(config.check().expect("the settings work"))
}

fn of(max_concurrent: u64) -> Config {
    Config { max_concurrent, ..Config::default() }
}

fn ms(millis: u64) -> Time {
    T0 + Duration::from_millis(millis)
}

impl Bulkhead {
    fn ask(&self, ask: Ask, now: Time) -> Entry {
        self.enter(ask, now, NEVER, Waker::noop())
    }

    fn placed(&self, ask: Ask, now: Time) -> Place {
        match self.ask(ask, now) {
            Entry::Placed(place) => place,
            other => panic!("a place, not {other:?}"),
        }
    }

    fn parked(&self, ask: Ask, now: Time) -> Parked {
        match self.ask(ask, now) {
            Entry::Parked(parked) => parked,
            other => panic!("a stand in the queue, not {other:?}"),
        }
    }

    fn refused(&self, ask: Ask, now: Time) -> Reason {
        match self.ask(ask, now) {
            Entry::Refused(rejection) => rejection.reason,
            other => panic!("a refusal, not {other:?}"),
        }
    }

    fn comes_back(&self, parked: Parked, now: Time) -> Result<Option<Place>, Reason> {
        match self.resume(parked, now, Waker::noop()) {
            Entry::Placed(place) => Ok(Some(place)),
            Entry::Parked(same) => {
                assert_eq!(same, parked);
                Ok(None)
            }
            Entry::Refused(rejection) => Err(rejection.reason),
        }
    }

    fn done(&self, place: Place, now: Time) {
        self.leave(place, Outcome::Success, now);
    }
}

fn key(key: u64) -> Ask {
    Ask { key, ..Ask::default() }
}

fn heavy(weight: u64) -> Ask {
    Ask { weight, ..Ask::default() }
}

fn matters(priority: Priority) -> Ask {
    Ask { priority, ..Ask::default() }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[test]
fn the_default_is_25_places_100_ms_and_25_in_the_queue() {
    let bulkhead = bulkhead(Config::default());
    let places: Vec<_> = (0..25).map(|_| bulkhead.placed(Ask::default(), T0)).collect();
    let parked: Vec<_> = (0..25).map(|_| bulkhead.parked(Ask::default(), T0)).collect();
    assert!(parked.iter().all(|parked| parked.until() == ms(100)));
    assert_eq!(bulkhead.refused(Ask::default(), T0), Reason::BulkheadFull);
    for place in places {
        bulkhead.done(place, ms(99));
    }
    let served = parked.into_iter().map(|parked| bulkhead.comes_back(parked, ms(99)));
    served.for_each(|place| bulkhead.done(place.expect("in time").expect("served"), ms(99)));
    let seen = bulkhead.snapshot(ms(100));
    assert_eq!((seen.in_use, seen.waiting, seen.peak_in_use, seen.peak_waiting), (0, 0, 25, 25));
    assert_eq!((seen.admitted, seen.waited, seen.refused.full, seen.asked()), (50, 25, 1, 51));
    assert_eq!((seen.wait_nanos, seen.max_wait_nanos), (25 * 99_000_000, 99_000_000));
    assert_eq!(seen.occupied_nanos, 99_000_000);
}

#[test]
fn the_oldest_is_served_first_and_a_newcomer_overtakes_nobody() {
    let bulkhead = bulkhead(of(1));
    let place = bulkhead.placed(Ask::default(), T0);
    let (first, second) = (bulkhead.parked(Ask::default(), T0), bulkhead.parked(Ask::default(), T0));
    bulkhead.done(place, ms(1));
    let third = bulkhead.parked(Ask::default(), ms(1));
    assert_eq!(bulkhead.comes_back(second, ms(1)), Ok(None));
    let place = bulkhead.comes_back(first, ms(1)).expect("its turn").expect("a place");
    bulkhead.done(place, ms(2));
    assert_eq!(bulkhead.comes_back(third, ms(2)), Ok(None));
    assert!(matches!(bulkhead.comes_back(second, ms(2)), Ok(Some(_))));
}

#[test]
fn newest_first_serves_the_newest_and_refuses_the_oldest_of_a_full_queue() {
    let bulkhead = bulkhead(Config { max_queue: 2, order: QueueOrder::Lifo, ..of(1) });
    let place = bulkhead.placed(Ask::default(), T0);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let Entry::Parked(oldest) = bulkhead.enter(Ask::default(), T0, NEVER, &waker) else { panic!("full") };
    let [middle, newest] = [1, 2].map(|at| bulkhead.parked(Ask::default(), ms(at)));
    assert_eq!(bell.rung(), 1, "the oldest is told at once");
    assert_eq!(bulkhead.comes_back(oldest, ms(2)), Err(Reason::BulkheadFull));
    bulkhead.done(place, ms(3));
    assert_eq!(bulkhead.comes_back(middle, ms(3)), Ok(None));
    assert!(matches!(bulkhead.comes_back(newest, ms(3)), Ok(Some(_))));
}

#[test]
fn a_wait_ends_at_its_longest_or_at_the_callers_deadline() {
    let bulkhead = bulkhead(of(1));
    let place = bulkhead.placed(Ask::default(), T0);
    let patient = bulkhead.parked(Ask::default(), T0);
    let Entry::Parked(hasty) = bulkhead.enter(Ask::default(), T0, ms(10), Waker::noop()) else {
        panic!("full")
    };
    assert_eq!((patient.until(), hasty.until()), (ms(100), ms(10)));
    assert_eq!(bulkhead.comes_back(hasty, ms(10)), Err(Reason::BulkheadTimeout));
    assert_eq!(bulkhead.comes_back(patient, ms(99)), Ok(None));
    // It has not come back yet when a place comes free, too late.
    bulkhead.done(place, ms(100));
    assert_eq!(bulkhead.comes_back(patient, ms(101)), Err(Reason::BulkheadTimeout));
    let Entry::Placed(_) = bulkhead.enter(Ask::default(), ms(101), ms(101), Waker::noop()) else {
        panic!("there is room, and room needs no wait")
    };
    let Entry::Refused(late) = bulkhead.enter(Ask::default(), ms(101), ms(101), Waker::noop()) else {
        panic!("no time to wait")
    };
    assert_eq!((late.reason, late.retry_at), (Reason::BulkheadTimeout, NEVER));
    assert_eq!(bulkhead.snapshot(ms(101)).refused.timed_out, 3);
}

#[test]
fn without_a_queue_or_a_wait_the_answer_is_no_at_once() {
    for config in [Config { max_queue: 0, ..of(1) }, Config { max_wait: Duration::ZERO, ..of(1) }] {
        let bulkhead = bulkhead(config);
        let place = bulkhead.placed(Ask::default(), T0);
        assert_eq!(bulkhead.refused(Ask::default(), T0), Reason::BulkheadFull);
        bulkhead.done(place, T0);
        bulkhead.placed(Ask::default(), T0);
    }
}

#[test]
fn weights_share_the_capacity_and_the_heavy_is_not_starved_by_the_light() {
    let bulkhead = bulkhead(of(1_000));
    let half = bulkhead.placed(heavy(500), T0);
    let more = bulkhead.placed(heavy(400), T0);
    let large = bulkhead.parked(heavy(600), T0);
    let small = bulkhead.parked(heavy(1), T0);
    bulkhead.done(more, ms(1));
    assert_eq!(bulkhead.comes_back(small, ms(1)), Ok(None), "behind the large one, though it would fit");
    bulkhead.done(half, ms(2));
    assert!(matches!(bulkhead.comes_back(large, ms(2)), Ok(Some(_))));
    assert!(matches!(bulkhead.comes_back(small, ms(2)), Ok(Some(_))));
    assert_eq!(bulkhead.snapshot(ms(2)).in_use, 601);
}

#[test]
fn what_is_heavier_than_everything_goes_alone() {
    let bulkhead = bulkhead(of(100));
    let small = bulkhead.placed(heavy(1), T0);
    let huge = bulkhead.parked(heavy(u64::MAX), T0);
    bulkhead.done(small, ms(1));
    let huge = bulkhead.comes_back(huge, ms(1)).expect("served").expect("alone");
    assert_eq!(huge.weight(), MAX_CAPACITY);
    let behind = bulkhead.parked(heavy(1), ms(1));
    bulkhead.done(huge, ms(2));
    assert!(matches!(bulkhead.comes_back(behind, ms(2)), Ok(Some(_))));
}

#[test]
fn a_weight_of_nothing_takes_one() {
    let bulkhead = bulkhead(of(1));
    assert_eq!(bulkhead.placed(heavy(0), T0).weight(), 1);
}

#[test]
fn one_key_can_not_take_it_all_nor_hold_others_up() {
    let bulkhead = bulkhead(Config { max_queue: 4, max_per_key: Some(PerKey::Share(0.5)), ..of(4) });
    let greedy: Vec<_> = (0..2).map(|_| bulkhead.placed(key(7), T0)).collect();
    let waiting: Vec<_> = (0..2).map(|_| bulkhead.parked(key(7), T0)).collect();
    assert_eq!(bulkhead.refused(key(7), T0), Reason::KeyFull, "half of the queue, too");
    let others: Vec<_> = (0..2).map(|_| bulkhead.placed(key(8), T0)).collect();
    let modest = bulkhead.parked(key(9), ms(1));
    assert_eq!(bulkhead.snapshot(ms(1)).keys, 3);
    // The greedy ones stand before the modest one, and do not hold it up.
    bulkhead.done(others[0], ms(2));
    let modest = bulkhead.comes_back(modest, ms(2)).expect("served").expect("a place");
    bulkhead.done(greedy[0], ms(3));
    let third = bulkhead.comes_back(waiting[0], ms(3)).expect("served").expect("its key has room");
    assert_eq!(bulkhead.comes_back(waiting[1], ms(99)), Ok(None));
    assert_eq!(bulkhead.comes_back(waiting[1], ms(100)), Err(Reason::KeyFull));
    [greedy[1], others[1], modest, third].into_iter().for_each(|place| bulkhead.done(place, ms(100)));
    let seen = bulkhead.snapshot(ms(100));
    assert_eq!(
        (seen.in_use, seen.keys, seen.refused.key_full),
        (0, 0, 2),
        "nothing is remembered of the keys"
    );
}

#[test]
fn nobodys_key_counts_for_nobody() {
    let bulkhead = bulkhead(Config { max_per_key: Some(PerKey::Places(1)), ..of(3) });
    for _ in 0..3 {
        bulkhead.placed(key(0), T0);
    }
    assert_eq!(bulkhead.snapshot(T0).keys, 0);
}

#[test]
fn each_class_is_shed_above_its_share_the_lowest_first() {
    let bulkhead = bulkhead(Config { shares: Config::SHEDDING, ..of(20) });
    let mut places = Vec::new();
    for (priority, filled) in
        [(Priority::Low, 10), (Priority::Normal, 16), (Priority::High, 19), (Priority::Critical, 20)]
    {
        while places.len() < filled {
            places.push(bulkhead.placed(matters(priority), T0));
        }
        if priority == Priority::Critical {
            bulkhead.parked(matters(priority), T0);
        } else {
            assert_eq!(bulkhead.refused(matters(priority), T0), Reason::Shed);
        }
    }
    assert_eq!(bulkhead.snapshot(T0).refused.shed, 3);
}

#[test]
fn a_full_queue_gives_its_last_stand_to_a_higher_class_and_serves_that_first() {
    let bulkhead = bulkhead(Config { max_queue: 2, ..of(1) });
    let place = bulkhead.placed(Ask::default(), T0);
    let bell = Arc::new(Bell::default());
    let normal = bulkhead.parked(Ask::default(), T0);
    let low = matters(Priority::Low);
    let Entry::Parked(low) = bulkhead.enter(low, T0, NEVER, &Waker::from(bell.clone())) else {
        panic!("full")
    };
    let high = bulkhead.parked(matters(Priority::High), ms(1));
    assert_eq!(bell.rung(), 1);
    assert_eq!(bulkhead.comes_back(low, ms(1)), Err(Reason::Shed));
    assert_eq!(bulkhead.refused(Ask::default(), ms(1)), Reason::BulkheadFull, "as much is not more");
    bulkhead.done(place, ms(2));
    assert_eq!(bulkhead.comes_back(normal, ms(2)), Ok(None));
    assert!(matches!(bulkhead.comes_back(high, ms(2)), Ok(Some(_))));
}

#[test]
fn a_granted_place_whose_caller_is_gone_is_handed_on() {
    let bulkhead = bulkhead(of(1));
    let place = bulkhead.placed(Ask::default(), T0);
    let (gone, next) = (bulkhead.parked(Ask::default(), T0), bulkhead.parked(Ask::default(), T0));
    bulkhead.done(place, ms(1));
    assert_eq!(bulkhead.snapshot(ms(1)).granted, 1);
    bulkhead.cancel(gone, ms(2));
    assert!(matches!(bulkhead.comes_back(next, ms(2)), Ok(Some(_))));
    bulkhead.cancel(gone, ms(3));
    assert!(bulkhead.comes_back(gone, ms(3)).is_err(), "it has ended");
    let seen = bulkhead.snapshot(ms(3));
    assert_eq!((seen.in_use, seen.admitted, seen.cancelled, seen.asked()), (1, 2, 1, 3));
}

#[test]
fn the_heavy_one_that_gives_up_lets_the_light_ones_by() {
    let bulkhead = bulkhead(of(10));
    bulkhead.placed(heavy(5), T0);
    let (large, small) = (bulkhead.parked(heavy(6), T0), bulkhead.parked(heavy(5), T0));
    bulkhead.cancel(large, ms(1));
    assert!(matches!(bulkhead.comes_back(small, ms(1)), Ok(Some(_))));
}

#[test]
fn growing_lets_the_waiting_in_and_shrinking_waits_for_leavers() {
    let bulkhead = bulkhead(of(1));
    let first = bulkhead.placed(Ask::default(), T0);
    let second = bulkhead.parked(Ask::default(), T0);
    bulkhead.set_capacity(2);
    let second = bulkhead.comes_back(second, T0).expect("served").expect("a place");
    bulkhead.set_capacity(0);
    assert_eq!(bulkhead.capacity(), 1, "one at least");
    let third = bulkhead.parked(Ask::default(), T0);
    bulkhead.done(first, ms(1));
    assert_eq!(bulkhead.comes_back(third, ms(1)), Ok(None), "one is in, and one may be");
    bulkhead.done(second, ms(2));
    assert!(matches!(bulkhead.comes_back(third, ms(2)), Ok(Some(_))));
}

#[test]
fn settings_change_while_calls_are_in_and_waiting() {
    let bulkhead = bulkhead(of(2));
    let places = [bulkhead.placed(key(1), T0), bulkhead.placed(key(1), T0)];
    let waiting = [bulkhead.parked(key(1), T0), bulkhead.parked(key(1), T0)];
    let per_key = Config { max_per_key: Some(PerKey::Places(1)), order: QueueOrder::Lifo, ..of(3) };
    bulkhead.reconfigure(per_key.check().expect("works"));
    // Those that were in before count for no key; those that come in now do.
    let third = bulkhead.comes_back(waiting[0], T0).expect("served").expect("a place");
    places.into_iter().for_each(|place| bulkhead.done(place, ms(1)));
    assert_eq!(bulkhead.comes_back(waiting[1], ms(1)), Ok(None));
    bulkhead.reconfigure(of(3).check().expect("works"));
    let fourth = bulkhead.comes_back(waiting[1], ms(1)).expect("served").expect("keys do not count now");
    [third, fourth].into_iter().for_each(|place| bulkhead.done(place, ms(2)));
    let seen = bulkhead.snapshot(ms(2));
    assert_eq!((seen.in_use, seen.keys, seen.admitted), (0, 0, 4));
}

#[test]
fn a_waker_that_panics_or_comes_back_hurts_nobody() {
    struct Explodes;
    impl Wake for Explodes {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    struct Leaves(Arc<Bulkhead>, Place);
    impl Wake for Leaves {
        fn wake(self: Arc<Self>) {
            self.0.leave(self.1, Outcome::Success, ms(1));
        }
    }
    let bulkhead = Arc::new(bulkhead(of(2)));
    let [first, second] = [0, 0].map(|_| bulkhead.placed(Ask::default(), T0));
    let enter = |waker: Waker| match bulkhead.enter(Ask::default(), T0, NEVER, &waker) {
        Entry::Parked(parked) => parked,
        other => panic!("a stand in the queue, not {other:?}"),
    };
    let explodes = enter(Waker::from(Arc::new(Explodes)));
    let leaves = enter(Waker::from(Arc::new(Leaves(bulkhead.clone(), second))));
    let last = bulkhead.parked(Ask::default(), T0);
    let keep = std::panic::take_hook();
    std::panic::set_hook(std::boxed::Box::new(|_| ()));
    bulkhead.done(first, ms(1));
    bulkhead.set_capacity(3);
    std::panic::set_hook(keep);
    for parked in [explodes, leaves, last] {
        assert!(matches!(bulkhead.comes_back(parked, ms(1)), Ok(Some(_))));
    }
    assert_eq!(bulkhead.snapshot(ms(1)).waker_panics, 1);
}

#[test]
fn a_waker_is_replaced_by_the_next_and_dropped_outside_the_lock() {
    struct Asks(Arc<Bulkhead>, Arc<Bell>);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            let _ = self.0.snapshot(T0);
            self.1.0.fetch_add(1, Relaxed);
        }
    }
    let (bulkhead, dropped) = (Arc::new(bulkhead(of(1))), Arc::new(Bell::default()));
    let place = bulkhead.placed(Ask::default(), T0);
    let waker = || Waker::from(Arc::new(Asks(bulkhead.clone(), dropped.clone())));
    let Entry::Parked(parked) = bulkhead.enter(Ask::default(), T0, NEVER, &waker()) else { panic!("full") };
    assert!(matches!(bulkhead.resume(parked, T0, &waker()), Entry::Parked(_)));
    assert_eq!(dropped.rung(), 1, "the first");
    bulkhead.cancel(parked, T0);
    assert_eq!(dropped.rung(), 2, "and the second");
    bulkhead.done(place, T0);
}

#[test]
fn a_full_count_sends_one_call_to_the_lock_and_not_all_that_follow() {
    let bulkhead = bulkhead(of(1));
    for _ in 0..100_000 {
        bulkhead.done(bulkhead.placed(Ask::default(), T0), T0);
    }
    assert!(bulkhead.places.enter(1, 0, Priority::Normal).is_some(), "without the lock, and counted");
    assert_eq!(bulkhead.snapshot(T0).admitted, 100_001);
}

#[test]
fn places_are_small() {
    assert_eq!(size_of::<Place>(), 24);
    assert!(size_of::<Entry>() <= 32);
}
