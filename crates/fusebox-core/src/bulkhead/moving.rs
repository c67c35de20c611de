//! A bulkhead whose capacity finds its own size.

use super::{Bulkhead, Place, Settings, Wakes};
use crate::adaptive::{self, Limit, Sample, SharedLimit};
use crate::sync::lock;
use crate::{Outcome, Time};

impl Bulkhead {
    /// A bulkhead whose capacity is moved by an [adaptive limit](crate::adaptive). The limit's bounds and its start take
    /// the place of `max_concurrent`; everything else works as in a bulkhead of a fixed size, shares in proportion.
    ///
    /// What it learns from is the time that each place was held and the outcome it was left with. So a place should
    /// hold one attempt: where it holds a whole call with its retries, their waits look like latency.
    pub fn adaptive(settings: Settings, limit: adaptive::Settings, now: Time) -> Self {
        let mut bulkhead = Bulkhead::new(settings);
        let limit = Limit::new(limit, now);
        bulkhead.set_capacity(limit.limit());
        bulkhead.places.learn();
        bulkhead.adaptive = Some(SharedLimit::new(limit));
        bulkhead
    }

    /// Takes in what a place that has been left says, with what was in use before.
    #[cold]
    #[inline(never)]
    pub(super) fn learn(&self, place: Place, in_flight: u64, outcome: Outcome, now: Time) {
        let Some(limit) = &self.adaptive else { return };
        let sample = Sample { rtt: now.nanos_since(place.since), in_flight, outcome, now };
        let resize = |capacity| {
            let mut wakes = Wakes::default();
            lock(&self.line).set_capacity(capacity, &self.places, &mut wakes);
            wakes
        };
        // Woken after both locks are released.
        if let Some(wakes) = limit.sample(sample, resize) {
            wakes.send(&self.waker_panics);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Config, Entry};
    use super::*;
    use crate::adaptive::{Aimd, Gradient};
    use crate::{Ask, Failure, Priority};
    use alloc::vec::Vec;
    use core::task::Waker;

    extern crate std;

    const TIMEOUT: Outcome = Outcome::Failure(Failure::Timeout);

    fn bulkhead(limit: adaptive::Config) -> Bulkhead {
        let settings = Config { shares: Config::SHEDDING, ..Config::default() };
        let settings = settings.check().expect("can work");
        Bulkhead::adaptive(settings, limit.check().expect("can work"), Time::ZERO)
    }

    fn aimd() -> Bulkhead {
        bulkhead(adaptive::Config::Aimd(Aimd::default()))
    }

    fn enter(bulkhead: &Bulkhead, priority: Priority, now: Time) -> Entry {
        let ask = Ask { priority, ..Ask::default() };
        bulkhead.enter(ask, now, Time::NEVER, Waker::noop())
    }

    fn fill(bulkhead: &Bulkhead, now: Time) -> Vec<Place> {
        let place = |_| match enter(bulkhead, Priority::Critical, now) {
            Entry::Placed(place) => Some(place),
            Entry::Parked(parked) => {
                bulkhead.cancel(parked, now);
                None
            }
            Entry::Refused(_) => None,
        };
        (0..1_000).map_while(place).collect()
    }

    /// One round: everything in, everything out `millis` later.
    fn round(bulkhead: &Bulkhead, from: u64, millis: u64, outcome: Outcome) -> usize {
        let places = fill(bulkhead, Time::from_millis(from));
        let size = places.len();
        for place in places {
            bulkhead.leave(place, outcome, Time::from_millis(from + millis));
        }
        size
    }

    #[test]
    fn a_round_of_answers_gives_it_a_place_and_timeouts_take_a_fifth() {
        let bulkhead = aimd();
        assert_eq!(bulkhead.capacity(), 20, "the limit's start, not max_concurrent");
        round(&bulkhead, 0, 10, Outcome::Success);
        assert_eq!(bulkhead.capacity(), 20, "the first round trip is cold");
        assert_eq!(round(&bulkhead, 10, 10, Outcome::Success), 20);
        assert_eq!(bulkhead.capacity(), 21);
        assert_eq!(round(&bulkhead, 20, 10, TIMEOUT), 21);
        assert_eq!(bulkhead.capacity(), 16);
        let seen = bulkhead.snapshot(Time::from_millis(30)).adaptive.expect("adaptive");
        assert_eq!((seen.limit, seen.totals.answers, seen.totals.drops, seen.skipped), (16, 40, 21, 0));
    }

    #[test]
    fn those_who_wait_come_in_when_it_grows() {
        let bulkhead = aimd();
        round(&bulkhead, 0, 10, Outcome::Success);
        let now = Time::from_millis(20);
        let mut places = fill(&bulkhead, Time::from_millis(10));
        let Entry::Parked(one) = enter(&bulkhead, Priority::Critical, now) else { panic!("full") };
        let Entry::Parked(two) = enter(&bulkhead, Priority::Critical, now) else { panic!("full") };
        for place in places.drain(..) {
            bulkhead.leave(place, Outcome::Success, now);
        }
        assert_eq!(bulkhead.capacity(), 21);
        for parked in [one, two] {
            let Entry::Placed(place) = bulkhead.resume(parked, now, Waker::noop()) else { panic!("room") };
            bulkhead.leave(place, Outcome::Success, now);
        }
        assert_eq!(bulkhead.snapshot(now).in_use, 0);
    }

    #[test]
    fn the_lowest_class_feels_it_first_when_it_shrinks() {
        let bulkhead = aimd();
        round(&bulkhead, 0, 10, Outcome::Success);
        for step in 1..30 {
            round(&bulkhead, step * 10, 10, TIMEOUT);
        }
        assert_eq!(bulkhead.capacity(), 2);
        let now = Time::from_secs(1);
        let Entry::Placed(low) = enter(&bulkhead, Priority::Low, now) else { panic!("half of two is one") };
        assert!(matches!(enter(&bulkhead, Priority::Low, now), Entry::Refused(_)));
        let Entry::Placed(critical) = enter(&bulkhead, Priority::Critical, now) else { panic!("all of two") };
        [low, critical].into_iter().for_each(|place| bulkhead.leave(place, Outcome::Success, now));
        assert_eq!(bulkhead.snapshot(now).in_use, 0);
    }

    #[test]
    fn other_settings_leave_the_limit_where_it_is() {
        let bulkhead = aimd();
        round(&bulkhead, 0, 10, Outcome::Success);
        round(&bulkhead, 10, 10, TIMEOUT);
        assert_eq!(bulkhead.capacity(), 16);
        bulkhead.reconfigure(Config { max_concurrent: 500, ..Config::default() }.check().expect("can work"));
        assert_eq!(bulkhead.capacity(), 16);
    }

    #[test]
    fn a_bulkhead_of_a_fixed_size_learns_nothing() {
        let bulkhead = Bulkhead::new(Settings::default());
        for step in 0..10 {
            assert_eq!(round(&bulkhead, step * 10, 10, TIMEOUT), 25);
        }
        assert_eq!(bulkhead.snapshot(Time::from_secs(1)).adaptive, None);
    }

    #[test]
    fn its_capacity_is_its_limit_whoever_leaves_at_once() {
        let gradient = Gradient { window: core::time::Duration::from_millis(1), ..Gradient::default() };
        for limit in [adaptive::Config::Gradient(gradient), adaptive::Config::Aimd(Aimd::default())] {
            let bulkhead = bulkhead(limit);
            let calls = |thread: u64| {
                for call in 0..5_000u64 {
                    let now = Time::from_nanos(call * 100_000 + thread);
                    if let Entry::Placed(place) = enter(&bulkhead, Priority::Critical, now) {
                        let outcome = if call % 500 < 20 { TIMEOUT } else { Outcome::Success };
                        bulkhead.leave(place, outcome, now + core::time::Duration::from_micros(50));
                    }
                }
            };
            std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || calls(thread)))));
            let seen = bulkhead.snapshot(Time::from_secs(10));
            let adaptive = seen.adaptive.expect("adaptive");
            assert_eq!((seen.capacity, seen.in_use), (adaptive.limit, 0));
            assert!(adaptive.totals.lowered > 0);
            let looked_at = adaptive.totals.answers + adaptive.totals.drops;
            assert_eq!(looked_at + adaptive.skipped, seen.admitted, "every call is one or the other");
        }
    }
}
