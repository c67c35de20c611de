//! Additive increase, multiplicative decrease.
//!
//! The rule of TCP's congestion avoidance (Chiu and Jain, *Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance in Computer Networks*, 1989), which brings callers that share a dependency to equal shares;
//! for concurrency limits it is known from Netflix's concurrency-limits (`AIMDLimit`, whose 0.9 for every drop is here
//! 0.8 for all drops of one round trip).

use super::{Aimd, Evidence, Sample};
use crate::Time;
use crate::time::nanos;

#[derive(Debug)]
pub(super) struct Machine {
    config: Aimd,
    limit: u64,
    /// Answers since the round began.
    answers: u64,
    /// The most in flight in this round.
    in_flight: u64,
    /// When the limit was last cut: calls from before were sent under the old limit.
    cut: Time,
}

impl Machine {
    pub(super) fn new(config: Aimd) -> Self {
        Machine { config, limit: config.start, answers: 0, in_flight: 0, cut: Time::ZERO }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn sample(&mut self, sample: &Sample, evidence: Evidence) {
        self.in_flight = self.in_flight.max(sample.in_flight);
        let slow = self.config.slow.is_some_and(|slow| sample.rtt > nanos(slow));
        match evidence {
            Evidence::Answer if !slow => self.grow(),
            Evidence::Answer | Evidence::Drop => self.shrink(sample),
            Evidence::Nothing => {}
        }
    }

    fn grow(&mut self) {
        self.answers += 1;
        if self.answers < self.limit {
            return;
        }
        if self.in_flight.saturating_mul(2) >= self.limit {
            self.limit = self.limit.saturating_add(self.config.increase).min(self.config.max);
        }
        self.begin_round();
    }

    /// One overload drops many calls. They are one reason to cut, not many.
    fn shrink(&mut self, sample: &Sample) {
        if sample.began() < self.cut {
            return;
        }
        let kept = (self.limit as f64 * self.config.backoff) as u64;
        self.limit = kept.min(self.limit.saturating_sub(1)).max(self.config.min);
        self.cut = sample.now;
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.answers = 0;
        self.in_flight = 0;
    }
}
