//! Health checks: endpoints are asked whether they are well, whether or not calls reach them.
//!
//! Once for the whole process, on a thread of its own, so that neither the number of workers multiplies the questions nor
//! a hanging answer touches a call. What checks find moves traffic and nothing else: an unhealthy endpoint is passed over
//! by the balancer, and its circuit goes on by what calls come to. So a lying health page can empty an endpoint, and the
//! balancer's panic rule decides what happens when it empties all of them; it can neither open nor close a circuit.

use crate::alarm::pause;
use crate::config::{Endpoint, HealthCheck};
use crate::dial::{Book, NoConnection};
use crate::journal::Journal;
use bytes::Bytes;
use fusebox::Clock;
use fusebox::admin::Level;
use fusebox_core::balancer::{Balancer, Health, Thresholds};
use fusebox_core::{Rng, SharedRng};
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU32;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

/// One service's endpoints, and how they are asked.
#[derive(Debug)]
pub(crate) struct Ward {
    pub(crate) service: String,
    pub(crate) endpoints: Vec<Endpoint>,
    /// Without it, all are taken to be well.
    pub(crate) check: Option<HealthCheck>,
    pub(crate) balancer: Arc<Balancer>,
}

/// Why a check is a bad one.
enum Finding {
    Unreachable,
    Silent,
    NoHttp,
    Status(u16),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Unreachable => f.write_str("no connection"),
            Finding::Silent => f.write_str("no answer in time"),
            Finding::NoHttp => f.write_str("no HTTP response"),
            Finding::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// What checks have found, by service and authority: it outlives a change of the configuration.
#[derive(Clone, Default)]
struct Charts(Rc<RefCell<HashMap<(String, String), Health>>>);

impl Charts {
    /// Takes a check's result. Answers the endpoint's health if that has changed.
    fn checked(&self, ward: &Ward, endpoint: &Endpoint, check: &HealthCheck, good: bool) -> Option<bool> {
        let times = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let thresholds = Thresholds {
            healthy_after: times(check.healthy_after),
            unhealthy_after: times(check.unhealthy_after),
        };
        let mut charts = self.0.borrow_mut();
        let chart = charts.entry((ward.service.clone(), endpoint.authority.clone()));
        let chart = chart.or_insert_with(|| Health::new(thresholds));
        *chart = chart.by(thresholds);
        chart.checked(good)
    }

    /// Forgets those who are not looked after any more.
    fn keep(&self, wards: &[Ward]) {
        self.0.borrow_mut().retain(|(service, authority), _| {
            let checked = wards.iter().filter(|ward| ward.check.is_some() && ward.service == *service);
            checked.flat_map(|ward| &ward.endpoints).any(|endpoint| endpoint.authority == *authority)
        });
    }
}

/// Checks every endpoint of the wards that there are, until told to stop.
pub(crate) fn run(
    mut wards: watch::Receiver<Arc<[Ward]>>,
    (clock, journal, mut rng): (Clock, Journal, Rng),
    mut stop: watch::Receiver<Option<Duration>>,
) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let (book, charts) = (Rc::new(Book::default()), Charts::default());
        loop {
            let present = wards.borrow_and_update().clone();
            charts.keep(&present);
            let endpoints = present.iter().flat_map(|ward| &ward.endpoints);
            book.let_go(|authority| endpoints.clone().any(|endpoint| endpoint.authority == *authority));
            // Ends with what it looks after.
            let mut rounds = JoinSet::new();
            for (ward, endpoint) in duties(&present, &clock) {
                let with = (clock.clone(), journal.clone(), SharedRng::new(rng.fork()));
                let look = look_after((present.clone(), ward), endpoint, with, book.clone(), charts.clone());
                rounds.spawn_local(look);
            }
            tokio::select! {
                Ok(()) = wards.changed() => {}
                _ = stop.wait_for(Option::is_some) => return,
            }
        }
    });
    drop(local);
    // A resolver that hangs keeps nobody waiting.
    runtime.shutdown_background();
    Ok(0)
}

