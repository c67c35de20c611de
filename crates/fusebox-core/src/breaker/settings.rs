//! Checked settings: what a breaker runs on.

use super::config::{
    CancelCountsAs, Config, HalfOpen, RunMode, Setting, SlowCountsAs, StreakReset, WaitStrategy, Window,
};
use super::front::in_share;
use super::ramp::Slope;
use crate::Ratio;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// Buckets in a time window.
pub(crate) const BUCKETS: usize = 10;

/// The longest count window. Its two bit rings take 256 KiB.
const MAX_CALLS: u32 = 1_000_000;
/// Most probes at once: more than this is not probing.
const MAX_PROBES: u32 = 1_000;

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub(super) config: Config,
    pub(super) failure_rate: Option<Ratio>,
    pub(super) slow_call_rate: Option<Ratio>,
    pub(super) slow: u64,
    pub(super) bucket: u64,
    pub(super) jitter: Ratio,
    pub(super) lease: u64,
    pub(super) sample_rate: Ratio,
    pub(super) ramp: Option<Slope>,
    enforcement: Ratio,
}

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The slow threshold in force, if slowness is measured.
    pub fn slow_call_duration(&self) -> Option<Duration> {
        (self.slow < u64::MAX).then(|| Duration::from_nanos(self.slow))
    }

    /// How long a probe may go without a verdict.
    pub fn probe_lease(&self) -> Duration {
        Duration::from_nanos(self.lease)
    }

    /// Whether attempts in flight past the slow threshold count.
    pub fn watches_hung_calls(&self) -> bool {
        self.config.hung_calls && self.slow < u64::MAX
    }

    /// Whether a call with this key, other than 0, is in the share of the calls that the circuit is enforced for. The same
    /// keys always are, in every process, and a larger share keeps those of a smaller one.
    pub const fn enforces(&self, key: u64) -> bool {
        in_share(key, self.enforcement.ppm() as u64)
    }

    /// The share of the calls that it is enforced for, in parts per million; 0 for a circuit that shadows.
    pub(super) fn share(&self) -> u64 {
        if self.config.mode == RunMode::Shadow { 0 } else { u64::from(self.enforcement.ppm()) }
    }
}

