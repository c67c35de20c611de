//! What a user may set, with the defaults, and the settings that can work.

use crate::Ratio;
use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) const MILLION: u64 = 1_000_000;

/// A throttle's configuration, unchecked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// What is remembered. Default: 2 minutes.
    pub window: Duration,
    /// K: calls may be so many times those accepted. A larger one wastes more of the dependency's work on refusals
    /// and notices its recovery sooner. From 1; default: 2.
    pub multiplier: f64,
    /// Nothing is turned away before so many calls were asked for in the window. Default: 20.
    pub minimum_requests: u64,
    /// The highest chance to be turned away, below 1: the rest finds out that the dependency has recovered.
    /// Default: 0.9.
    pub max_rejection: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config { window: Duration::from_secs(120), multiplier: 2.0, minimum_requests: 20, max_rejection: 0.9 }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    config: Config,
    /// K in millionths.
    multiplier: u64,
    most: Ratio,
}

impl Default for Settings {
    fn default() -> Self {
        Settings::of(Config::default())
    }
}

impl Settings {
    fn of(config: Config) -> Self {
        let multiplier = (config.multiplier * MILLION as f64 + 0.5) as u64;
        let most = Ratio::new(config.max_rejection).unwrap_or(Ratio::ZERO);
        Settings { config, multiplier, most }
    }

    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn window_nanos(&self) -> u64 {
        nanos(self.config.window)
    }

    /// K times the accepted calls, in millionths of a call.
    pub(super) fn room(&self, accepted: u64) -> u64 {
        accepted.saturating_mul(self.multiplier)
    }

    /// How many accepted calls make room for so many requests.
    pub(super) fn needed(&self, requests: u64) -> u64 {
        requests.saturating_mul(MILLION).div_ceil(self.multiplier)
    }

    /// The highest chance to be turned away.
    pub(super) fn most(&self) -> Ratio {
        self.most
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
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&self.window) {
            refuse("window", format!("{:?}", self.window), "a duration from 1 s to 1 day");
        }
        if !(1.0..=100.0).contains(&self.multiplier) {
            let accepted =
                "a number from 1 to 100: below 1, calls that are all accepted would be turned away";
            refuse("multiplier", format!("{}", self.multiplier), accepted);
        }
        if !(1..=1_000_000_000).contains(&self.minimum_requests) {
            let found = format!("{}", self.minimum_requests);
            refuse("minimum_requests", found, "a whole number from 1 to 1000000000");
        }
        if !(self.max_rejection > 0.0 && self.max_rejection <= 0.999) {
            let accepted = "a share above 0, up to 0.999: at 1 nothing could notice a recovery";
            refuse("max_rejection", format!("{}", self.max_rejection), accepted);
        }
        if wrong.is_empty() { Ok(Settings::of(self)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let config =
            Config { window: Duration::ZERO, multiplier: 0.9, minimum_requests: 0, max_rejection: 1.0 };
        let wrong = config.check().expect_err("can not work");
        let fields: Vec<_> = wrong.iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, ["window", "multiplier", "minimum_requests", "max_rejection"]);
        assert_eq!(Config::default().check(), Ok(Settings::default()));
    }
}
