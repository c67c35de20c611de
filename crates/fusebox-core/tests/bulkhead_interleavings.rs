//! The bulkhead against its model: random settings, random interleavings of everything that calls and operators do, and at
//! the end the capacity whole.
//!
//! 20,000 sequences a run, a million with `FUSEBOX_LONG=1`. A sequence that fails is named by its seed; `FUSEBOX_SEED` makes
//! it the first.

mod bulkhead_model;

use bulkhead_model::{Model, Said};
use fusebox_core::bulkhead::{Bulkhead, Config, Entry, Parked, PerKey, Place, QueueOrder};
use fusebox_core::{Ask, Failure, Outcome, Priority, Rng, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Wake, Waker};
use std::time::Duration;

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

struct Waiting {
    parked: Parked,
    bell: Arc<Bell>,
}

struct Pair {
    real: Bulkhead,
    model: Model,
    now: Time,
    next: u64,
    placed: BTreeMap<u64, Place>,
    parked: BTreeMap<u64, Waiting>,
    tally: Tally,
}

/// What became of all that asked.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    admitted: u64,
    waited: u64,
    refused: u64,
    cancelled: u64,
}

impl Pair {
    fn new(config: Config) -> Self {
        Pair {
            real: Bulkhead::new(config.clone().check().expect("the settings work")),
            model: Model::new(config),
            now: Time::from_secs(1),
            next: 0,
            placed: BTreeMap::new(),
            parked: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn enter(&mut self, ask: Ask, latest: Time) {
        let (id, bell) = (self.next, Arc::new(Bell::default()));
        self.next += 1;
        let entry = self.real.enter(ask, self.now, latest, &Waker::from(bell.clone()));
        let said = self.model.enter(id, ask, self.now, latest);
        self.end(id, entry, said, bell);
    }

    fn resume(&mut self, id: u64) {
        let Some(Waiting { parked, .. }) = self.parked.remove(&id) else { return };
        let bell = Arc::new(Bell::default());
        let entry = self.real.resume(parked, self.now, &Waker::from(bell.clone()));
        let said = self.model.resume(id, self.now);
        self.tally.waited += u64::from(said == Said::Placed);
        self.end(id, entry, said, bell);
    }

    fn end(&mut self, id: u64, entry: Entry, said: Said, bell: Arc<Bell>) {
        match entry {
            Entry::Placed(place) => {
                assert_eq!(said, Said::Placed);
                self.tally.admitted += 1;
                self.placed.insert(id, place);
            }
            Entry::Parked(parked) => {
                assert_eq!(said, Said::Parked(parked.until()));
                self.parked.insert(id, Waiting { parked, bell });
            }
            Entry::Refused(rejection) => {
                assert_eq!((said, rejection.retry_at), (Said::Refused(rejection.reason), Time::NEVER));
                self.tally.refused += 1;
            }
        }
    }

    fn cancel(&mut self, id: u64) {
        let Some(Waiting { parked, .. }) = self.parked.remove(&id) else { return };
        self.real.cancel(parked, self.now);
        let cancelled = self.model.cancel(id, self.now);
        self.tally.cancelled += u64::from(cancelled);
        self.tally.refused += u64::from(!cancelled);
    }

    fn leave(&mut self, id: u64, outcome: Outcome) {
        let Some(place) = self.placed.remove(&id) else { return };
        self.real.leave(place, outcome, self.now);
        self.model.leave(id, self.now);
    }

    fn step(&mut self, rng: &mut Rng) {
        match rng.up_to(15) {
            0..=5 => {
                let priority = Priority::ALL[rng.up_to(3) as usize].1;
                let weight = if rng.up_to(2) > 0 { 1 } else { 1 + rng.up_to(6) };
                let ask = Ask { priority, key: rng.up_to(3), weight };
                let latest = if rng.up_to(3) > 0 { Time::NEVER } else { self.later(rng, 60) };
                self.enter(ask, latest);
            }
            6..=8 => {
                let outcomes = [Outcome::Success, Outcome::Failure(Failure::Timeout), Outcome::Cancelled];
                if let Some(id) = pick(&self.placed, rng) {
                    self.leave(id, outcomes[rng.up_to(2) as usize]);
                }
            }
            9 | 10 => {
                if let Some(id) = pick(&self.parked, rng) {
                    self.cancel(id);
                }
            }
            11 => {
                if let Some(id) = pick(&self.parked, rng) {
                    self.resume(id);
                }
            }
            12 => {
                let capacity = rng.up_to(8);
                self.real.set_capacity(capacity);
                self.model.set_capacity(capacity);
            }
            // Woken ones come back.
            13 => {
                let woken = self.parked.iter().filter(|(_, waiting)| waiting.bell.0.load(Relaxed));
                woken.map(|(id, _)| *id).collect::<Vec<_>>().into_iter().for_each(|id| self.resume(id));
            }
            _ => self.now = self.later(rng, 40),
        }
        self.agree();
    }

    fn later(&self, rng: &mut Rng, most: u64) -> Time {
        self.now + Duration::from_millis(rng.up_to(most))
    }

    fn agree(&mut self) {
        let seen = self.real.snapshot(self.now);
        self.model.advance(self.now);
        let model = &self.model;
        assert_eq!(
            (seen.in_use, seen.waiting, seen.granted, seen.capacity),
            (model.used(), model.waiting(), model.granted(), model.capacity)
        );
        for (id, waiting) in &self.parked {
            assert_eq!(waiting.bell.0.load(Relaxed), model.has_answer(*id), "woken when there is an answer");
        }
        let refused = |reason: &str| model.refused.get(reason).copied().unwrap_or(0);
        let of = seen.refused;
        assert_eq!(of.full, refused("bulkhead_full"));
        assert_eq!(of.timed_out, refused("bulkhead_timeout"));
        assert_eq!((of.shed, of.key_full), (refused("shed"), refused("key_full")));
        assert_eq!(seen.asked() + seen.waiting + seen.granted, self.next, "every call is in one of them");
        assert!(
            seen.keys as usize <= self.placed.len() + self.parked.len(),
            "no key is remembered for nothing"
        );
        if self.real.settings().config().max_per_key.is_some() {
            assert_eq!(seen.keys as usize, model.keys());
        }
    }

    /// Everybody goes, in any order and in any way.
    fn finish(&mut self, rng: &mut Rng) -> (u64, Tally) {
        while let Some(id) = pick(&self.parked, rng).filter(|_| rng.up_to(2) > 0 || self.placed.is_empty()) {
            if rng.up_to(1) > 0 {
                self.cancel(id)
            } else {
                self.resume(id)
            }
            if let Some(id) = pick(&self.placed, rng) {
                self.leave(id, Outcome::Success);
            }
        }
        while let Some(id) = pick(&self.placed, rng).or(pick(&self.parked, rng)) {
            self.leave(id, Outcome::Success);
            self.cancel(id);
        }
        self.agree();
        let seen = self.real.snapshot(self.now);
        assert_eq!((seen.in_use, seen.waiting, seen.granted, seen.keys), (0, 0, 0, 0), "whole");
        let told = Tally {
            admitted: seen.admitted,
            waited: seen.waited,
            refused: seen.refused.total(),
            cancelled: seen.cancelled,
        };
        assert_eq!(told, self.tally);
        (self.next, told)
    }
}

fn pick<V>(map: &BTreeMap<u64, V>, rng: &mut Rng) -> Option<u64> {
    let at = rng.up_to((map.len() as u64).checked_sub(1)?);
    map.keys().nth(at as usize).copied()
}

fn config(rng: &mut Rng) -> Config {
    let max_concurrent = 1 + rng.up_to(7);
    Config {
        max_concurrent,
        max_wait: Duration::from_millis([0, 20, 100][rng.up_to(2) as usize]),
        max_queue: [0, 1, 3, 8][rng.up_to(3) as usize],
        order: if rng.up_to(1) > 0 { QueueOrder::Fifo } else { QueueOrder::Lifo },
        max_per_key: match rng.up_to(3) {
            0 => Some(PerKey::Places(1 + rng.up_to(max_concurrent - 1))),
            1 => Some(PerKey::Share([0.25, 0.5][rng.up_to(1) as usize])),
            _ => None,
        },
        shares: if rng.up_to(2) > 0 { [1.0; 4] } else { Config::SHEDDING },
    }
}

fn sequences() -> (u64, u64) {
    let seed = std::env::var("FUSEBOX_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| proptest::prelude::any::<u64>().fresh());
    (seed, if std::env::var_os("FUSEBOX_LONG").is_some() { 1_000_000 } else { 20_000 })
}

/// A number nobody has chosen.
trait Fresh {
    fn fresh(&self) -> u64;
}

impl<S: proptest::strategy::Strategy<Value = u64>> Fresh for S {
    fn fresh(&self) -> u64 {
        use proptest::strategy::ValueTree;
        self.new_tree(&mut proptest::test_runner::TestRunner::default()).expect("any number").current()
    }
}

#[test]
fn whatever_comes_in_between_the_capacity_is_whole_and_the_line_is_as_the_model_has_it() {
    let (seed, count) = sequences();
    let mut sum = Tally::default();
    let mut asked = 0;
    for sequence in 0..count {
        let mut rng = Rng::seeded(seed.wrapping_add(sequence));
        let mut pair = Pair::new(config(&mut rng));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..1 + rng.up_to(60)).for_each(|_| pair.step(&mut rng));
            pair.finish(&mut rng)
        }));
        let Ok((of, tally)) = run else {
            panic!("the first with FUSEBOX_SEED={}", seed.wrapping_add(sequence))
        };
        asked += of;
        sum.admitted += tally.admitted;
        sum.waited += tally.waited;
        sum.refused += tally.refused;
        sum.cancelled += tally.cancelled;
    }
    // The run has come through all of it, often.
    let Tally { admitted, waited, refused, cancelled } = sum;
    assert_eq!(asked, admitted + refused + cancelled);
    assert!(waited > count / 10 && refused > count / 10 && cancelled > count / 10, "{sum:?}");
}

