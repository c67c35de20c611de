//! What the two files in `policies/` say.

use fusebox::breaker::{Config, HalfOpen, Setting, WaitInOpen, WaitStrategy};
use fusebox::{Fuse, InvalidConfig, bulkhead};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How a service works, and what stands before its calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Requests that a service works on at once.
    pub(crate) workers: usize,
    /// Requests that may wait for a worker.
    pub(crate) queue: usize,
    /// By the calling service's name: the policies before its calls.
    #[serde(default)]
    calls: BTreeMap<String, Policies>,
}

/// What stands before one service's calls of the next.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policies {
    timeout_ms: u64,
    /// Calls at once; one more is refused without waiting.
    max_concurrent: Option<u64>,
    slow_call_ms: Option<u64>,
    consecutive_failures: Option<u32>,
    wait_in_open_ms: Option<u64>,
    half_open_probes: Option<u32>,
    /// What is answered instead.
    pub(crate) fallback: String,
}

/// Why a file says nothing that can be used. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SettingsError {
    #[error("read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("understand {0}: {1}")]
    Wrong(PathBuf, toml::de::Error),
}

impl Settings {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Settings, SettingsError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| SettingsError::Unreadable(file.into(), error))?;
        toml::from_str(&text).map_err(|error| SettingsError::Wrong(file.into(), error))
    }

    /// What stands before the calls of `service`, if anything does.
    pub(crate) fn calls_of(&self, service: &str) -> Option<&Policies> {
        self.calls.get(service)
    }
}

impl Policies {
    /// The failures in a row that open the circuit.
    pub(crate) fn threshold(&self) -> u32 {
        self.consecutive_failures.or(Config::default().consecutive_failures).unwrap_or(0)
    }

    /// Probes in flight at once.
    pub(crate) fn probes(&self) -> u32 {
        self.half_open_probes.unwrap_or(Config::default().half_open_probes)
    }

    /// The policies, ready to use.
    pub(crate) fn fuse(&self, name: String) -> Result<Fuse, InvalidConfig> {
        let defaults = Config::default();
        let wait_in_open = match self.wait_in_open_ms {
            Some(ms) => WaitInOpen { strategy: WaitStrategy::Fixed(Duration::from_millis(ms)), jitter: 0.1 },
            None => defaults.wait_in_open,
        };
        let mut builder = Fuse::builder(name);
        if let Some(max_concurrent) = self.max_concurrent {
            let (max_wait, max_queue) = (Duration::ZERO, 0);
            let places =
                bulkhead::Config { max_concurrent, max_wait, max_queue, ..bulkhead::Config::default() };
            builder = builder.bulkhead(places);
        }
        builder
            .timeout(Duration::from_millis(self.timeout_ms))
            .breaker(Config {
                consecutive_failures: Some(self.threshold()),
                slow_call_duration: match self.slow_call_ms {
                    Some(ms) => Setting::Is(Duration::from_millis(ms)),
                    None => Setting::Auto,
                },
                wait_in_open,
                half_open_probes: self.probes(),
                half_open: HalfOpen::Count { success_threshold: 3, probe_failures: 1 },
                ..defaults
            })
            .clock(example_stage::clock::precise())
            .build()
    }
}
