//! What happens to the providers, scene by scene, and what comes of the payments made meanwhile.

use crate::book::{Payment, Status};
use crate::desk::Order;
use crate::provider::{IDEMPOTENCY_KEY, Mood, NO_MONEY, Operation, Provider};
use bytes::Bytes;
use example_stage::client::{CallError, Client, url};
use example_stage::clock;
use http_body_util::Full;
use hyper::{Request, Response};
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinSet;

/// Payments in a scene, and captures at most.
pub(crate) const PAYMENTS: u32 = 20;
/// One order in so many is a trusted customer's.
const TRUSTED: u32 = 5;
/// From one payment to the next.
const STEADY: Duration = Duration::from_millis(50);
/// The same in a rush.
const RUSH: Duration = Duration::from_millis(2);

/// What is wrong for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// What is wrong: provider, operation, mood. Everything else is well.
    wrong: &'static [(usize, Operation, Mood)],
    /// From one payment to the next.
    period: Duration,
}

/// North is the first provider, south the second.
const NORTH: usize = 0;
const SOUTH: usize = 1;

const fn scene(name: &'static str, wrong: &'static [(usize, Operation, Mood)]) -> Scene {
    Scene { name, wrong, period: STEADY }
}

/// The whole play.
pub(crate) const SCENES: [Scene; 9] = [
    scene("all is well", &[]),
    Scene { period: RUSH, ..scene("a rush while north is slow", NORTH_SLOW) },
    scene("all is well again", &[]),
    scene("north is slow to authorise", NORTH_SLOW),
    scene("north captures, answers 500", &[(NORTH, Operation::Capture, Mood::Stumbling)]),
    scene("north captures nothing", &[(NORTH, Operation::Capture, Mood::Failing)]),
    scene("north hangs when it authorises", &[(NORTH, Operation::Authorise, Mood::Hanging)]),
    scene(
        "both hang when they authorise",
        &[(NORTH, Operation::Authorise, Mood::Hanging), (SOUTH, Operation::Authorise, Mood::Hanging)],
    ),
    scene("all is well at last", &[]),
];

const NORTH_SLOW: &[(usize, Operation, Mood)] = &[(NORTH, Operation::Authorise, Mood::Slow)];

/// Why a customer got no answer that can be read. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CustomerError {
    #[error("call the service: it could not be made to {0}")]
    Call(#[from] CallError),
    #[error("write to the service: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("understand the service: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("wait for a customer: {0}")]
    Gone(#[from] tokio::task::JoinError),
}

/// What came of a scene.
#[derive(Clone, Debug, Default)]
pub(crate) struct Came {
    /// The payments made in it.
    pub(crate) paid: Vec<Told>,
    /// The payments of earlier scenes captured in it.
    pub(crate) captured: Vec<Told>,
}

/// A payment as the service tells it, with which status, and after how long.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) payment: Payment,
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

impl Scene {
    /// Plays it: new payments at a steady pace, and between them the captures of `earlier` ones.
    pub(crate) async fn play(
        &self,
        number: usize,
        service: SocketAddr,
        providers: &[Provider],
        earlier: &[Payment],
    ) -> Result<Came, CustomerError> {
        for (index, provider) in providers.iter().enumerate() {
            for operation in Operation::ALL {
                let wrong = self.wrong.iter().find(|(place, what, _)| (*place, *what) == (index, operation));
                provider.turns(operation, wrong.map(|(_, _, mood)| *mood).unwrap_or_default());
            }
        }
        let (client, start) = (Client::new(), clock::precise().now());
        let (mut paying, mut capturing) = (JoinSet::new(), JoinSet::new());
        let mut earlier = earlier.iter().filter(|payment| payment.status == Status::Authorised);
        for n in 0..PAYMENTS {
            clock::until(start + self.period * n).await;
            // One card of the first scene is not good for the money.
            let card = if (number, n) == (0, PAYMENTS / 2) { NO_MONEY } else { "4242" };
            let trusted = n % TRUSTED == 0;
            let order = Order { cents: 4_200, card: card.into(), trusted };
            paying.spawn(pay(client.clone(), service, format!("order-{number}-{n}"), order));
            if let Some(payment) = earlier.next() {
                let path = format!("/payments/{}/capture", payment.id);
                let (client, request) = (client.clone(), Request::post(url(service, &path)?));
                capturing.spawn(async move { told(&client, request.body(Full::default())?).await });
            }
        }
        let mut came = Came::default();
        while let Some(told) = paying.join_next().await {
            came.paid.push(told??);
        }
        while let Some(told) = capturing.join_next().await {
            came.captured.push(told??);
        }
        Ok(came)
    }
}

impl Came {
    /// Payments of this status, by this provider.
    pub(crate) fn paid(&self, status: Status, provider: Option<&str>) -> usize {
        let fits = |told: &&Told| {
            told.payment.status == status
                && (provider.is_none() || told.payment.provider.as_deref() == provider)
        };
        self.paid.iter().filter(fits).count()
    }

    /// Captures of this status.
    pub(crate) fn captured(&self, status: Status) -> usize {
        self.captured.iter().filter(|told| told.payment.status == status).count()
    }
}

/// A customer pays. One who asks a second time with the same key is told of the same payment.
pub(crate) async fn pay(
    client: Client,
    service: SocketAddr,
    key: String,
    order: Order,
) -> Result<Told, CustomerError> {
    let order = serde_json::to_vec(&order)?;
    let request = Request::post(url(service, "/payments")?).header(IDEMPOTENCY_KEY, key);
    told(&client, request.body(Full::from(order))?).await
}

async fn told(client: &Client, request: Request<Full<Bytes>>) -> Result<Told, CustomerError> {
    let begun = clock::precise().now();
    let response: Response<Bytes> = client.send(request).await?;
    let took = clock::precise().now().since(begun);
    Ok(Told { payment: serde_json::from_slice(response.body())?, status: response.status().as_u16(), took })
}
