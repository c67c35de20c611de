//! What a user may set, with the defaults, and the settings that can work.

use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The most calls at once that a limit may allow.
const MOST: u64 = 1_000_000;

/// An adaptive limit's configuration, unchecked: one algorithm and its numbers.
///
/// ```
/// use fusebox_core::adaptive::{Aimd, Config, Gradient};
/// let gradient = Config::Gradient(Gradient { max: 200, ..Gradient::default() });
/// let aimd = Config::Aimd(Aimd { start: 10, ..Aimd::default() });
/// assert!(gradient.check().is_ok() && aimd.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Config {
    /// By latency: shrinks when calls take longer than they do without load.
    Gradient(Gradient),
    /// By loss: grows by a step for each round of answers, shrinks by a share for a drop.
    Aimd(Aimd),
}

/// The gradient's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    /// The limit before anything is known. Default: 20.
    pub start: u64,
    /// The lowest limit; never 0. Default: 2.
    pub min: u64,
    /// The highest limit. Default: 1,000.
    pub max: u64,
    /// How many times its latency without load a dependency may take before the limit shrinks: from 1, below 2.
    /// Default: 1.25.
    pub tolerance: f64,
    /// How much of the way to its new value the limit goes in one window: above 0, up to 1. Default: 0.2.
    pub smoothing: f64,
    /// The shortest window whose mean latency is one measurement. Default: 100 ms.
    pub window: Duration,
    /// The fewest calls in such a window. Default: 20.
    pub minimum_samples: u64,
    /// The latency without load is measured again when it is this old. Default: 30 s.
    pub probe_every: Duration,
    /// After so long without a call, the first round trip moves nothing. Default: 10 s.
    pub idle: Duration,
}

impl Default for Gradient {
    fn default() -> Self {
        Gradient {
            start: 20,
            min: 2,
            max: 1_000,
            tolerance: 1.25,
            smoothing: 0.2,
            window: Duration::from_millis(100),
            minimum_samples: 20,
            probe_every: Duration::from_secs(30),
            idle: Duration::from_secs(10),
        }
    }
}

/// The configuration of additive increase, multiplicative decrease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aimd {
    /// The limit before anything is known. Default: 20.
    pub start: u64,
    /// The lowest limit; never 0. Default: 2.
    pub min: u64,
    /// The highest limit. Default: 1,000.
    pub max: u64,
    /// Places more after a round of answers: as many as the limit, with half of it in use. Default: 1.
    pub increase: u64,
    /// What is left of the limit after a drop: from 0.1, below 1. Default: 0.8.
    pub backoff: f64,
    /// An answer that took longer counts as a drop. Default: off; timeouts and refusals for overload always do.
    pub slow: Option<Duration>,
    /// After so long without a call, the first round trip moves nothing. Default: 10 s.
    pub idle: Duration,
}

impl Default for Aimd {
    fn default() -> Self {
        Aimd {
            start: 20,
            min: 2,
            max: 1_000,
            increase: 1,
            backoff: 0.8,
            slow: None,
            idle: Duration::from_secs(10),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::Gradient(Gradient::default())
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings(Config);

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.0
    }

    pub(super) fn into_config(self) -> Config {
        self.0
    }
}

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// All the settings that can never work.
    pub fn check(self) -> Result<Settings, Vec<ConfigError>> {
        let mut wrong = Vec::new();
        let mut refuse = |field, found: String, accepted: &str| {
            wrong.push(ConfigError { field, found, accepted: accepted.into() });
        };
        let (start, min, max, idle) = match self {
            Config::Gradient(Gradient { start, min, max, idle, .. })
            | Config::Aimd(Aimd { start, min, max, idle, .. }) => (start, min, max, idle),
        };
        if !(1..=MOST).contains(&min) {
            refuse(
                "min",
                format!("{min}"),
                "a whole number from 1 to 1000000: at 0 no call could raise it again",
            );
        }
        if !(min..=MOST).contains(&max) {
            refuse("max", format!("{max} (min {min})"), "a whole number from min to 1000000");
        }
        if !(min..=max.max(min)).contains(&start) {
            refuse("start", format!("{start} (min {min}, max {max})"), "a whole number from min to max");
        }
        let mut a_duration = |field, found: Duration| {
            if found.is_zero() || nanos(found) == u64::MAX {
                refuse(field, format!("{found:?}"), "a duration above 0 and below 584 years");
            }
        };
        a_duration("idle", idle);
        match self {
            Config::Gradient(gradient) => {
                a_duration("window", gradient.window);
                a_duration("probe_every", gradient.probe_every);
                if gradient.probe_every < gradient.window.saturating_mul(10) {
                    let found = format!("{:?} (window {:?})", gradient.probe_every, gradient.window);
                    refuse("probe_every", found, "ten windows or longer");
                }
                if !(1.0..2.0).contains(&gradient.tolerance) {
                    let accepted =
                        "a number from 1, below 2: a probe halves the limit, so it can not see more";
                    refuse("tolerance", format!("{}", gradient.tolerance), accepted);
                }
                if !(gradient.smoothing > 0.0 && gradient.smoothing <= 1.0) {
                    refuse("smoothing", format!("{}", gradient.smoothing), "a share above 0, up to 1");
                }
                if !(1..=MOST).contains(&gradient.minimum_samples) {
                    let found = format!("{}", gradient.minimum_samples);
                    refuse("minimum_samples", found, "a whole number from 1 to 1000000");
                }
            }
            Config::Aimd(aimd) => {
                if let Some(slow) = aimd.slow {
                    a_duration("slow", slow);
                }
                if !(1..=MOST).contains(&aimd.increase) {
                    refuse("increase", format!("{}", aimd.increase), "a whole number from 1 to 1000000");
                }
                if !(0.1..1.0).contains(&aimd.backoff) {
                    refuse("backoff", format!("{}", aimd.backoff), "a share from 0.1, below 1");
                }
            }
        }
        if wrong.is_empty() { Ok(Settings(self)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: Config) -> Vec<&'static str> {
        config.check().expect_err("can not work").iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let gradient = Gradient {
            start: 5,
            min: 0,
            max: 2_000_000,
            tolerance: 2.0,
            smoothing: f64::NAN,
            window: Duration::from_secs(10),
            minimum_samples: 0,
            probe_every: Duration::from_secs(20),
            idle: Duration::ZERO,
        };
        let fields = ["min", "max", "idle", "probe_every", "tolerance", "smoothing", "minimum_samples"];
        assert_eq!(refused(Config::Gradient(gradient)), fields);
        let aimd = Aimd {
            start: 5,
            min: 10,
            max: 9,
            increase: 0,
            backoff: 1.0,
            slow: Some(Duration::ZERO),
            idle: Duration::MAX,
        };
        assert_eq!(refused(Config::Aimd(aimd)), ["max", "start", "idle", "slow", "increase", "backoff"]);
    }

    #[test]
    fn both_defaults_can_work() {
        assert!(Config::default().check().is_ok());
        assert!(Config::Aimd(Aimd::default()).check().is_ok());
    }
}
