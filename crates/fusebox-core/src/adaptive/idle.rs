//! The first calls after an idle stretch.

use super::Sample;
use crate::Time;
use crate::time::nanos;
use core::time::Duration;

/// Tells the calls of the first round trip after an idle stretch from all others.
///
/// Idle is a stretch between the end of one call and the beginning of the next, so that a dependency which hangs
/// every call until its timeout is not taken for one that nobody calls.
#[derive(Debug)]
pub(super) struct Idle {
    after: u64,
    /// When the last call ended.
    last: Option<Time>,
    /// When the first answer after the idle stretch came: calls that began before it are cold.
    awake: Time,
}

impl Idle {
    pub(super) fn new(after: Duration) -> Self {
        Idle { after: nanos(after), last: None, awake: Time::ZERO }
    }

    /// Whether the call began before the dependency had answered once since it was idle. No call is before the
    /// first of all.
    pub(super) fn is_cold(&mut self, sample: &Sample) -> bool {
        let began = sample.began();
        if self.last.is_none_or(|last| began > last.plus_nanos(self.after)) {
            self.awake = sample.now;
        }
        self.last = self.last.max(Some(sample.now));
        began < self.awake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn call(began: u64, ended: u64) -> Sample {
        let (began, now) = (Time::from_millis(began), Time::from_millis(ended));
        Sample { rtt: now.nanos_since(began), in_flight: 1, outcome: Outcome::Success, now }
    }

    #[test]
    fn the_first_round_trip_after_an_idle_stretch_is_cold() {
        let mut idle = Idle::new(Duration::from_secs(10));
        assert!(idle.is_cold(&call(0, 100)), "the first call ever");
        assert!(idle.is_cold(&call(50, 120)), "began before the first answer");
        assert!(!idle.is_cold(&call(100, 150)));
        assert!(!idle.is_cold(&call(10_000, 10_100)), "less than ten seconds after the last");
        assert!(idle.is_cold(&call(25_000, 25_400)));
        assert!(idle.is_cold(&call(25_100, 25_450)));
        assert!(!idle.is_cold(&call(25_400, 25_500)));
    }

    #[test]
    fn a_dependency_that_hangs_is_not_idle() {
        let mut idle = Idle::new(Duration::from_secs(10));
        let _ = idle.is_cold(&call(0, 100));
        assert!(
            !idle.is_cold(&call(5_000, 35_000)),
            "thirty seconds without an answer, but not without a call"
        );
        assert!(!idle.is_cold(&call(35_000, 65_000)));
    }
}