/// New settings at any moment, too: no model has them, but the end is the same.
#[test]
fn settings_that_change_at_any_moment_leave_the_capacity_whole() {
    let (seed, count) = sequences();
    for sequence in 0..count / 4 {
        let mut rng = Rng::seeded(seed.wrapping_add(sequence));
        let bulkhead = Bulkhead::new(config(&mut rng).check().expect("works"));
        let (mut placed, mut parked, mut now) = (Vec::new(), Vec::new(), Time::ZERO);
        let mut asked = 0;
        for _ in 0..80 {
            match rng.up_to(7) {
                0..=3 => {
                    asked += 1;
                    let ask = Ask { key: rng.up_to(2), weight: 1 + rng.up_to(2), ..Ask::default() };
                    match bulkhead.enter(ask, now, Time::NEVER, Waker::noop()) {
                        Entry::Placed(place) => placed.push(place),
                        Entry::Parked(stand) => parked.push(stand),
                        Entry::Refused(_) => {}
                    }
                }
                4 | 5 if !placed.is_empty() => {
                    let place = placed.swap_remove(rng.up_to(placed.len() as u64 - 1) as usize);
                    bulkhead.leave(place, Outcome::Success, now);
                }
                6 => bulkhead.reconfigure(config(&mut rng).check().expect("works")),
                _ => now = now + Duration::from_millis(rng.up_to(30)),
            }
        }
        // Nobody's patience is over yet, and all that are in go: then all that wait get in, however the keys stand.
        for place in placed {
            bulkhead.leave(place, Outcome::Success, now);
        }
        while !parked.is_empty() {
            let before = parked.len();
            for stand in std::mem::take(&mut parked) {
                match bulkhead.resume(stand, now, Waker::noop()) {
                    Entry::Placed(place) => bulkhead.leave(place, Outcome::Success, now),
                    Entry::Parked(stand) => parked.push(stand),
                    Entry::Refused(_) => {}
                }
            }
            assert!(
                parked.len() < before,
                "FUSEBOX_SEED={}: {before} are forgotten",
                seed.wrapping_add(sequence)
            );
        }
        let seen = bulkhead.snapshot(now);
        assert_eq!(
            (seen.in_use, seen.waiting, seen.granted, seen.keys),
            (0, 0, 0, 0),
            "{sequence} of {seed}"
        );
        assert_eq!(seen.asked(), asked);
    }
}
