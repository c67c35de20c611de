//! What a closed epoch has seen: a list of every call that counted, and the rules over it.

use fusebox_core::Time;
use fusebox_core::breaker::{Config, Rule, SlowCountsAs, Window, WindowCounts};

struct Counted {
    at: Time,
    failed: bool,
    slow: bool,
}

#[derive(Default)]
pub(super) struct Evidence {
    calls: Vec<Counted>,
    pub(super) run: u32,
    pub(super) hung: u32,
    pub(super) hint: Time, // the latest moment a dependency asked us to wait for
}

/// Whether `part` of `whole` is the share or more; nothing is never enough.
pub(super) fn reaches(share: f64, part: u64, whole: u64) -> bool {
    part > 0 && part * 1_000_000 >= whole * (share * 1_000_000.0).round() as u64
}

impl Evidence {
    pub(super) fn record(&mut self, at: Time, failed: bool, slow: bool) {
        self.calls.push(Counted { at, failed, slow });
    }

    pub(super) fn window(&self, config: &Config, now: Time) -> WindowCounts {
        let first = match config.window {
            Window::Calls(n) => self.calls.len().saturating_sub(n as usize),
            Window::Time(span) => {
                let bucket = |at: Time| at.as_nanos() / (span.as_nanos() as u64 / 10);
                self.calls.iter().take_while(|call| bucket(call.at) + 10 <= bucket(now)).count()
            }
        };
        let seen = &self.calls[first..];
        let failures = seen.iter().filter(|call| call.failed).count() as u64;
        let slow = seen.iter().filter(|call| call.slow).count() as u64;
        WindowCounts { calls: seen.len() as u64, failures, slow }
    }

    /// The first rule that fires, and what it counted.
    pub(super) fn judge(&self, config: &Config, now: Time) -> Option<(Rule, u64)> {
        let (seen, hung) = (self.window(config, now), u64::from(self.hung));
        let hung_failures = if config.slow_counts_as == SlowCountsAs::Failure { hung } else { 0 };
        let (failures, slow) = (seen.failures + hung_failures, seen.slow + hung);
        let count = |rule, limit: Option<u32>, counted| {
            limit.filter(|limit| counted >= u64::from(*limit)).map(|_| (rule, counted))
        };
        let rate = |rule, limit: Option<f64>, part, whole| {
            let enough = whole >= u64::from(config.minimum_calls);
            limit.filter(|limit| enough && reaches(*limit, part, whole)).map(|_| (rule, part))
        };
        count(Rule::ConsecutiveFailures, config.consecutive_failures, u64::from(self.run))
            .or(count(Rule::FailureCount, config.failure_count, failures))
            .or(rate(Rule::FailureRate, config.failure_rate, failures, seen.calls + hung_failures))
            .or(rate(Rule::SlowCallRate, config.slow_call_rate, slow, seen.calls + hung))
    }
}
