//! What a user may set of scopes, with the defaults.

use crate::Ratio;
use crate::breaker::ConfigError;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// How far a failure has to spread to be a wider scope's. What the scopes' circuits run on is theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// A failure is no single endpoint's (or tenant's) when this share of the others fail too. Default: 0.8.
    pub breadth: f64,
    /// Who has not been called for so long is not asked how it does; whole seconds count. Default: 60 s.
    pub memory: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config { breadth: 0.8, memory: Duration::from_secs(60) }
    }
}

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// All the settings that can never work, not only the first.
    pub fn check(self) -> Result<Settings, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut refuse = |field, found: String, accepted: &str| {
            errors.push(ConfigError { field, found, accepted: accepted.into() });
        };
        let breadth = Ratio::new(self.breadth).filter(|breadth| *breadth > Ratio::ZERO);
        if breadth.is_none() {
            refuse("breadth", format!("{}", self.breadth), "a share above 0, up to 1 (0.8 is four fifths)");
        }
        if self.memory < Duration::from_secs(1) {
            refuse("memory", format!("{:?}", self.memory), "1s or longer");
        }
        match breadth {
            Some(breadth) if errors.is_empty() => Ok(Settings { breadth, config: self }),
            _ => Err(errors),
        }
    }
}

/// Scopes that can work, made by [`Config::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    config: Config,
    breadth: Ratio,
}

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn breadth(&self) -> Ratio {
        self.breadth
    }

    pub(super) fn memory_secs(&self) -> u64 {
        self.config.memory.as_secs()
    }
}

impl Default for Settings {
    fn default() -> Self {
        let Config { breadth, .. } = Config::default();
        Settings { config: Config::default(), breadth: Ratio::new(breadth).unwrap_or(Ratio::ZERO) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let config = Config { breadth: 0.0, memory: Duration::ZERO };
        let errors = config.check().expect_err("can not work");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["breadth", "memory"]);
    }

    #[test]
    fn the_default_works() {
        assert_eq!(Config::default().check(), Ok(Settings::default()));
    }
}
