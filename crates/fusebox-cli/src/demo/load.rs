//! The load: a steady stream of calls, whatever comes of them.
//!
//! It is an open loop: a call begins when its time has come, not when the one before it has ended, and its latency
//! counts from there. A dependency that hangs is not spared by callers who wait for it.

use super::tally::{Got, Tally};
use crate::clock;
use fusebox::Clock;
use fusebox_core::Time;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls per second, both services together.
pub(super) const RATE: u32 = 200;
/// How long a caller waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Says what fusebox did with a call.
const OUTCOME: &str = "fusebox-outcome";

/// What calls go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The payment provider and its backup.
    Payments = 0,
    /// The profile service.
    Profiles = 1,
}

impl Service {
    /// Every service, in the order in which calls take turns.
    pub(super) const ALL: [Service; 2] = [Service::Payments, Service::Profiles];

    /// Its name in the configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Service::Payments => "payments",
            Service::Profiles => "profiles",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Service::Payments => "/payments/quote",
            Service::Profiles => "/profiles/7",
        }
    }
}

/// Where the calls are sent.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// To the proxy.
    Through(SocketAddr),
    /// To the backends themselves; with several, in turns.
    Straight {
        /// Where payments are made.
        payments: Vec<SocketAddr>,
        /// Where profiles are kept.
        profiles: SocketAddr,
    },
}

impl Way {
    fn address(&self, service: Service, turn: usize) -> SocketAddr {
        match (self, service) {
            (Way::Through(proxy), _) => *proxy,
            (Way::Straight { payments, .. }, Service::Payments) => payments[turn % payments.len()],
            (Way::Straight { profiles, .. }, Service::Profiles) => *profiles,
        }
    }
}

/// What came of the calls so far, by service. A cheap handle: clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(Arc<Mutex<[Tally; 2]>>);

impl Tallies {
    /// The counts of a service.
    pub(super) fn of(&self, service: Service) -> Tally {
        self.locked()[service as usize].clone()
    }

    /// All counts together.
    pub(super) fn sum(&self) -> Tally {
        let [payments, profiles] = self.locked().clone();
        payments.with(&profiles)
    }

    fn locked(&self) -> MutexGuard<'_, [Tally; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

/// Makes calls for `length` from `start` on, and returns when the last of them has ended.
pub(super) async fn run(way: &Way, clock: &Clock, start: Time, length: Duration, tallies: &Tallies) {
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    let period = Duration::from_secs(1) / RATE;
    let calls = (length.as_nanos() / period.as_nanos()) as usize;
    let mut in_flight = JoinSet::new();
    for n in 0..calls {
        let due = start + period * n as u32;
        clock::until(clock, due).await;
        let service = Service::ALL[n % Service::ALL.len()];
        let address = way.address(service, n / Service::ALL.len());
        let (client, clock, tallies) = (client.clone(), clock.clone(), tallies.clone());
        in_flight.spawn(async move {
            let got = call(&client, address, service.path()).await;
            tallies.locked()[service as usize].add(got, clock.now().since(due));
        });
        while in_flight.try_join_next().is_some() {}
    }
    while in_flight.join_next().await.is_some() {}
}

async fn call(client: &HttpClient, address: SocketAddr, path: &str) -> Got {
    let Ok(uri) = format!("http://{address}{path}").parse::<Uri>() else { return Got::Failure };
    let whole = async {
        let response = client.get(uri).await.ok()?;
        let got = judge(&response);
        response.into_body().collect().await.ok().map(|_| got)
    };
    tokio::time::timeout(PATIENCE, whole).await.ok().flatten().unwrap_or(Got::Failure)
}

fn judge(response: &Response<Incoming>) -> Got {
    let outcome = response.headers().get(OUTCOME).map(|value| value.as_bytes());
    match outcome {
        Some(b"fallback") => Got::Fallback,
        Some(b"rejected") => Got::Rejection,
        _ if response.status().is_success() => Got::Answer,
        _ => Got::Failure,
    }
}
