//! One of the four services: a process with a fixed number of workers, that answers what it can and asks the next
//! service for the rest.

use crate::settings::{Policies, Settings};
use bytes::Bytes;
use example_stage::calls::Call;
use example_stage::client::{CallError, Client};
use example_stage::{clock, server};
use fusebox::event::Event;
use fusebox::{Clock, Fuse, InvalidConfig, Time};
use http_body_util::Full;
use hyper::{Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Says that an answer is a fallback, and whose.
pub(crate) const SOURCE: &str = "fusebox-source";
/// Begins the count anew, so many microseconds from now as its query says.
pub(crate) const BEGIN: &str = "/begin";
/// Tells the count.
pub(crate) const REPORT: &str = "/report";
/// What one request costs a service of its own time.
const WORK: Duration = Duration::from_millis(2);

/// Where a service stands in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// What it asks for everything that it can not answer itself.
    pub(crate) next: SocketAddr,
    /// The path that it answers itself.
    pub(crate) answers: Option<String>,
}

/// What a service has seen since the run began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// What it was asked.
    pub(crate) calls: Vec<Call>,
    /// What its circuit did.
    pub(crate) turns: Vec<Turn>,
}

/// A circuit's change of state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// When, in microseconds since the run began.
    pub(crate) at: u64,
    /// The state after, as the circuit calls it.
    pub(crate) to: String,
    /// What moved it.
    pub(crate) cause: String,
}

#[derive(Debug)]
struct Service {
    place: Place,
    workers: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
    client: Client,
    protection: Option<(Fuse, Policies)>,
    clock: Clock,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    began: Time,
    seen: Seen,
}

/// Serves on `listener`; never returns.
///
/// # Errors
///
/// Settings that can never work.
pub(crate) async fn run(
    listener: tokio::net::TcpListener,
    place: Place,
    settings: &Settings,
) -> Result<(), InvalidConfig> {
    let log = Arc::<Mutex<Log>>::default();
    let protection = match settings.calls_of(&place.name) {
        Some(policies) => {
            let fuse = policies.fuse(format!("{} to the next", place.name))?;
            listen_to(&fuse, log.clone());
            Some((fuse, policies.clone()))
        }
        None => None,
    };
    let service = Arc::new(Service {
        place,
        workers: Semaphore::new(settings.workers),
        waiting: AtomicUsize::new(0),
        queue: settings.queue,
        client: Client::new(),
        protection,
        clock: clock::precise(),
        log,
    });
    server::serve(listener, move |request| {
        let service = service.clone();
        async move { service.answer(request.uri()).await }
    })
    .await;
    Ok(())
}

fn listen_to(fuse: &Fuse, log: Arc<Mutex<Log>>) {
    fuse.circuit().on_event(move |_, event| {
        if let Event::Transition(change) = event {
            let mut log = locked(&log);
            let at = micros(change.at.since(log.began));
            let (to, cause) = (change.to.to_string(), change.cause.to_string());
            log.seen.turns.push(Turn { at, to, cause });
        }
    });
}

impl Service {
    async fn answer(self: Arc<Self>, uri: &Uri) -> Response<Full<Bytes>> {
        match uri.path() {
            BEGIN => {
                let soon = uri.query().and_then(|micros| micros.parse().ok()).unwrap_or(0);
                let began = self.clock.now() + Duration::from_micros(soon);
                let mut log = locked(&self.log);
                *log = Log { began, seen: Seen::default() };
                server::answer(StatusCode::OK, "")
            }
            REPORT => match serde_json::to_vec(&locked(&self.log).seen) {
                Ok(report) => server::answer(StatusCode::OK, report),
                Err(error) => server::answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            },
            path => self.take(path.to_owned()).await,
        }
    }

    /// Takes a request as a pool of threads does: it waits for a worker, and a worker that has begun does not notice
    /// that its caller has gone.
    async fn take(self: Arc<Self>, path: String) -> Response<Full<Bytes>> {
        let begun = self.clock.now();
        let number = self.asked(begun);
        let noted = self.clone();
        if self.workers.available_permits() == 0 && self.waiting.load(Relaxed) >= self.queue {
            self.ended(number, begun);
            return server::answer(StatusCode::SERVICE_UNAVAILABLE, "too many are waiting");
        }
        let working = tokio::spawn(async move {
            self.waiting.fetch_add(1, Relaxed);
            let worker = self.workers.acquire().await;
            self.waiting.fetch_sub(1, Relaxed);
            let answer = self.work(&path).await;
            drop(worker);
            self.ended(number, begun);
            answer
        });
        let answer = working.await;
        // A caller that has gone drops this future, but not the work: nobody comes here then.
        let answer =
            answer.unwrap_or_else(|_| server::answer(StatusCode::INTERNAL_SERVER_ERROR, "it panicked"));
        noted.heard(number, &answer);
        answer
    }

    async fn work(&self, path: &str) -> Response<Full<Bytes>> {
        clock::pause(WORK).await;
        if self.place.answers.as_deref() == Some(path) {
            return server::answer(StatusCode::OK, "a page");
        }
        match self.ask_the_next(path).await {
            Ok(response) => response.map(Full::new),
            Err(failed) => server::answer(StatusCode::BAD_GATEWAY, failed),
        }
    }

    /// The one place where the two runs differ.
    async fn ask_the_next(&self, path: &str) -> Result<Response<Bytes>, String> {
        let ask = || self.client.get(self.place.next, path);
        let Some((fuse, policies)) = &self.protection else {
            return ask().await.map_err(|error| format!("failed to {error}"));
        };
        let instead = |_: &fusebox::Error<CallError>| self.instead(policies);
        let answer = fuse.run_or_else(ask, instead).await;
        answer.map(|answer| answer.value).map_err(|error| format!("failed to {error}"))
    }

    fn instead(&self, policies: &Policies) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(policies.fallback.clone()));
        if let Ok(source) = format!("default; by={}", self.place.name).parse() {
            response.headers_mut().insert(SOURCE, source);
        }
        response
    }

    /// Notes a call, and answers its number.
    fn asked(&self, at: Time) -> usize {
        let mut log = locked(&self.log);
        let begun = micros(at.since(log.began));
        log.seen.calls.push(Call { begun, took: None, answered: false, fallback: false });
        log.seen.calls.len() - 1
    }

    /// Its work is done, whether or not anybody waits for it.
    fn ended(&self, number: usize, begun: Time) {
        let took = micros(self.clock.now().since(begun));
        if let Some(call) = locked(&self.log).seen.calls.get_mut(number) {
            call.took = Some(took);
        }
    }

    /// Its caller is still there.
    fn heard(&self, number: usize, answer: &Response<Full<Bytes>>) {
        if let Some(call) = locked(&self.log).seen.calls.get_mut(number) {
            call.answered = answer.status().is_success();
            call.fallback = answer.headers().contains_key(SOURCE);
        }
    }
}

pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
