//! How somebody has been doing of late: the last sixteen outcomes in one word.

use crate::Time;
use crate::sync::{AtomicU64, Relaxed};

/// The latest outcomes that are remembered.
const REMEMBERED: u32 = 16;
const OUTCOMES: u64 = (1 << REMEMBERED) - 1;
const SEEN_SHIFT: u32 = 16;
const SEEN: u64 = 31;
const SECONDS_SHIFT: u32 = 32;

/// `[second of the latest: 32 | seen: 16 | failed, the latest lowest: 16]`.
///
/// Two threads at once may lose one of their outcomes. Nothing is counted on this; it says who fails at present.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicU64);

/// What is known of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unknown,
    Well,
    Sick,
}

fn seconds(at: Time) -> u64 {
    (at.as_nanos() / 1_000_000_000) & u64::from(u32::MAX)
}

impl Health {
    pub(super) fn note(&self, failed: bool, now: Time, memory: u64) {
        let word = self.recent(now, memory);
        let seen = ((word >> SEEN_SHIFT & SEEN) + 1).min(u64::from(REMEMBERED));
        let outcomes = (word << 1 | u64::from(failed)) & OUTCOMES;
        self.0.store(seconds(now) << SECONDS_SHIFT | seen << SEEN_SHIFT | outcomes, Relaxed);
    }

    /// How it does, if `least` outcomes are known: sick when half of them are failures.
    pub(super) fn state(&self, least: u64, now: Time, memory: u64) -> State {
        let word = self.recent(now, memory);
        let (seen, failed) = (word >> SEEN_SHIFT & SEEN, u64::from((word & OUTCOMES).count_ones()));
        match seen {
            _ if seen < least.max(1) => State::Unknown,
            _ if failed * 2 >= seen => State::Sick,
            _ => State::Well,
        }
    }

    fn recent(&self, now: Time, memory: u64) -> u64 {
        let word = self.0.load(Relaxed);
        let age = seconds(now).saturating_sub(word >> SECONDS_SHIFT);
        if age > memory { 0 } else { word }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_latest_sixteen_make_one_sick_and_silence_makes_it_unknown() {
        let (health, at) = (Health::default(), Time::from_secs);
        assert_eq!(health.state(1, at(0), 60), State::Unknown);
        (0..100).for_each(|_| health.note(false, at(1), 60));
        (0..7).for_each(|_| health.note(true, at(2), 60));
        assert_eq!(health.state(1, at(2), 60), State::Well);
        health.note(true, at(2), 60);
        assert_eq!(health.state(1, at(62), 60), State::Sick);
        assert_eq!(health.state(1, at(63), 60), State::Unknown);
        health.note(false, at(63), 60);
        assert_eq!((health.state(1, at(63), 60), health.state(2, at(63), 60)), (State::Well, State::Unknown));
    }
}
