//! What befalls the backends, and when.

use std::time::Duration;

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    Nothing,
    /// It answers long after anybody waits for it.
    Slow,
    /// Every second answer is a 500.
    Errors,
    /// It closes every connection.
    Down,
}

impl Fault {
    /// The backend's condition in words.
    pub(super) const fn condition(self) -> &'static str {
        match self {
            Fault::Nothing => "healthy",
            Fault::Slow => "slow",
            Fault::Errors => "50 % errors",
            Fault::Down => "down",
        }
    }
}

/// A stretch of the schedule.
#[derive(Debug)]
pub(super) struct Phase {
    /// Its name, short enough for a timeline.
    pub(super) name: &'static str,
    /// What happens in it.
    pub(super) says: &'static str,
    /// The payment provider's fault.
    pub(super) provider: Fault,
    /// The profile service's fault.
    pub(super) profiles: Fault,
    /// Its length, in shares of the whole.
    shares: u32,
}

/// The whole story. The payment provider's backup is well throughout.
pub(super) const PHASES: [Phase; 5] = [
    Phase {
        name: "healthy",
        says: "every backend is well",
        provider: Fault::Nothing,
        profiles: Fault::Nothing,
        shares: 2,
    },
    Phase {
        name: "slow",
        says: "the payment provider takes 1.5 s to answer",
        provider: Fault::Slow,
        profiles: Fault::Nothing,
        shares: 3,
    },
    Phase {
        name: "50 % errors",
        says: "the payment provider answers every second call with 500",
        provider: Fault::Errors,
        profiles: Fault::Nothing,
        shares: 3,
    },
    Phase {
        name: "down",
        says: "the payment provider and the profile service are down",
        provider: Fault::Down,
        profiles: Fault::Down,
        shares: 3,
    },
    Phase {
        name: "recovered",
        says: "every backend is well again",
        provider: Fault::Nothing,
        profiles: Fault::Nothing,
        shares: 3,
    },
];

/// Shares in the whole schedule.
const SHARES: u32 = 14;

/// The phases, stretched over a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    share: Duration,
}

impl Schedule {
    /// A schedule for each of the two runs of a demo of this many seconds.
    pub(super) fn for_demo(seconds: u64) -> Self {
        // Two runs of fourteen shares each, and two shares to start, to stop and to sum up.
        Schedule { share: Duration::from_secs(seconds) / (2 * SHARES + 2) }
    }

    /// How long a run takes.
    pub(super) fn length(self) -> Duration {
        self.share * SHARES
    }

    /// The first wait of an open circuit that fits the schedule. Twice that is the longest that does: the last
    /// phase lasts three shares, and a circuit must have its chance to close in it.
    pub(super) fn wait(self) -> Duration {
        self.share
    }

    /// When the phase begins, from the start of the run.
    pub(super) fn start(self, phase: usize) -> Duration {
        self.share * PHASES.iter().take(phase).map(|phase| phase.shares).sum()
    }

    /// The phase at `elapsed` from the start of the run.
    pub(super) fn phase(self, elapsed: Duration) -> usize {
        (0..PHASES.len()).rev().find(|phase| self.start(*phase) <= elapsed).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_fill_the_run_and_leave_time_to_recover() {
        assert_eq!(PHASES.iter().map(|phase| phase.shares).sum::<u32>(), SHARES);
        let schedule = Schedule::for_demo(30);
        assert_eq!((schedule.length(), schedule.wait()), (Duration::from_secs(14), Duration::from_secs(1)));
        for phase in 0..PHASES.len() {
            let start = schedule.start(phase);
            assert_eq!(schedule.phase(start), phase);
            assert_eq!(schedule.phase(start + Duration::from_millis(1)), phase);
        }
        assert_eq!(schedule.phase(Duration::from_secs(99)), 4);
        let last = schedule.length() - schedule.start(4);
        assert!(schedule.wait() * 2 < last);
    }
}