/// Which endpoints are asked, by ward. Those that nobody asks any more are not held to what was found last.
fn duties(wards: &[Ward], clock: &Clock) -> Vec<(usize, usize)> {
    let mut duties = Vec::new();
    for (at, ward) in wards.iter().enumerate() {
        for endpoint in 0..ward.endpoints.len() {
            if ward.check.is_some() {
                duties.push((at, endpoint));
            } else if !ward.balancer.is_healthy(endpoint) {
                ward.balancer.set_healthy(endpoint, true, clock.now());
            }
        }
    }
    duties
}

async fn look_after(
    (wards, ward): (Arc<[Ward]>, usize),
    endpoint: usize,
    (clock, journal, rng): (Clock, Journal, SharedRng),
    book: Rc<Book>,
    charts: Charts,
) {
    let ward = &wards[ward];
    let Ward { service, endpoints, check: Some(check), balancer } = ward else { return };
    // The first questions are spread over an interval, the later ones by a tenth: no endpoint gets them all at once.
    let spread =
        |least: f64, more: f64| check.interval.mul_f64(least + more * rng.up_to(1_000) as f64 / 1_000.0);
    pause(spread(0.0, 1.0).min(Duration::from_secs(1))).await;
    loop {
        // Nothing but this process's own want of descriptors says nothing of the endpoint.
        if let Some(found) = ask(&endpoints[endpoint], check, &book).await {
            let good = found.is_ok();
            balancer.count_check(endpoint, good);
            if let Some(healthy) = charts.checked(ward, &endpoints[endpoint], check, good) {
                balancer.set_healthy(endpoint, healthy, clock.now());
                let authority = &endpoints[endpoint].authority;
                let (level, line) = match found {
                    Ok(()) => (
                        Level::Info,
                        format!("is healthy again: {} good checks in a row", check.healthy_after),
                    ),
                    Err(why) => (
                        Level::Warn,
                        format!(
                            "is unhealthy: {} bad checks in a row, the last: {why}",
                            check.unhealthy_after
                        ),
                    ),
                };
                journal.say(level, format!("fusebox: endpoint {service}/{authority} {line}"));
            }
        }
        pause(spread(0.9, 0.2)).await;
    }
}

/// One check; `None` when it could not be made.
async fn ask(endpoint: &Endpoint, check: &HealthCheck, book: &Book) -> Option<Result<(), Finding>> {
    tokio::select! {
        found = status(endpoint, check, book) => match found {
            Ok(Some(status)) if check.expect.contains(&status) => Some(Ok(())),
            Ok(Some(status)) => Some(Err(Finding::Status(status))),
            Ok(None) => None,
            Err(why) => Some(Err(why)),
        },
        () = pause(check.timeout) => Some(Err(Finding::Silent)),
    }
}

async fn status(endpoint: &Endpoint, check: &HealthCheck, book: &Book) -> Result<Option<u16>, Finding> {
    let stream = match book.dial(endpoint).await {
        Ok(stream) => stream,
        Err(NoConnection::Exhausted) => return Ok(None),
        Err(NoConnection::Refused | NoConnection::Unresolved) => return Err(Finding::Unreachable),
    };
    let (mut sender, wire) = handshake(TokioIo::new(stream)).await.map_err(|_| Finding::NoHttp)?;
    let mut wire = pin!(Some(wire));
    let mut request = Request::new(Empty::<Bytes>::new());
    let path = format!("{}{}", endpoint.base_path, check.path);
    *request.uri_mut() = Uri::try_from(path).map_err(|_| Finding::NoHttp)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&endpoint.authority);
    headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
    headers.insert(USER_AGENT, HeaderValue::from_static("fusebox-health"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut answer = pin!(sender.send_request(request));
    // The body is nobody's business: dropping the connection ends it.
    let answer = poll_fn(|cx| {
        let over = wire.as_mut().as_pin_mut().is_some_and(|wire| wire.poll(cx).is_ready());
        if over {
            wire.set(None);
        }
        answer.as_mut().poll(cx)
    });
    Ok(Some(answer.await.map_err(|_| Finding::NoHttp)?.status().as_u16()))
}
