//! The waiter protocol, every interleaving of it up to the preemptions that `LOOM_MAX_PREEMPTIONS` allows.
//!
//! Each test says which break of the protocol it catches.

use super::*;
use crate::Reason;
use alloc::sync::Arc;
use alloc::task::Wake;
use loom::thread;

extern crate std;

const NOW: Time = Time::from_secs(1);
const LATER: Time = Time::from_millis(1_100);

fn bulkhead(max_concurrent: u64, max_queue: u32) -> Arc<Bulkhead> {
    let config = Config { max_concurrent, max_queue, ..Config::default() };
    let bulkhead = Bulkhead::new(config.check().expect("the settings work"));
    // The first call is a sample, which takes the lock as it leaves: that would hide what the flag has to bring about.
    bulkhead.leave(placed(&bulkhead), Outcome::Success, NOW);
    Arc::new(bulkhead)
}

fn enter(bulkhead: &Bulkhead, waker: &Waker) -> Entry {
    bulkhead.enter(Ask::default(), NOW, Time::NEVER, waker)
}

fn placed(bulkhead: &Bulkhead) -> Place {
    match enter(bulkhead, Waker::noop()) {
        Entry::Placed(place) => place,
        other => panic!("a place, not {other:?}"),
    }
}

/// A call in the queue, with the bell that must ring when there is an answer: coming back unasked would find it, too.
struct Waiting {
    parked: Parked,
    bell: Arc<Bell>,
}

/// `None` if there is room.
fn asks(bulkhead: &Bulkhead) -> Option<Waiting> {
    let bell = Arc::new(Bell::default());
    match enter(bulkhead, &Waker::from(bell.clone())) {
        Entry::Placed(_) => None,
        Entry::Parked(parked) => Some(Waiting { parked, bell }),
        Entry::Refused(rejection) => panic!("{rejection}"),
    }
}

fn waits(bulkhead: &Bulkhead) -> Waiting {
    asks(bulkhead).expect("there is no room")
}

impl Waiting {
    fn comes_in(self, bulkhead: &Bulkhead) -> Place {
        assert!(self.bell.0.load(Relaxed), "nobody has woken it");
        match bulkhead.resume(self.parked, NOW, Waker::noop()) {
            Entry::Placed(place) => place,
            other => panic!("a place, not {other:?}"),
        }
    }
}

fn leaves(bulkhead: &Arc<Bulkhead>, place: Place) -> thread::JoinHandle<()> {
    let bulkhead = bulkhead.clone();
    thread::spawn(move || bulkhead.leave(place, Outcome::Success, NOW))
}

/// A bell that loom need not explore: it is asked after the threads have ended.
#[derive(Default)]
struct Bell(std::sync::atomic::AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Fails when who parks looks for room before it raises the flag and not after, when a leaver reads the flag apart from
/// giving its place back, and when a place is granted without a call of the waker.
#[test]
fn a_place_that_is_left_while_a_call_parks_is_seen_or_handed_over() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 1);
        let left = leaves(&bulkhead, placed(&bulkhead));
        let waiting = asks(&bulkhead);
        left.join().expect("no panic");
        if let Some(waiting) = waiting {
            waiting.comes_in(&bulkhead);
        }
        let seen = bulkhead.snapshot(NOW);
        assert_eq!((seen.in_use, seen.admitted, seen.waiting, seen.granted), (1, 3, 0, 0));
    });
}

/// Fails when the flag comes down while somebody is still in the line.
#[test]
fn two_that_leave_at_once_let_two_in() {
    loom::model(|| {
        let bulkhead = bulkhead(2, 2);
        let places = [placed(&bulkhead), placed(&bulkhead)];
        let waiting = [waits(&bulkhead), waits(&bulkhead)];
        let left = places.map(|place| leaves(&bulkhead, place));
        left.into_iter().for_each(|left| left.join().expect("no panic"));
        // Both, before one of them comes and has a look for the other.
        assert!(waiting.iter().all(|waiting| waiting.bell.0.load(Relaxed)), "nobody has woken it");
        for waiting in waiting {
            waiting.comes_in(&bulkhead);
        }
        assert_eq!(bulkhead.snapshot(NOW).in_use, 2);
    });
}

