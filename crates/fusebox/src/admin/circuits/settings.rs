//! The settings in force, as JSON shows them.

use super::trip::WindowSpan;
use crate::breaker::{HalfOpen, Ramp, RunMode, Settings, SlowCountsAs, WaitInOpen, WaitStrategy};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct SettingsShown {
    shadow: bool,
    enforcement: f64,
    window: WindowSpan,
    rules: Rules,
    wait_in_open: Wait,
    half_open: HalfOpenShown,
    recovery_ramp: Option<RampShown>,
}

#[derive(Serialize)]
struct RampShown {
    from: f64,
    over_seconds: f64,
}

#[derive(Serialize)]
struct Rules {
    consecutive_failures: Option<u32>,
    failure_count: Option<u32>,
    failure_rate: Option<f64>,
    slow_call_rate: Option<f64>,
    minimum_calls: u32,
    slow_call_seconds: Option<f64>,
    slow_counts_as_failure: bool,
    hung_calls: bool,
}

#[derive(Serialize)]
struct Wait {
    strategy: &'static str,
    base_seconds: f64,
    multiplier: Option<f64>,
    percentile: Option<f64>,
    max_seconds: Option<f64>,
    jitter: f64,
}

#[derive(Serialize)]
struct HalfOpenShown {
    probes: u32,
    success_threshold: Option<u32>,
    probe_failures: Option<u32>,
    sample: Option<u32>,
    failure_rate: Option<f64>,
    probe_lease_seconds: f64,
    limit_seconds: Option<f64>,
}

impl SettingsShown {
    pub(super) fn new(settings: &Settings) -> SettingsShown {
        let config = settings.config();
        let ramp = |ramp: Ramp| RampShown { from: ramp.from, over_seconds: ramp.over.as_secs_f64() };
        SettingsShown {
            shadow: config.mode == RunMode::Shadow,
            enforcement: config.enforcement,
            window: WindowSpan::new(config.window),
            rules: Rules {
                consecutive_failures: config.consecutive_failures,
                failure_count: config.failure_count,
                failure_rate: config.failure_rate,
                slow_call_rate: config.slow_call_rate,
                minimum_calls: config.minimum_calls,
                slow_call_seconds: settings.slow_call_duration().map(|span| span.as_secs_f64()),
                slow_counts_as_failure: config.slow_counts_as == SlowCountsAs::Failure,
                hung_calls: settings.watches_hung_calls(),
            },
            wait_in_open: Wait::new(&config.wait_in_open),
            half_open: HalfOpenShown::new(settings),
            recovery_ramp: config.recovery_ramp.map(ramp),
        }
    }
}

impl Wait {
    fn new(wait: &WaitInOpen) -> Wait {
        let (strategy, base, multiplier, percentile, max) = match wait.strategy {
            WaitStrategy::Fixed(base) => ("fixed", base, None, None, None),
            WaitStrategy::Exponential { base, multiplier, max } => {
                ("exponential", base, Some(multiplier), None, Some(max))
            }
            WaitStrategy::Adaptive { percentile, base, max } => {
                ("adaptive", base, None, Some(percentile), Some(max))
            }
        };
        let (base_seconds, max_seconds) = (base.as_secs_f64(), max.map(|max| max.as_secs_f64()));
        Wait { strategy, base_seconds, multiplier, percentile, max_seconds, jitter: wait.jitter }
    }
}

impl HalfOpenShown {
    fn new(settings: &Settings) -> HalfOpenShown {
        let config = settings.config();
        let (success_threshold, probe_failures, sample, failure_rate) = match config.half_open {
            HalfOpen::Count { success_threshold, probe_failures } => {
                (Some(success_threshold), Some(probe_failures), None, None)
            }
            HalfOpen::Sample { sample, failure_rate } => (None, None, Some(sample), Some(failure_rate)),
        };
        HalfOpenShown {
            probes: config.half_open_probes,
            success_threshold,
            probe_failures,
            sample,
            failure_rate,
            probe_lease_seconds: settings.probe_lease().as_secs_f64(),
            limit_seconds: config.half_open_limit.map(|limit| limit.as_secs_f64()),
        }
    }
}
