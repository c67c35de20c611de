//! A payment provider: a real HTTP server that can be told to misbehave.
//!
//! It does what providers do about idempotency keys: the first request with a key has its effect, every later one with the
//! same key has the same answer and no effect. It tells what became of a key. And it does what makes both necessary: when it
//! hangs, the effect has happened all the same.
//!
//! ```text
//! POST /{operation}        200 done, 402 declined, 404 nothing to let go
//! GET  /{operation}/{key}  what was answered to that key, 404 if it was never seen
//! ```

use bytes::Bytes;
use example_stage::{clock, server};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The header that names a request, so that sending it again is no second request.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The card that no bank accepts.
pub(crate) const NO_MONEY: &str = "0000";

/// What a request takes when nothing is wrong.
const USUAL: Duration = Duration::from_millis(5);
/// What it takes when the provider is slow.
const SLOW: Duration = Duration::from_millis(180);
/// The largest request.
const MOST: usize = 4096;

/// What a provider can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// Hold an amount on a card.
    Authorise,
    /// Take what is held.
    Capture,
    /// Let go what is held.
    Void,
}

/// How a provider does it at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// At once.
    #[default]
    Good,
    /// Late.
    Slow,
    /// Not, and says so: 500; it does not tell what became of a key either.
    Failing,
    /// Yes, but it says no, once: the answer was lost inside.
    Stumbling,
    /// Yes, but it says nothing, whatever it is asked.
    Hanging,
}

/// What is asked of a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The card, the authorisation, or the key of what is to be let go.
    pub(crate) of: String,
    /// How much.
    pub(crate) cents: u64,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// What it calls the authorisation, or the receipt.
    pub(crate) reference: String,
}

/// What a provider has seen and done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Requests, by operation.
    pub(crate) received: HashMap<Operation, u64>,
    /// Requests that were answered from memory.
    pub(crate) repeated: u64,
    /// Questions what became of a key that were answered.
    pub(crate) told: u64,
    /// By idempotency key: what came of it.
    pub(crate) effects: HashMap<String, (StatusCode, String)>,
}

/// A provider. A cheap handle: clones share the server.
#[derive(Clone, Debug)]
pub(crate) struct Provider(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    address: SocketAddr,
    moods: Mutex<HashMap<Operation, Mood>>,
    ledger: Mutex<Ledger>,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Operation; 3] = [Operation::Authorise, Operation::Capture, Operation::Void];

    /// Its name, in paths, keys and circuits.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Operation::Authorise => "authorise",
            Operation::Capture => "capture",
            Operation::Void => "void",
        }
    }
}

impl Ledger {
    /// Whether it was done, what is to be let go.
    fn has(&self, asked: &Asked) -> bool {
        self.effects.get(&asked.of).is_some_and(|(status, _)| *status == StatusCode::OK)
    }
}

impl Provider {
    /// Starts a provider on a free port; it serves until the task is aborted.
    pub(crate) async fn start(name: &'static str) -> io::Result<(Provider, JoinHandle<()>)> {
        let (listener, address) = server::listen().await?;
        let (moods, ledger) = Default::default();
        let provider = Provider(Arc::new(Shared { name, address, moods, ledger }));
        let answering = provider.clone();
        let serving = tokio::spawn(server::serve(listener, move |request| answering.clone().answer(request)));
        Ok((provider, serving))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// From now on it does `operation` like this.
    pub(crate) fn turns(&self, operation: Operation, mood: Mood) {
        locked(&self.0.moods).insert(operation, mood);
    }

    /// What it has seen and done so far.
    pub(crate) fn ledger(&self) -> Ledger {
        locked(&self.0.ledger).clone()
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (name, key) = path.split_once('/').map_or((&*path, None), |(name, key)| (name, Some(key)));
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
        match (request.method(), operation, key) {
            (&Method::GET, Some(operation), Some(key)) => self.tell(operation, key).await,
            (&Method::POST, Some(operation), None) => self.act(operation, request).await,
            _ => server::answer(StatusCode::NOT_FOUND, "no such operation"),
        }
    }

    fn mood(&self, operation: Operation) -> Mood {
        locked(&self.0.moods).get(&operation).copied().unwrap_or_default()
    }

    /// What became of a key.
    async fn tell(&self, operation: Operation, key: &str) -> Response<Full<Bytes>> {
        match self.mood(operation) {
            Mood::Failing => return server::answer(StatusCode::SERVICE_UNAVAILABLE, "out of order"),
            Mood::Hanging => std::future::pending().await,
            Mood::Slow => clock::pause(SLOW).await,
            Mood::Good | Mood::Stumbling => clock::pause(USUAL).await,
        }
        let mut ledger = locked(&self.0.ledger);
        ledger.told += 1;
        match ledger.effects.get(key).cloned() {
            Some((status, body)) => server::answer(status, body),
            None => server::answer(StatusCode::NOT_FOUND, "no such key"),
        }
    }

    async fn act(self, operation: Operation, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let key = request.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        let asked = server::body(request, MOST).await.and_then(|body| serde_json::from_slice(&body).ok());
        let (Some(key), Some(asked)) = (key, asked) else {
            return server::answer(StatusCode::BAD_REQUEST, "a key and a body, please");
        };
        *locked(&self.0.ledger).received.entry(operation).or_default() += 1;
        let mood = self.mood(operation);
        if operation == Operation::Void && !self.ledger().has(&asked) {
            return server::answer(StatusCode::NOT_FOUND, "nothing is held");
        }
        match mood {
            Mood::Failing => {
                clock::pause(USUAL).await;
                server::answer(StatusCode::INTERNAL_SERVER_ERROR, "out of order")
            }
            Mood::Good | Mood::Slow => {
                clock::pause(if mood == Mood::Good { USUAL } else { SLOW }).await;
                let (status, body) = self.effect(key, &asked);
                server::answer(status, body)
            }
            Mood::Stumbling => {
                clock::pause(USUAL).await;
                let is_new = !self.ledger().effects.contains_key(&key);
                let (status, body) = self.effect(key, &asked);
                server::answer(if is_new { StatusCode::INTERNAL_SERVER_ERROR } else { status }, body)
            }
            Mood::Hanging => {
                self.effect(key, &asked);
                std::future::pending().await
            }
        }
    }

    /// Does what is asked, unless that has been done.
    pub(crate) fn effect(&self, key: String, asked: &Asked) -> (StatusCode, String) {
        let mut ledger = locked(&self.0.ledger);
        if let Some(done) = ledger.effects.get(&key).cloned() {
            ledger.repeated += 1;
            return done;
        }
        let reference = format!("{}-{}", self.0.name, ledger.effects.len() + 1);
        let done = match serde_json::to_string(&Done { reference }) {
            _ if asked.of == NO_MONEY => (StatusCode::PAYMENT_REQUIRED, "declined".into()),
            Ok(done) => (StatusCode::OK, done),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        ledger.effects.insert(key, done.clone());
        done
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_key_has_the_same_answer_and_one_effect() {
        let (provider, serving) = Provider::start("north").await.expect("a free port");
        serving.abort();
        let asked = Asked { of: "4242".into(), cents: 100 };
        let first = provider.effect("p1/authorise".into(), &asked);
        assert_eq!(provider.effect("p1/authorise".into(), &asked), first);
        assert_ne!(provider.effect("p2/authorise".into(), &asked), first);
        let ledger = provider.ledger();
        assert_eq!((ledger.effects.len(), ledger.repeated), (2, 1));
    }
}
