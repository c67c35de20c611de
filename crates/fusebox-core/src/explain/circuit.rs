//! A circuit in words.

use super::words::{percent, span};
use crate::breaker::{
    CancelCountsAs, Config, HalfOpen, RunMode, Settings, SlowCountsAs, StreakReset, WaitStrategy, Window,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// When a circuit opens.
pub fn opens(config: &Config) -> String {
    let window = match config.window {
        Window::Calls(calls) => format!("the last {calls} calls"),
        Window::Time(time) => span(time),
    };
    let mut rules = Vec::new();
    rules.extend(config.consecutive_failures.map(|run| format!("{run} failures in a row")));
    rules.extend(config.failure_count.map(|count| format!("{count} failures in {window}")));
    let shares = [(config.failure_rate, "failed"), (config.slow_call_rate, "slow")];
    let shares = shares.into_iter().filter_map(|(rate, what)| Some(format!("{} {what}", percent(rate?))));
    let shares = shares.collect::<Vec<_>>().join(" or ");
    if !shares.is_empty() {
        rules.push(format!("{shares} of {} or more calls in {window}", config.minimum_calls));
    }
    format!("opens at {}", rules.join(", at "))
}

/// What a circuit does besides, a line each: slow calls, the wait, the probes, and whatever is not usual.
pub fn circuit(settings: &Settings) -> Vec<String> {
    let config = settings.config();
    let mut lines = Vec::new();
    if let Some(slow) = settings.slow_call_duration() {
        let hung = if settings.watches_hung_calls() { ", those in flight included" } else { "" };
        let failure =
            if config.slow_counts_as == SlowCountsAs::Failure { ", and then also failed" } else { "" };
        lines.push(format!("a call is slow from {} on{hung}{failure}", span(slow)));
    }
    lines.push(format!("stays open {}; {}", wait(config), streak(config)));
    lines.push(probes(config, &span(settings.probe_lease())));
    if let Some(ramp) = config.recovery_ramp {
        let (from, over) = (ramp.from * 100.0, span(ramp.over));
        lines.push(format!("closed again, it lets {from} % through, and all after {over}"));
    }
    if config.mode == RunMode::Shadow {
        lines.push("shadow: it measures and reports, and refuses nothing".into());
    } else if config.enforcement < 1.0 {
        lines.push(format!("enforced for {} % of the calls", config.enforcement * 100.0));
    }
    if config.cancel_counts_as == CancelCountsAs::Failure {
        lines.push("a cancelled call counts as failed".into());
    }
    lines
}

fn wait(config: &Config) -> String {
    let wait = &config.wait_in_open;
    let rule = match wait.strategy {
        WaitStrategy::Fixed(wait) => span(wait),
        WaitStrategy::Exponential { base, multiplier, max } => {
            format!("{}, next time \u{d7}{multiplier}, up to {}", span(base), span(max))
        }
        WaitStrategy::Adaptive { percentile, base, max } => {
            let (base, max) = (span(base), span(max));
            format!("as long as {} of its recoveries took, {base} to {max}", percent(percentile))
        }
    };
    if wait.jitter > 0.0 { format!("{rule}, \u{b1}{}", percent(wait.jitter)) } else { rule }
}

fn streak(config: &Config) -> String {
    match config.streak_reset {
        StreakReset::AtClose => "a close ends the streak".into(),
        StreakReset::AfterWaits(waits) => format!("{waits} waits closed end the streak"),
    }
}

fn probes(config: &Config, lease: &str) -> String {
    let verdict = match config.half_open {
        HalfOpen::Count { success_threshold, probe_failures } => {
            format!("closes at {success_threshold} good, opens at {probe_failures} bad")
        }
        HalfOpen::Sample { sample, failure_rate } => {
            format!("closes when less than {} of {sample} were bad", percent(failure_rate))
        }
    };
    let limit = config.half_open_limit.map(|limit| format!(", {} for all", span(limit))).unwrap_or_default();
    let probes = match config.half_open_probes {
        1 => "1 probe".into(),
        more => format!("{more} probes"),
    };
    format!("then {probes} at once, {lease} each{limit}; {verdict}")
}