/// A setting that can never work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, by its name in [`Config`]; nested fields are joined with a dot.
    pub field: &'static str,
    /// The value found.
    pub found: String,
    /// What is accepted instead.
    pub accepted: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use {} = {}: {} is accepted", self.field, self.found, self.accepted)
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Checks every field; `call_timeout` is the timeout of one attempt, if there is one.
    ///
    /// # Errors
    ///
    /// All the settings that can never work, not only the first.
    pub fn check(self, call_timeout: Option<Duration>) -> Result<Settings, Vec<ConfigError>> {
        let mut found = Findings::default();
        let (mut bucket, mut calls) = (u64::MAX, u32::MAX);
        match self.window {
            Window::Calls(n) => {
                found.within("window.calls", n, 1, MAX_CALLS);
                calls = n;
            }
            Window::Time(span) => {
                found.positive("window", span, Duration::from_millis(10));
                bucket = (nanos(span) / BUCKETS as u64).max(1);
            }
        }
        found.count("failure_count", self.failure_count, calls);
        found.count("consecutive_failures", self.consecutive_failures, u32::MAX);
        let failure_rate = self.failure_rate.map(|rate| found.rate("failure_rate", rate));
        let slow_call_rate = self.slow_call_rate.map(|rate| found.rate("slow_call_rate", rate));
        found.within("minimum_calls", self.minimum_calls, 1, calls);
        let (base, jitter) = found.wait(&self.wait_in_open);
        found.within("half_open_probes", self.half_open_probes, 1, MAX_PROBES);
        let sample_rate = match self.half_open {
            HalfOpen::Count { success_threshold, probe_failures } => {
                found.within("success_threshold", success_threshold, 1, u32::MAX);
                found.within("probe_failures", probe_failures, 1, u32::MAX);
                Ratio::ONE
            }
            HalfOpen::Sample { sample, failure_rate } => {
                found.within("half_open.sample", sample, 1, u32::MAX);
                found.rate("half_open.failure_rate", failure_rate)
            }
        };
        let slow = match self.slow_call_duration {
            Setting::Auto => call_timeout.map_or(Duration::from_secs(5), |timeout| timeout / 2),
            Setting::Is(span) => span,
            Setting::Off => Duration::MAX,
        };
        found.positive("slow_call_duration", slow, Duration::from_nanos(1));
        let lease = match self.probe_lease {
            // A tenth more than the timeout, so that a probe which times out is told as that.
            Setting::Auto => call_timeout.map_or(base, |timeout| timeout.saturating_add(timeout / 10)),
            Setting::Is(span) => span,
            Setting::Off => {
                found.add("probe_lease", "off".into(), "a duration: a probe must end some time");
                base
            }
        };
        found.positive("probe_lease", lease, Duration::from_nanos(1));
        if let Some(limit) = self.half_open_limit {
            found.positive("half_open_limit", limit, Duration::from_nanos(1));
        }
        if let StreakReset::AfterWaits(n) = self.streak_reset
            && !(n.is_finite() && n >= 0.0)
        {
            found.add("streak_reset", format!("{n}"), "a number of waits, 0 or more");
        }
        let ramp = self.recovery_ramp.map(|ramp| {
            found.positive("recovery_ramp.over", ramp.over, Duration::from_millis(1));
            let from = found.rate("recovery_ramp.from", ramp.from);
            if ramp.from == 1.0 {
                found.add("recovery_ramp.from", "1".into(), "a share below 1: a ramp from everyone is none");
            }
            Slope { from, over: nanos(ramp.over) }
        });
        let enforcement = found.rate("enforcement", self.enforcement);
        if self.failure_count.is_none()
            && self.consecutive_failures.is_none()
            && failure_rate.is_none()
            && (slow_call_rate.is_none() || slow == Duration::MAX)
        {
            let accepted = "at least one of failure_count, consecutive_failures, failure_rate and slow_call_rate with slow_call_duration";
            found.add("failure_rate", "no rule at all".into(), accepted);
        }
        if !found.0.is_empty() {
            return Err(found.0);
        }
        let (slow, lease) = (nanos(slow), nanos(lease));
        Ok(Settings {
            config: self,
            failure_rate,
            slow_call_rate,
            slow,
            bucket,
            jitter,
            lease,
            sample_rate,
            ramp,
            enforcement,
        })
    }
}

#[derive(Default)]
struct Findings(Vec<ConfigError>);

impl Findings {
    fn add(&mut self, field: &'static str, found: String, accepted: impl Into<String>) {
        self.0.push(ConfigError { field, found, accepted: accepted.into() });
    }

    fn within(&mut self, field: &'static str, found: u32, least: u32, most: u32) {
        if !(least..=most).contains(&found) {
            self.add(field, format!("{found}"), format!("a whole number from {least} to {most}"));
        }
    }

    fn count(&mut self, field: &'static str, found: Option<u32>, most: u32) {
        if let Some(found) = found {
            self.within(field, found, 1, most);
        }
    }

    fn positive(&mut self, field: &'static str, found: Duration, least: Duration) {
        if found < least {
            self.add(field, format!("{found:?}"), format!("{least:?} or longer"));
        }
    }

    fn rate(&mut self, field: &'static str, found: f64) -> Ratio {
        match Ratio::new(found) {
            Some(ratio) if ratio > Ratio::ZERO => ratio,
            _ => {
                self.add(field, format!("{found}"), "a share above 0, up to 1 (0.5 is one half)");
                Ratio::ONE
            }
        }
    }

