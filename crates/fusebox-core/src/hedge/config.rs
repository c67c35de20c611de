//! What hedging is made of.

use crate::breaker::ConfigError;
use crate::retry::BudgetConfig;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Hedging's configuration, unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Config {
    /// How long an attempt is left alone.
    pub after: After,
    /// What hedges may cost, beside what retries may. Default: a tenth of first tries, and one a second.
    pub budget: BudgetConfig,
}

/// How long an attempt is left alone before a second goes beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// The same for every call.
    Fixed(Duration),
    /// As long as nearly all calls took in the last minute.
    Percentile {
        /// The share of calls that take as long or less. Default: 0.95.
        percentile: f64,
        /// The shortest delay. Default: 10 ms.
        min: Duration,
        /// The longest delay. Default: 1 s.
        max: Duration,
        /// The delay while there are fewer than a hundred calls to go by. Default: 1 s.
        start: Duration,
    },
}

impl Default for After {
    fn default() -> Self {
        let (min, max) = (Duration::from_millis(10), Duration::from_secs(1));
        After::Percentile { percentile: 0.95, min, max, start: max }
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
        match self.after {
            After::Fixed(delay) => {
                if delay.is_zero() || nanos(delay) == u64::MAX {
                    refuse("after", format!("{delay:?}"), "a duration above zero and below 584 years");
                }
            }
            After::Percentile { percentile, min, max, start } => {
                if !(percentile > 0.0 && percentile < 1.0) {
                    let accepted = "a share between 0 and 1 (0.95 hedges the slowest twentieth)";
                    refuse("after.percentile", format!("{percentile}"), accepted);
                }
                if min.is_zero() {
                    refuse("after.min", format!("{min:?}"), "a duration above zero");
                }
                if max < min || nanos(max) == u64::MAX {
                    let found = format!("{max:?} with min = {min:?}");
                    refuse("after.max", found, "min or longer, and below 584 years");
                }
                if start < min || start > max {
                    let accepted = format!("from min ({min:?}) to max ({max:?})");
                    refuse("after.start", format!("{start:?}"), &accepted);
                }
            }
        }
        self.budget.check(&mut refuse);
        if self.budget.ratio == 0.0 && self.budget.floor_per_second == 0.0 {
            refuse("budget", "ratio = 0 with floor_per_second = 0".into(), "one of the two above zero");
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
        let after = After::Percentile {
            percentile: 1.0,
            min: Duration::ZERO,
            max: Duration::MAX,
            start: Duration::from_secs(1),
        };
        let budget = BudgetConfig { ratio: 2.0, floor_per_second: f64::NAN };
        let expected =
            ["after.percentile", "after.min", "after.max", "budget.ratio", "budget.floor_per_second"];
        assert_eq!(fields(Config { after, budget }), expected);
        let none = BudgetConfig { ratio: 0.0, floor_per_second: 0.0 };
        assert_eq!(fields(Config { after: After::Fixed(Duration::ZERO), budget: none }), ["after", "budget"]);
        assert!(Config::default().check().is_ok());
    }
}
