//! What a user may set of scopes, with the defaults.

use crate::breaker::{self, CancelCountsAs, ConfigError};
use crate::time::nanos;
use crate::{Outcome, Ratio};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The scopes of one service: what its circuits run on, and how far a failure has to spread to be a wider scope's.
#[derive(Clone, Debug)]
pub struct Config {
    /// Each endpoint's circuit.
    pub endpoint: Arc<breaker::Settings>,
    /// Each tenant's circuit; `None` for none. A tenant is any key of the user's: a customer, a shard.
    pub tenant: Option<Arc<breaker::Settings>>,
    /// The service's circuit.
    pub service: Arc<breaker::Settings>,
    /// A failure is no single endpoint's (or tenant's) when this share of the others fail too. Default: 0.8.
    pub breadth: f64,
    /// Who has not been called for so long is not asked how it does. Default: 60 s.
    pub memory: Duration,
    /// Tenants with a circuit of their own; later ones share one. Default: 1000.
    pub max_tenants: u32,
}

impl Config {
    /// The default scopes over circuits that all run on `circuit`, tenants without one.
    pub fn over(circuit: impl Into<Arc<breaker::Settings>>) -> Config {
        let circuit = circuit.into();
        let (breadth, memory) = (0.8, Duration::from_secs(60));
        Config {
            endpoint: circuit.clone(),
            tenant: None,
            service: circuit,
            breadth,
            memory,
            max_tenants: 1_000,
        }
    }

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
        if !(1..=1_000_000).contains(&self.max_tenants) {
            refuse("max_tenants", format!("{}", self.max_tenants), "a whole number from 1 to 1000000");
        }
        match breadth {
            Some(breadth) if errors.is_empty() => {
                let circuits = || [&self.endpoint, &self.service].into_iter().chain(&self.tenant);
                let slow = circuits().filter_map(|circuit| circuit.slow_call_duration()).min();
                let fails = |circuit: &Arc<breaker::Settings>| {
                    circuit.config().cancel_counts_as == CancelCountsAs::Failure
                };
                let cancel_fails = circuits().any(fails);
                Ok(Settings { breadth, slow: slow.map_or(u64::MAX, nanos), cancel_fails, config: self })
            }
            _ => Err(errors),
        }
    }
}

/// Scopes that can work, made by [`Config::check`].
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) config: Config,
    pub(super) breadth: Ratio,
    /// From this long on, in nanoseconds, one of the circuits takes a call for slow.
    pub(super) slow: u64,
    cancel_fails: bool,
}

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a call that took so long speaks against somebody; `None` when it says nothing at all.
    pub(super) fn judge(&self, outcome: Outcome, took: u64) -> Option<bool> {
        match outcome {
            Outcome::Ignored => None,
            Outcome::Failure(_) => Some(true),
            _ if took >= self.slow => Some(true),
            Outcome::Cancelled if self.cancel_fails => Some(true),
            Outcome::Cancelled => None,
            Outcome::Success => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let circuit = breaker::Config::default().check(None).expect("the default works");
        let config = Config { breadth: 0.0, memory: Duration::ZERO, max_tenants: 0, ..Config::over(circuit) };
        let errors = config.check().expect_err("can not work");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["breadth", "memory", "max_tenants"]);
    }
}
