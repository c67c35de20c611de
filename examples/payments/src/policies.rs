//! What stands before the providers: a circuit for each provider *and* operation.
//!
//! A provider whose captures fail still authorises, and the other way round; one circuit for both would close the door on
//! what works. And the two are not alike:
//!
//! | | authorise | capture |
//! |---|---|---|
//! | who waits | a customer | nobody |
//! | one attempt's time | 250 ms | 500 ms |
//! | calls at once | 6, and 40 ms to wait for a place | 4, and 500 ms |
//! | opens at | 5 failures in a row, or 8 slow ones of 10 | 8 failures in a row |
//! | after a failure | the other provider | once more, with the same key; no other provider has the authorisation |
//!
//! Payments come one by one, so the windows count calls and not seconds. Waits are shortened so that a circuit recovers
//! before your eyes; 30 s and growing is the default.

use crate::provider::{Operation, Provider};
use example_stage::client::CallError;
use fusebox::breaker::{Config, HalfOpen, WaitInOpen, WaitStrategy, Window};
use fusebox::event::Event;
use fusebox::retry::{self, Backoff};
use fusebox::{Fuse, InvalidConfig, bulkhead};
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How long an open circuit waits before it sends a probe.
pub(crate) const WAIT: Duration = Duration::from_millis(500);

/// A provider, as the service sees it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) authorise: Fuse,
    pub(crate) capture: Fuse,
}

impl Account {
    /// The policies before `provider`; every change of a circuit is told.
    pub(crate) fn with(provider: &Provider, turns: &Sender<String>) -> Result<Account, InvalidConfig> {
        let name = |operation: Operation| format!("{}/{}", provider.name(), operation.name());
        let authorise = Fuse::builder(name(Operation::Authorise))
            .timeout(Duration::from_millis(250))
            .bulkhead(bulkhead::Config {
                max_concurrent: 6,
                max_wait: Duration::from_millis(40),
                ..bulkhead::Config::default()
            })
            .breaker(Config { window: Window::Calls(10), consecutive_failures: Some(5), ..breaker() })
            .build()?;
        let capture = Fuse::builder(name(Operation::Capture))
            .timeout(Duration::from_millis(500))
            .bulkhead(bulkhead::Config {
                max_concurrent: 4,
                max_wait: Duration::from_millis(500),
                ..bulkhead::Config::default()
            })
            .breaker(Config { window: Window::Calls(20), consecutive_failures: Some(8), ..breaker() })
            // Safe to repeat: the key is the same. Captures are few, so no budget would ever fill.
            .retry(retry::Config {
                max_attempts: 2,
                backoff: Backoff { base: Duration::from_millis(20), ..Backoff::default() },
                budget: None,
            })
            .build()?;
        for fuse in [&authorise, &capture] {
            let turns = turns.clone();
            fuse.circuit().on_event(move |name, event| {
                if let Event::Transition(change) = event {
                    // Who does not listen any more need not be told.
                    let _ = turns.send(format!("{name}: {}, {}", change.to, change.cause));
                }
            });
        }
        Ok(Account { name: provider.name(), address: provider.address(), authorise, capture })
    }
}

fn breaker() -> Config {
    Config {
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(WAIT), jitter: 0.1 },
        half_open_probes: 1,
        half_open: HalfOpen::Count { success_threshold: 2, probe_failures: 1 },
        ..Config::default()
    }
}

/// Why a provider has not done what it was asked. A declined card is no such thing: the provider has done its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProviderError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("understand the provider: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("write to the provider: {0}")]
    Request(#[from] hyper::http::Error),
}
