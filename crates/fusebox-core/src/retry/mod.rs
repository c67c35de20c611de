//! Another attempt, when it is safe, sensible and paid for.
//!
//! A retry multiplies load exactly when the dependency can bear it least. Three things keep it honest: full
//! jitter, so that callers do not come back in step; a [`Budget`], so that retries stay a small share of first
//! tries however many callers fail; and the circuit, which no retry passes once it is open.

mod backoff;
mod budget;

pub(crate) use backoff::scaled;
pub use backoff::{Backoff, Jitter};
pub use budget::{Budget, BudgetConfig, BudgetSnapshot};

use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
/// Most attempts of one call.
const MAX_ATTEMPTS: u32 = 100;

/// A retry's configuration, unchecked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Attempts of one call, *the first included*. Default: 2.
    pub max_attempts: u32,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// What retries may cost; `None` lets every call use all its attempts. Default: on.
    pub budget: Option<BudgetConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_attempts: 2, backoff: Backoff::default(), budget: Some(BudgetConfig::default()) }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Debug, Default, PartialEq)]
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
        let Backoff { base, multiplier, max, .. } = self.backoff;
        if !(1..=MAX_ATTEMPTS).contains(&self.max_attempts) {
            let accepted = "a whole number from 1 to 100, the first attempt included";
            refuse("max_attempts", format!("{}", self.max_attempts), accepted);
        }
        if !(multiplier.is_finite() && multiplier >= 1.0) {
            refuse("backoff.multiplier", format!("{multiplier}"), "a number of 1 or more");
        }
        if max < base {
            refuse("backoff.max", format!("{max:?}"), "backoff.base or longer");
        }
        if nanos(max) == u64::MAX {
            refuse("backoff.max", format!("{max:?}"), "a duration below 584 years");
        }
        if let Some(budget) = self.budget {
            budget.check(&mut refuse);
        }
        if wrong.is_empty() { Ok(Settings(self)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let backoff = Backoff {
            base: Duration::from_secs(3),
            multiplier: f64::NAN,
            max: Duration::ZERO,
            jitter: Jitter::Full,
        };
        let budget = Some(BudgetConfig { ratio: 2.0, floor_per_second: -1.0 });
        let wrong = Config { max_attempts: 0, backoff, budget }.check().expect_err("can not work");
        let fields: Vec<_> = wrong.iter().map(|e| e.field).collect();
        let expected =
            ["max_attempts", "backoff.multiplier", "backoff.max", "budget.ratio", "budget.floor_per_second"];
        assert_eq!(fields, expected);
    }
}
