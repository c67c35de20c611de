//! What a limiter is made of.

use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The longest time in which a burst may come back: a century.
const LONGEST: u128 = 100 * 365 * 86_400 * 1_000_000_000;
/// Most keys that can be told apart.
const MOST_KEYS: usize = 10_000_000;

/// A limiter's configuration, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Calls in each `per`. Default: 100.
    pub permits: u32,
    /// The time in which so many calls may go. Default: 1 s.
    pub per: Duration,
    /// Calls that may go at once after a pause. 1 spaces all calls evenly. Default: 10.
    pub burst: u32,
    /// How long a call waits for its turn; zero refuses it at once. Default: 0.
    pub max_wait: Duration,
    /// Whether each [`Ask::key`](crate::Ask::key) has a quota of its own. Default: no.
    pub keyed: bool,
    /// Keys that are told apart at once; newcomers beyond them share one quota. Default: 10,000.
    pub max_keys: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            permits: 100,
            per: Duration::from_secs(1),
            burst: 10,
            max_wait: Duration::ZERO,
            keyed: false,
            max_keys: 10_000,
        }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        let Config { permits, per, burst, max_wait, keyed: _, max_keys } = self;
        if permits == 0 {
            refuse("permits", "0".into(), "a whole number of 1 or more");
        }
        if per.as_nanos() < u128::from(permits.max(1)) {
            refuse("per", format!("{per:?} for {permits} permits"), "at least a nanosecond for each permit");
        }
        if burst == 0 {
            refuse("burst", "0".into(), "a whole number of 1 or more");
        }
        let interval = per.as_nanos().div_ceil(u128::from(permits.max(1)));
        if interval.saturating_mul(u128::from(burst)) > LONGEST {
            let found = format!("{burst} at {permits} permits per {per:?}");
            refuse("burst", found, "a burst that comes back within a hundred years");
        }
        if u128::from(nanos(max_wait)) > LONGEST {
            refuse("max_wait", format!("{max_wait:?}"), "a duration below a hundred years");
        }
        if !(1..=MOST_KEYS).contains(&max_keys) {
            refuse("max_keys", format!("{max_keys}"), "a whole number from 1 to 10000000");
        }
        if wrong.is_empty() { Ok(Settings(self)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let config = Config {
            permits: 0,
            per: Duration::ZERO,
            burst: 0,
            max_wait: Duration::MAX,
            keyed: false,
            max_keys: 0,
        };
        let wrong = config.check().expect_err("can not work");
        let fields: Vec<_> = wrong.iter().map(|e| e.field).collect();
        assert_eq!(fields, ["permits", "per", "burst", "max_wait", "max_keys"]);
    }

    #[test]
    fn a_quota_is_not_finer_than_the_clock_nor_longer_than_a_life() {
        let fine = Config { permits: 1_000_000_001, ..Config::default() };
        assert_eq!(fine.check().expect_err("too fine")[0].field, "per");
        let coarse = Config { permits: 1, per: Duration::from_secs(86_400 * 365 * 20), ..Config::default() };
        assert_eq!(coarse.check().expect_err("too coarse")[0].field, "burst");
        assert!(Config { permits: 1_000_000_000, ..Config::default() }.check().is_ok());
        assert!(Config::default().check().is_ok());
    }
}
