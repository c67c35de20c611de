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
//! | refused here | the other provider | the queue; no other provider has the authorisation |
//! | after a failure | the queue: it may have been done | once more, with the same key, and then the queue |
//!
//! Payments come one by one, so the windows count calls and not seconds. Waits are shortened so that a circuit recovers
//! before your eyes; 30 s and growing is the default.

use crate::provider::{Operation, Provider};
use example_stage::client::{CallError, Client};
use fusebox::breaker::{Config, HalfOpen, WaitInOpen, WaitStrategy, Window};
use fusebox::event::Event;
use fusebox::retry::{self, Backoff};
use fusebox::{Classify, Fuse, InvalidConfig, Results, Verdict, bulkhead};
use hyper::StatusCode;
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
    pub(crate) client: Client,
    pub(crate) authorise: Fuse<Told>,
    pub(crate) capture: Fuse<Told>,
    /// For what nobody waits for: what became of a key, and letting go. The queue asks again; it needs no circuit.
    pub(crate) questions: Fuse<Told>,
}

impl Account {
    /// The policies before `provider`; every change of a circuit is told.
    pub(crate) fn with(provider: &Provider, turns: &Sender<String>) -> Result<Account, InvalidConfig> {
        let name = |operation: Operation| format!("{}/{}", provider.name(), operation.name());
        let authorise = Fuse::builder(name(Operation::Authorise))
            .classify(Told)
            .timeout(Duration::from_millis(250))
            .bulkhead(bulkhead::Config {
                max_concurrent: 6,
                max_wait: Duration::from_millis(40),
                ..bulkhead::Config::default()
            })
            .breaker(Config { window: Window::Calls(10), consecutive_failures: Some(5), ..breaker() })
            .build()?;
        let capture = Fuse::builder(name(Operation::Capture))
            .classify(Told)
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
        let questions = Fuse::builder(format!("{}/questions", provider.name()))
            .classify(Told)
            .timeout(Duration::from_millis(250))
            .without_breaker()
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
        let (name, address, client) = (provider.name(), provider.address(), Client::new());
        Ok(Account { name, address, client, authorise, capture, questions })
    }

    /// What an operation goes through, live or deferred.
    pub(crate) fn fuse(&self, operation: Operation) -> &Fuse<Told> {
        match operation {
            Operation::Authorise => &self.authorise,
            Operation::Capture => &self.capture,
            Operation::Void => &self.questions,
        }
    }

    /// The queue of what is deferred to it; its circuit is the queue's gate.
    pub(crate) fn queue(&self, operation: Operation) -> String {
        format!("{}/{}", self.name, operation.name())
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

/// What results say about a provider: `Ok` is a success, and an error a failure, unless the provider was not asked at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told;

impl<T> Classify<T, ProviderError> for Told {
    fn classify(&self, result: &Result<T, ProviderError>) -> Verdict {
        match result {
            Err(ProviderError::Unsure) => Verdict::REFUSED,
            _ => Results.classify(result),
        }
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
    #[error("make sense of the provider: it answered {0}")]
    Status(StatusCode),
    #[error("ask the provider: another one may have done it")]
    Unsure,
}