    fn wait(&mut self, wait: &super::WaitInOpen) -> (Duration, Ratio) {
        let least = Duration::from_millis(1);
        let base = match wait.strategy {
            WaitStrategy::Fixed(base) => base,
            WaitStrategy::Exponential { base, multiplier, max } => {
                if !(multiplier.is_finite() && multiplier >= 1.0) {
                    self.add("wait_in_open.multiplier", format!("{multiplier}"), "a number of 1 or more");
                }
                self.longest_wait(base, max)
            }
            WaitStrategy::Adaptive { percentile, base, max } => {
                self.rate("wait_in_open.percentile", percentile);
                self.longest_wait(base, max)
            }
        };
        self.positive("wait_in_open.base", base, least);
        let jitter = match Ratio::new(wait.jitter) {
            Some(jitter) if jitter < Ratio::ONE => jitter,
            _ => {
                self.add("wait_in_open.jitter", format!("{}", wait.jitter), "a share from 0 to below 1");
                Ratio::ZERO
            }
        };
        (base, jitter)
    }

    fn longest_wait(&mut self, base: Duration, max: Duration) -> Duration {
        if max < base {
            self.add(
                "wait_in_open.max",
                format!("{max:?}"),
                format!("wait_in_open.base ({base:?}) or longer"),
            );
        }
        base
    }
}

impl Settings {
    pub(super) fn cancel_is_failure(&self) -> bool {
        self.config.cancel_counts_as == CancelCountsAs::Failure
    }

    pub(super) fn slow_is_failure(&self) -> bool {
        self.config.slow_counts_as == SlowCountsAs::Failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Preset, WaitInOpen};

    fn fields(config: Config) -> Vec<&'static str> {
        config.check(None).expect_err("can not work").iter().map(|e| e.field).collect()
    }

    #[test]
    fn every_preset_passes_its_own_check() {
        for (name, preset) in Preset::ALL {
            assert!(preset.config().check(None).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let config = Config {
            window: Window::Calls(8),
            failure_rate: Some(1.5),
            slow_call_rate: Some(0.0),
            minimum_calls: 10,
            half_open: HalfOpen::Count { success_threshold: 0, probe_failures: 1 },
            slow_call_duration: Setting::Is(Duration::ZERO),
            ..Config::default()
        };
        let wrong =
            ["failure_rate", "slow_call_rate", "minimum_calls", "success_threshold", "slow_call_duration"];
        assert_eq!(fields(config), wrong);
    }

    #[test]
    fn a_breaker_without_a_rule_is_refused() {
        let config = Config {
            consecutive_failures: None,
            failure_rate: None,
            slow_call_rate: None,
            ..Config::default()
        };
        assert_eq!(fields(config), ["failure_rate"]);
    }

    #[test]
    fn waits_that_go_backwards_are_refused() {
        let (base, max) = (Duration::from_secs(30), Duration::from_secs(3));
        let strategy = WaitStrategy::Exponential { base, multiplier: 0.5, max };
        let config = Config { wait_in_open: WaitInOpen { strategy, jitter: 1.0 }, ..Config::default() };
        assert_eq!(fields(config), ["wait_in_open.multiplier", "wait_in_open.max", "wait_in_open.jitter"]);
    }

    #[test]
    fn the_slow_threshold_follows_the_call_timeout() {
        let slow =
            |timeout| Config::default().check(timeout).expect("the default works").slow_call_duration();
        assert_eq!(slow(None), Some(Duration::from_secs(5)));
        assert_eq!(slow(Some(Duration::from_secs(3))), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_tenth_of_a_percent_at_high_volume_trips_the_seed_count_rule_and_is_warned_of() {
        let settings = Preset::Seed.config().check(None).expect("the preset works");
        let warnings = settings.warnings();
        assert!(
            warnings.iter().any(|w| w.field == "failure_count" && w.text.contains("0.1 %")),
            "{warnings:?}"
        );
        assert!(Config::default().check(None).expect("works").warnings().is_empty());
    }
}
