//! What a timeout is made of.

use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// A timeout's configuration, unchecked. Default: fixed, 5 s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Config {
    /// The same for every attempt.
    Fixed(Duration),
    /// A multiple of what calls took in the last minute.
    Adaptive {
        /// Which latency it is a multiple of: the share of calls that are as fast or faster. Default: 0.99.
        percentile: f64,
        /// How many times that latency an attempt may take. Default: 2.
        factor: f64,
        /// The shortest timeout. Default: 100 ms.
        min: Duration,
        /// The longest timeout. Default: 5 s.
        max: Duration,
        /// The timeout while there are too few calls to go by. Default: 5 s.
        start: Duration,
        /// Calls to go by. Default: 100.
        minimum_calls: u32,
    },
}

impl Default for Config {
    fn default() -> Self {
        Config::Fixed(Duration::from_secs(5))
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
}

impl Config {
    /// The longest that an attempt may be given.
    pub const fn longest(&self) -> Duration {
        match self {
            Config::Fixed(span) => *span,
            Config::Adaptive { max, .. } => *max,
        }
    }

    /// The adaptive timeout with its defaults.
    pub const ADAPTIVE: Config = Config::Adaptive {
        percentile: 0.99,
        factor: 2.0,
        min: Duration::from_millis(100),
        max: Duration::from_secs(5),
        start: Duration::from_secs(5),
        minimum_calls: 100,
    };

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
        match self {
            Config::Fixed(span) => {
                if span.is_zero() || nanos(span) == u64::MAX {
                    refuse("timeout", format!("{span:?}"), "a duration above zero and below 584 years");
                }
            }
            Config::Adaptive { percentile, factor, min, max, start, minimum_calls } => {
                if !(percentile > 0.0 && percentile <= 1.0) {
                    let accepted = "a share above 0 and up to 1 (0.99 is the 99th percentile)";
                    refuse("percentile", format!("{percentile}"), accepted);
                }
                if !(1.0..=100.0).contains(&factor) {
                    refuse("factor", format!("{factor}"), "a number from 1 to 100");
                }
                if min.is_zero() {
                    refuse("min", format!("{min:?}"), "a duration above zero");
                }
                if max < min || nanos(max) == u64::MAX {
                    let found = format!("{max:?} with min = {min:?}");
                    refuse("max", found, "min or longer, and below 584 years");
                }
                if start < min || start > max {
                    refuse("start", format!("{start:?}"), &format!("from min ({min:?}) to max ({max:?})"));
                }
                if minimum_calls == 0 {
                    refuse("minimum_calls", "0".into(), "a whole number of 1 or more");
                }
            }
        }
        if wrong.is_empty() { Ok(Settings(self)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(config: Config) -> Vec<&'static str> {
        config.check().expect_err("can not work").iter().map(|e| e.field).collect()
    }

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        assert_eq!(fields(Config::Fixed(Duration::ZERO)), ["timeout"]);
        let adaptive = Config::Adaptive {
            percentile: 0.0,
            factor: 0.5,
            min: Duration::ZERO,
            max: Duration::MAX,
            start: Duration::MAX,
            minimum_calls: 0,
        };
        assert_eq!(fields(adaptive), ["percentile", "factor", "min", "max", "minimum_calls"]);
    }

    #[test]
    fn bounds_that_contradict_each_other_are_refused_with_both() {
        let adaptive = Config::Adaptive {
            percentile: 0.99,
            factor: 2.0,
            min: Duration::from_secs(2),
            max: Duration::from_secs(1),
            start: Duration::from_secs(1),
            minimum_calls: 1,
        };
        let wrong = adaptive.check().expect_err("contradictory");
        assert_eq!((wrong[0].field, wrong[0].found.as_str()), ("max", "1s with min = 2s"));
        assert!(Config::ADAPTIVE.check().is_ok() && Config::default().check().is_ok());
    }
}
