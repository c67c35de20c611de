//! The payments service: what customers call.
//!
//! ```text
//! POST /payments              201 authorised, 402 declined, 202 will be processed
//! POST /payments/{id}/capture 200 captured, 409 nothing to capture, 202 will be processed
//! GET  /payments/{id}         200 how far it is, 404
//! ```

use crate::book::{Book, Opened, Payment, Status};
use crate::policies::{Account, ProviderError};
use crate::provider::{Asked, Done, IDEMPOTENCY_KEY, Operation};
use bytes::Bytes;
use example_stage::client::{Client, url};
use example_stage::server;
use fusebox::outcome::Source;
use fusebox::{Answer, Fallbacks};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::LOCATION;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The largest request.
const MOST: usize = 4096;

/// What a customer asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) cents: u64,
    pub(crate) card: String,
}

/// The service: two providers, in the order in which they are asked, and a book.
#[derive(Debug)]
pub(crate) struct Desk {
    accounts: [Account; 2],
    client: Client,
    book: Mutex<Book>,
}

/// What came of asking for an amount to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Authorised {
        provider: &'static str,
        authorisation: String,
    },
    Declined {
        provider: &'static str,
    },
    /// Nobody answered.
    Nobody,
}

impl Desk {
    /// A desk whose book is empty.
    pub(crate) fn new(accounts: [Account; 2]) -> Arc<Desk> {
        Arc::new(Desk { accounts, client: Client::new(), book: Mutex::default() })
    }

    /// Answers a customer.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let path: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method(), &path[..]) {
            (&Method::POST, ["payments"]) => self.pay(request).await,
            (&Method::POST, ["payments", id, "capture"]) => self.capture(id).await,
            (&Method::GET, ["payments", id]) => {
                told(self.book().change(id, |_| ()).as_ref(), |_| StatusCode::OK)
            }
            _ => server::answer(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    async fn pay(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let key = request.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        let order = server::body(request, MOST).await;
        let order = order.and_then(|body| serde_json::from_slice::<Order>(&body).ok());
        let (Some(key), Some(order)) = (key, order) else {
            return server::answer(StatusCode::BAD_REQUEST, "an Idempotency-Key and an order, please");
        };
        let opened = self.book().open(&key, order.cents, &order.card);
        let payment = match opened {
            Opened::New(payment) => payment,
            Opened::Full => return server::answer(StatusCode::SERVICE_UNAVAILABLE, "the book is full"),
            // The customer has asked before and has not heard the answer: here it is again.
            Opened::Known(known) => return told(Some(&known), |payment| status_of(payment.status)),
        };
        let (decision, source) = self.authorise(&payment).await;
        let payment = self.book().change(&payment.id, |payment| {
            payment.source = source.into();
            (payment.status, payment.provider, payment.authorisation) = match decision {
                Decision::Authorised { provider, authorisation } => {
                    (Status::Authorised, Some(provider.into()), Some(authorisation))
                }
                Decision::Declined { provider } => (Status::Declined, Some(provider.into()), None),
                Decision::Nobody => (Status::WillBeProcessed, None, None),
            };
        });
        told(payment.as_ref(), |payment| status_of(payment.status))
    }

    /// The list is the order: the first provider, the second, and then an answer that declares what is left to do.
    async fn authorise(&self, payment: &Payment) -> (Decision, &'static str) {
        let [first, second] = &self.accounts;
        let list = Fallbacks::new()
            .alternative(&second.authorise, || self.hold(second, payment))
            .or_default(|_cause| Decision::Nobody);
        match first.authorise.run_chain(|| self.hold(first, payment), list).await {
            Ok(Answer { value, source: Source::Live }) => (value, "live"),
            Ok(Answer { value, source: Source::Alternative }) => (value, "alternative"),
            Ok(Answer { value, .. }) => (value, "deferred"),
            // The list ends with something that always answers.
            Err(_) => (Decision::Nobody, "deferred"),
        }
    }

    async fn hold(&self, account: &Account, payment: &Payment) -> Result<Decision, ProviderError> {
        self.book().change(&payment.id, |payment| payment.asked.push(account.name.into()));
        let asked = Asked { of: payment.card.clone(), cents: payment.cents };
        let answer = self.ask(account, Operation::Authorise, &payment.id, &asked).await?;
        let provider = account.name;
        if answer.status() == StatusCode::PAYMENT_REQUIRED {
            return Ok(Decision::Declined { provider });
        }
        let authorisation = serde_json::from_slice::<Done>(answer.body())?.reference;
        Ok(Decision::Authorised { provider, authorisation })
    }

    /// Only the provider that holds the amount can take it.
    async fn capture(&self, id: &str) -> Response<Full<Bytes>> {
        let Some(payment) = self.book().change(id, |_| ()) else { return told(None, |_| StatusCode::OK) };
        let holder = self.accounts.iter().find(|account| Some(account.name) == payment.provider.as_deref());
        let (Some(account), Some(of), Status::Authorised) = (holder, &payment.authorisation, payment.status)
        else {
            let is_done = matches!(payment.status, Status::Captured | Status::WillBeProcessed);
            let answer =
                |payment: &Payment| if is_done { status_of(payment.status) } else { StatusCode::CONFLICT };
            return told(Some(&payment), answer);
        };
        let asked = Asked { of: of.clone(), cents: payment.cents };
        let taken = account.capture.run(|| self.ask(account, Operation::Capture, id, &asked)).await;
        let payment = self.book().change(id, |payment| {
            (payment.status, payment.source) = match taken {
                Ok(_) => (Status::Captured, "live".into()),
                Err(_) => (Status::WillBeProcessed, "deferred".into()),
            };
        });
        told(payment.as_ref(), |payment| status_of(payment.status))
    }

    /// Asks a provider. However often that happens, the key is the same.
    async fn ask(
        &self,
        account: &Account,
        operation: Operation,
        id: &str,
        asked: &Asked,
    ) -> Result<Response<Bytes>, ProviderError> {
        let operation = operation.name();
        let request = Request::post(url(account.address, &format!("/{operation}"))?)
            .header(IDEMPOTENCY_KEY, format!("{id}/{operation}"))
            .body(Full::from(serde_json::to_vec(asked)?))?;
        Ok(self.client.send(request).await?)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status_of(status: Status) -> StatusCode {
    match status {
        Status::Authorised => StatusCode::CREATED,
        Status::Captured => StatusCode::OK,
        Status::Declined => StatusCode::PAYMENT_REQUIRED,
        Status::Authorising | Status::WillBeProcessed => StatusCode::ACCEPTED,
    }
}

/// A payment as an answer; what is accepted for later says where to ask how far it is.
fn told(payment: Option<&Payment>, status: impl FnOnce(&Payment) -> StatusCode) -> Response<Full<Bytes>> {
    let Some(payment) = payment else { return server::answer(StatusCode::NOT_FOUND, "no such payment") };
    match serde_json::to_vec(payment) {
        Ok(body) => {
            let mut response = server::answer(status(payment), body);
            if response.status() == StatusCode::ACCEPTED
                && let Ok(place) = format!("/payments/{}", payment.id).parse()
            {
                response.headers_mut().insert(LOCATION, place);
            }
            response
        }
        Err(error) => server::answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
