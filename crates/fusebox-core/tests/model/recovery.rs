//! What outages took: a list of (last bad, first good).

use super::Model;
use fusebox_core::Time;
use fusebox_core::breaker::WaitStrategy;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Recoveries {
    seen: Vec<(Duration, Duration)>,
    began: Option<Time>,
    bad: Duration,
    relapse: bool,
}

impl Recoveries {
    pub(super) fn tripped(&mut self, at: Time, relapse: bool) {
        (self.began, self.bad, self.relapse) = (Some(at), Duration::ZERO, relapse);
    }

    pub(super) fn bad(&mut self, probe: Time) {
        if let Some(began) = self.began {
            self.bad = self.bad.max(whole_millis(probe.since(began)));
        }
    }

    pub(super) fn good(&mut self, probe: Time) {
        if let Some(began) = self.began.take() {
            let to = whole_millis(probe.since(began));
            self.seen.push((self.bad.min(to), to));
        }
    }

    /// Where as many of the last twenty recoveries' ends lie below as the share says; the middle if that is a gap.
    fn learned(&self, share: f64) -> Option<Duration> {
        let last = &self.seen[self.seen.len().saturating_sub(20)..];
        let mut ends: Vec<_> = last.iter().flat_map(|(from, to)| [*from, *to]).collect();
        ends.sort();
        let below = share * ends.len() as f64;
        let (first, second) =
            ((below.ceil() as usize).max(1) - 1, (below.floor() as usize).min(ends.len().max(1) - 1));
        (last.len() >= 3).then(|| whole_millis((ends[first] + ends[second]) / 2))
    }

    pub(super) fn next(&self, learned: Duration, at: Time) -> Option<Duration> {
        let gone = at.since(self.began.filter(|_| !self.relapse)?);
        let (from, to) = *self.seen.last()?;
        Some(match () {
            () if gone >= learned / 4 * 3 && !gone.is_zero() => {
                (learned / 4).max(gone.saturating_sub(learned))
            }
            () if !gone.is_zero() => gone.min(learned - gone),
            () if from.is_zero() => learned.min(to / 2),
            () if to < learned / 4 * 3 => to,
            () => learned,
        })
    }
}

fn whole_millis(span: Duration) -> Duration {
    Duration::from_millis(span.as_millis() as u64)
}

impl Model {
    pub(crate) fn recovery(&self) -> Option<Duration> {
        match self.config.wait_in_open.strategy {
            WaitStrategy::Adaptive { percentile, base, max } => {
                self.recoveries.learned(percentile).map(|learned| learned.clamp(base, max))
            }
            _ => None,
        }
    }
}
