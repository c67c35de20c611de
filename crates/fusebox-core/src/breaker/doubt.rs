//! What is doubtful about settings that work.
//!
//! That a rule *can never fire* is said only where it is certain: whenever its condition holds, that of an earlier rule
//! held before or holds at the same moment, and the earlier one in the order of [`Rule`](super::Rule) gives the reason. The
//! reference model's random runs hold every such warning to it. An operator's hold is left out: rules that were not
//! judged under it are all judged at its end.

use super::config::{RunMode, SlowCountsAs, WaitStrategy, Window};
use super::settings::Settings;
use crate::Ratio;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// A doubtful setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field it is about.
    pub field: &'static str,
    /// What is doubtful about it.
    pub text: String,
}

/// A healthy dependency fails this rarely: one in a thousand.
const HEALTHY: u32 = 1_000;

impl Settings {
    /// What is doubtful about these settings. None of it keeps them from working.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.hair_triggers();
        warnings.extend(self.counts_at_high_volume());
        warnings.extend(self.rules_that_never_fire());
        let c = &self.config;
        if c.mode == RunMode::Shadow && c.enforcement < 1.0 {
            let text = format!("{} changes nothing: mode = shadow refuses no call at all", c.enforcement);
            warnings.push(Warning { field: "enforcement", text });
        }
        warnings
    }

    /// The longest that the circuit stays open before it probes, jitter included.
    pub fn longest_wait(&self) -> Duration {
        let wait = match self.config.wait_in_open.strategy {
            WaitStrategy::Fixed(wait) => wait,
            WaitStrategy::Exponential { max, .. } | WaitStrategy::Adaptive { max, .. } => max,
        };
        wait.saturating_add(Duration::from_nanos(self.jitter.of(crate::time::nanos(wait))))
    }

    /// The doubt about a circuit before a queue whose jobs expire after `expiry`: a wait as long as that lets every job
    /// expire that is queued when the circuit opens.
    pub fn outlasts_jobs(&self, expiry: Duration) -> Option<Warning> {
        let longest = self.longest_wait();
        (longest >= expiry).then(|| {
            let text = format!("waits of up to {longest:?} are no shorter than the {expiry:?} after which a queued job expires");
            Warning { field: "wait_in_open", text }
        })
    }

    fn hair_triggers(&self) -> Vec<Warning> {
        let c = &self.config;
        let rated = self.failure_rate.is_some() || self.slow_call_rate.is_some();
        let text = |n| format!("{n} is a hair trigger: a handful of unrelated errors opens the circuit");
        [
            ("failure_count", c.failure_count),
            ("consecutive_failures", c.consecutive_failures),
            ("minimum_calls", rated.then_some(c.minimum_calls)),
        ]
        .into_iter()
        .filter_map(|(field, count)| Some((field, count.filter(|n| *n < 5)?)))
        .map(|(field, n)| Warning { field, text: text(n) })
        .collect()
    }

    fn counts_at_high_volume(&self) -> Option<Warning> {
        let n = self.config.failure_count?;
        let window = match self.config.window {
            Window::Time(span) => format!("{span:?}"),
            Window::Calls(calls) if calls / HEALTHY >= n => format!("{calls} calls"),
            Window::Calls(_) => return None,
        };
        let text =
            "counts failures whatever the traffic: at high volume a healthy error rate of 0.1 % reaches it";
        Some(Warning { field: "failure_count", text: format!("{n} failures in {window} {text}") })
    }

    fn rules_that_never_fire(&self) -> Vec<Warning> {
        let c = &self.config;
        let mut warnings = Vec::new();
        let mut warn = |field, first: String| {
            warnings.push(Warning { field, text: format!("can never be the rule that fires: {first}") });
        };
        let slow_fails = c.slow_counts_as == SlowCountsAs::Failure;
        // The fewest failures with which a rate can fire.
        let least = |rate: Ratio| {
            let minimum = u64::from(c.minimum_calls);
            let below = rate.of(minimum);
            below + u64::from(!rate.reached_by(below, minimum))
        };
        let count_first = |rate: Option<Ratio>| match (c.failure_count, rate.map(least)) {
            (Some(count), Some(least)) if least >= u64::from(count) => {
                Some(format!("failure_count = {count} always fires first"))
            }
            _ => None,
        };
        if let Some(first) = self.run_always_late() {
            warn("consecutive_failures", first);
        }
        if let Some(first) = count_first(self.failure_rate) {
            warn("failure_rate", first);
        }
        if let Some(slow) = self.slow_call_rate {
            if self.slow == u64::MAX {
                warn("slow_call_rate", "slow_call_duration is off, so nothing is slow".into());
            } else if slow_fails && self.failure_rate.is_some_and(|failure| slow >= failure) {
                warn("slow_call_rate", "slow calls count as failures, and failure_rate is not higher".into());
            } else if slow_fails && let Some(first) = count_first(self.slow_call_rate) {
                warn("slow_call_rate", format!("slow calls count as failures, and {first}"));
            }
        }
        warnings
    }

    /// What always fires before a run of failures is long enough. In a time window nothing does: a run may be longer than
    /// the window. Nor where slowness extends a run without being a failure.
    fn run_always_late(&self) -> Option<String> {
        let c = &self.config;
        let (run, Window::Calls(calls)) = (c.consecutive_failures?, c.window) else { return None };
        let slow_fails = c.slow_counts_as == SlowCountsAs::Failure;
        if self.watches_hung_calls() || self.slow < u64::MAX && !slow_fails {
            return None;
        }
        if let Some(count) = c.failure_count.filter(|count| run > *count) {
            return Some(format!("failure_count = {count} always fires first"));
        }
        let rate = self.failure_rate?;
        let before = run - 1;
        let always = before >= c.minimum_calls && rate.reached_by(before.into(), calls.into());
        always.then(|| format!("failure_rate = {rate} over at most {calls} calls always fires first"))
    }
}