/// Fails when a place that was granted to a call which gives up is kept, and when it is given back twice.
#[test]
fn a_call_that_gives_up_while_it_is_granted_a_place_hands_it_on() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 2);
        let place = placed(&bulkhead);
        let (gone, next) = (waits(&bulkhead), waits(&bulkhead));
        let left = leaves(&bulkhead, place);
        bulkhead.cancel(gone.parked, NOW);
        left.join().expect("no panic");
        bulkhead.leave(next.comes_in(&bulkhead), Outcome::Success, NOW);
        let seen = bulkhead.snapshot(NOW);
        assert_eq!((seen.in_use, seen.admitted, seen.cancelled), (0, 3, 1));
    });
}

/// Fails when a call whose time is over leaves the line without looking for an answer.
#[test]
fn a_call_whose_time_ends_as_it_is_granted_a_place_has_one_or_the_other() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 1);
        let place = placed(&bulkhead);
        let waiting = waits(&bulkhead).parked;
        let left = leaves(&bulkhead, place);
        let entry = bulkhead.resume(waiting, LATER, Waker::noop());
        left.join().expect("no panic");
        let in_use = bulkhead.snapshot(LATER).in_use;
        match entry {
            Entry::Placed(_) => assert_eq!(in_use, 1),
            Entry::Refused(rejection) => assert_eq!((rejection.reason, in_use), (Reason::BulkheadTimeout, 0)),
            Entry::Parked(_) => panic!("its time is over"),
        }
    });
}

/// Fails when the limits change outside the lock, or nobody is let in afterwards.
#[test]
fn a_call_that_parks_while_the_capacity_grows_gets_in() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 1);
        placed(&bulkhead);
        let grows = {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || bulkhead.set_capacity(2))
        };
        let waiting = asks(&bulkhead);
        grows.join().expect("no panic");
        if let Some(waiting) = waiting {
            waiting.comes_in(&bulkhead);
        }
        assert_eq!(bulkhead.snapshot(NOW).in_use, 2);
    });
}

/// Fails when entering looks and takes in two steps, and when leaving or entering is Relaxed: what the one before has
/// done in the only place is not seen.
#[test]
fn the_only_place_is_held_by_one_at_a_time_who_sees_what_the_last_one_did() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 0);
        let work = Arc::new(AtomicU64::new(0));
        let callers = [(); 2].map(|()| {
            let (bulkhead, work) = (bulkhead.clone(), work.clone());
            thread::spawn(move || {
                let Entry::Placed(place) = enter(&bulkhead, Waker::noop()) else { return 0 };
                let done = work.load(Relaxed);
                thread::yield_now();
                work.store(done + 1, Relaxed);
                bulkhead.leave(place, Outcome::Success, NOW);
                1
            })
        });
        let entered: u64 = callers.into_iter().map(|caller| caller.join().expect("no panic")).sum();
        assert_eq!(work.load(Relaxed), entered);
        let seen = bulkhead.snapshot(NOW);
        assert_eq!((seen.in_use, seen.admitted, seen.asked()), (0, 1 + entered, 3));
    });
}

/// Fails when a place that is handed over does not bring along what was done in it.
#[test]
fn who_is_handed_a_place_sees_what_the_last_one_did_in_it() {
    loom::model(|| {
        let bulkhead = bulkhead(1, 1);
        let place = placed(&bulkhead);
        let waiting = waits(&bulkhead).parked;
        let work = Arc::new(AtomicU64::new(0));
        let left = {
            let (bulkhead, work) = (bulkhead.clone(), work.clone());
            thread::spawn(move || {
                work.store(1, Relaxed);
                bulkhead.leave(place, Outcome::Success, NOW);
            })
        };
        if let Entry::Placed(_) = bulkhead.resume(waiting, NOW, Waker::noop()) {
            assert_eq!(work.load(Relaxed), 1);
        }
        left.join().expect("no panic");
    });
}

/// Fails when the count in the word is taken out by another way than subtracting what was read.
#[test]
fn a_reader_that_takes_the_count_out_loses_no_call() {
    loom::model(|| {
        let bulkhead = bulkhead(2, 0);
        let caller = {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || bulkhead.leave(placed(&bulkhead), Outcome::Success, NOW))
        };
        let place = placed(&bulkhead);
        let early = bulkhead.snapshot(NOW).admitted;
        bulkhead.leave(place, Outcome::Success, NOW);
        caller.join().expect("no panic");
        let seen = bulkhead.snapshot(NOW);
        assert!(early <= 3);
        assert_eq!((seen.admitted, seen.in_use), (3, 0));
    });
}