#[cfg(test)]
mod tests {
    use crate::breaker::{Config, Preset, RunMode, Setting, SlowCountsAs, WaitInOpen, WaitStrategy, Window};
    use alloc::vec;
    use alloc::vec::Vec;
    use core::time::Duration;

    fn fields(config: Config) -> Vec<&'static str> {
        config.check(None).expect("works").warnings().iter().map(|warning| warning.field).collect()
    }

    /// The count window and no slowness: the rules by themselves.
    fn plain() -> Config {
        Config {
            window: Window::Calls(100),
            consecutive_failures: None,
            slow_call_duration: Setting::Off,
            slow_call_rate: None,
            ..Config::default()
        }
    }

    #[test]
    fn of_the_presets_only_the_seed_s_is_doubtful() {
        for (name, preset) in Preset::ALL {
            // Half of at least ten calls are five failures or more, so its count forestalls its rate.
            let expected =
                if preset == Preset::Seed { vec!["failure_count", "failure_rate"] } else { vec![] };
            assert_eq!(fields(preset.config()), expected, "{name}");
        }
    }

    #[test]
    fn counts_below_five_are_hair_triggers() {
        let config =
            Config { failure_count: Some(4), consecutive_failures: Some(4), minimum_calls: 4, ..plain() };
        assert_eq!(fields(config), ["failure_count", "consecutive_failures", "minimum_calls"]);
        assert!(fields(Config { consecutive_failures: Some(5), minimum_calls: 5, ..plain() }).is_empty());
    }

    #[test]
    fn a_count_that_a_healthy_error_rate_reaches_is_doubtful_in_a_window_of_calls_too() {
        let config = |calls| Config { window: Window::Calls(calls), failure_count: Some(20), ..plain() };
        assert!(fields(config(19_999)).is_empty());
        assert_eq!(fields(config(20_000)), ["failure_count"]);
    }

    #[test]
    fn a_rate_that_needs_as_many_failures_as_the_count_never_fires() {
        let config = |minimum_calls| Config { failure_count: Some(20), minimum_calls, ..plain() };
        assert!(fields(config(38)).is_empty(), "19 of 38 are enough");
        assert_eq!(fields(config(39)), ["failure_rate"], "half of 39 is 20 calls");
    }

    #[test]
    fn a_run_longer_than_the_count_never_fires_in_a_window_of_calls() {
        let config = |run| Config {
            failure_count: Some(8),
            consecutive_failures: Some(run),
            minimum_calls: 5,
            ..plain()
        };
        assert!(fields(config(8)).is_empty(), "both at once, and the run is told");
        assert_eq!(fields(config(9)), ["consecutive_failures"]);
        assert!(fields(Config { failure_count: None, ..config(50) }).is_empty());
        let by_rate =
            Config { failure_count: None, consecutive_failures: Some(51), minimum_calls: 10, ..plain() };
        assert_eq!(fields(by_rate), ["consecutive_failures"], "50 in a row are half of any hundred");
    }

    #[test]
    fn a_run_that_hung_calls_extend_may_fire_all_the_same() {
        let slow_call_duration = Setting::Is(Duration::from_secs(1));
        let config =
            Config { failure_count: Some(8), consecutive_failures: Some(9), slow_call_duration, ..plain() };
        assert_eq!(fields(Config { minimum_calls: 5, ..config }), Vec::<&str>::new());
    }

    #[test]
    fn slow_rates_that_never_fire_are_told() {
        let off = Config { slow_call_rate: Some(0.5), ..plain() };
        assert_eq!(fields(off.clone()), ["slow_call_rate"]);
        let slow_call_duration = Setting::Is(Duration::from_secs(1));
        let fails = Config { slow_counts_as: SlowCountsAs::Failure, slow_call_duration, ..off };
        assert_eq!(fields(fails.clone()), ["slow_call_rate"], "failure_rate is as low");
        let counted = Config { failure_rate: None, failure_count: Some(5), ..fails };
        assert_eq!(fields(counted), ["slow_call_rate"], "five of ten are five failures");
    }

    #[test]
    fn an_enforcement_of_a_shadow_changes_nothing() {
        let config = Config { mode: RunMode::Shadow, enforcement: 0.5, ..plain() };
        assert_eq!(fields(config), ["enforcement"]);
    }

    #[test]
    fn a_wait_that_outlasts_queued_jobs_is_doubtful() {
        let strategy = WaitStrategy::Fixed(Duration::from_secs(600));
        let config = Config { wait_in_open: WaitInOpen { strategy, jitter: 0.1 }, ..plain() };
        let settings = config.check(None).expect("works");
        assert_eq!(settings.longest_wait(), Duration::from_secs(660));
        assert!(settings.outlasts_jobs(Duration::from_secs(661)).is_none());
        let doubt = settings.outlasts_jobs(Duration::from_secs(660)).expect("doubtful");
        assert_eq!(doubt.field, "wait_in_open");
    }
}
