//! The payments service: what customers call.
//!
//! ```text
//! POST /payments              201 authorised, 402 declined, 202 will be processed, 503 neither made nor kept
//! POST /payments/{id}/capture 200 captured, 409 nothing to capture, 202 will be processed, 503
//! GET  /payments/{id}         200 how far it is, 404
//! GET  /                      200 all payments, for people
//! ```

use crate::book::{Book, Opened, Payment, Status};
use crate::calls::{Decision, Parcel};
use crate::later;
use crate::page::{Shown, page};
use crate::policies::{Account, ProviderError};
use crate::provider::{IDEMPOTENCY_KEY, Operation};
use bytes::Bytes;
use example_stage::server;
use fusebox::outcome::Source;
use fusebox::queue::sqlite::{Options, Sqlite};
use fusebox::queue::{Deferrer, ItemId, Metered, Needs, QueueStore, StoreClock, StoreError, Timestamp, View};
use fusebox::{Answer, Error, Fallbacks};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::LOCATION;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The largest request.
const MOST: usize = 4096;

/// What a customer asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) cents: u64,
    pub(crate) card: String,
    /// It goes out before the money is there.
    #[serde(default)]
    pub(crate) trusted: bool,
}

/// The service: two providers, in the order in which they are asked, a queue for what has to wait, and a book.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) accounts: [Account; 2],
    deferrer: Deferrer,
    clock: StoreClock,
    book: Mutex<Book>,
}

/// Why there is no desk. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("defer payments: {0}")]
    Missing(#[from] fusebox::queue::Missing),
}

/// What came of a call: a decision, or none yet if it is kept for later.
type Called = Result<Answer<Option<Decision>>, Error<ProviderError>>;

impl Desk {
    /// A desk whose book is empty, and whose queue is this file.
    pub(crate) fn open(accounts: [Account; 2], queue: &Path) -> Result<Arc<Desk>, OpenError> {
        let clock = StoreClock::real(Timestamp::default());
        let options = Options { clock: Some(clock.clone()), ..Options::default() };
        let deferrer = Deferrer::new(Sqlite::open_with(queue, options)?, &Needs::default())?;
        Ok(Arc::new(Desk { accounts, deferrer, clock, book: Mutex::default() }))
    }

    /// What is kept for later.
    pub(crate) fn store(&self) -> &Metered {
        self.deferrer.store()
    }

    /// The store's clock.
    pub(crate) fn clock(&self) -> &StoreClock {
        &self.clock
    }

    /// All payments.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a customer.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let path: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method(), &path[..]) {
            (&Method::POST, ["payments"]) => self.pay(request).await,
            (&Method::POST, ["payments", id, "capture"]) => self.capture(id).await,
            (&Method::GET, ["payments", id]) => {
                let payment = self.book().change(id, |_| ());
                self.told(payment, |_| StatusCode::OK).await
            }
            (&Method::GET, [""]) => page(&self.book().payments()),
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
        let opened = self.book().open(&key, &order);
        let payment = match opened {
            Opened::New(payment) => payment,
            Opened::Full => return server::answer(StatusCode::SERVICE_UNAVAILABLE, "the book is full"),
            // The customer has asked before and has not heard the answer: here it is again.
            Opened::Known(known) => return self.told(Some(known), |payment| status_of(payment.status)).await,
        };
        let asked = self.authorise(&payment).await;
        let payment = self.came(&payment.id, asked, Status::NotTaken);
        self.told(payment, |payment| status_of(payment.status)).await
    }

    /// The list is the order: the first provider, the second if the first has surely not done it, and then the queue.
    async fn authorise(&self, payment: &Payment) -> Called {
        let [first, second] = &self.accounts;
        let list = Fallbacks::new().alternative(&second.authorise, || self.hold(second, payment)).queue(
            &self.deferrer,
            |_cause| {
                let payment = self.defer(&payment.id)?;
                let parcel = Parcel { unsure: payment.asked.clone(), ..authorisation(&payment) };
                // Whoever may have done it is asked for it; nobody else is.
                let may_have = |account: &&Account| payment.asked.iter().any(|name| name == account.name);
                later::item(&parcel, self.accounts.iter().find(may_have).unwrap_or(first), &payment)
            },
            |_deferred| None,
        );
        first.authorise.run_chain(|| self.hold(first, payment), list).await
    }

    /// Has the amount held, unless another provider may hold it.
    async fn hold(&self, account: &Account, payment: &Payment) -> Result<Option<Decision>, ProviderError> {
        let mut is_unsure = false;
        self.book().change(&payment.id, |payment| {
            is_unsure = payment.asked.iter().any(|asked| asked != account.name);
            if !is_unsure {
                payment.asked.push(account.name.into());
            }
        });
        if is_unsure {
            return Err(ProviderError::Unsure);
        }
        account.make(&authorisation(payment)).await.map(Some)
    }

    /// Only the provider that holds the amount can take it: it does now, or later.
    async fn capture(&self, id: &str) -> Response<Full<Bytes>> {
        let payment = self.book().change(id, |_| ());
        let Some(payment) = payment else { return self.told(None, |_| StatusCode::OK).await };
        let holder = self.accounts.iter().find(|account| Some(account.name) == payment.provider.as_deref());
        let (Some(account), Some(of), Status::Authorised) = (holder, &payment.authorisation, payment.status)
        else {
            let is_done = matches!(payment.status, Status::Captured | Status::WillBeProcessed);
            let answer =
                |payment: &Payment| if is_done { status_of(payment.status) } else { StatusCode::CONFLICT };
            return self.told(Some(payment), answer).await;
        };
        let parcel = Parcel { operation: Operation::Capture, of: of.clone(), ..authorisation(&payment) };
        // That an attempt was begun, and may have done it, is known to the list.
        let list = Fallbacks::new().queue(
            &self.deferrer,
            |_cause| later::item(&parcel, account, &self.defer(id)?),
            |_deferred| None,
        );
        let take = || async { account.make(&parcel).await.map(Some) };
        let asked = account.capture.run_chain(take, list).await;
        // What could not be kept either is still authorised: the shop may ask again.
        let payment = self.came(id, asked, Status::Authorised);
        self.told(payment, |payment| match payment.status {
            Status::Authorised => StatusCode::SERVICE_UNAVAILABLE,
            status => status_of(status),
        })
        .await
    }

    /// Written down before it is kept: it may be made at once, and that must not be written over.
    fn defer(&self, id: &str) -> Option<Payment> {
        self.book().change(id, |payment| {
            (payment.status, payment.source) = (Status::WillBeProcessed, "deferred".into());
        })
    }

    /// Writes down what came of a call; `lost` is what a payment is that was neither made nor kept.
    fn came(&self, id: &str, asked: Called, lost: Status) -> Option<Payment> {
        self.book().change(id, |payment| match asked {
            Ok(Answer { value: Some(decision), source: Source::Live }) => payment.came_to(decision, "live"),
            Ok(Answer { value: Some(decision), .. }) => payment.came_to(decision, "alternative"),
            Ok(Answer { value: None, source: Source::Deferred { id } }) => payment.item = Some(id),
            Ok(_) | Err(_) => payment.status = lost,
        })
    }

    /// A payment as an answer; what is accepted for later says where to ask how far it is.
    async fn told(
        &self,
        payment: Option<Payment>,
        status: impl FnOnce(&Payment) -> StatusCode + Send,
    ) -> Response<Full<Bytes>> {
        let Some(payment) = payment else {
            return server::answer(StatusCode::NOT_FOUND, "no such payment");
        };
        let status = status(&payment);
        let kept = self.kept(&payment).await;
        match serde_json::to_vec(&Shown::of(&payment, kept.as_ref(), self.clock.now())) {
            Ok(body) => {
                let mut response = server::answer(status, body);
                if status == StatusCode::ACCEPTED
                    && let Ok(place) = format!("/payments/{}", payment.id).parse()
                {
                    response.headers_mut().insert(LOCATION, place);
                }
                response
            }
            Err(error) => server::answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// What the queue says of a payment that was deferred.
    async fn kept(&self, payment: &Payment) -> Option<View> {
        let entry = self.store().show(ItemId(payment.item?)).await;
        entry.ok().flatten().map(|entry| entry.view)
    }
}

fn authorisation(payment: &Payment) -> Parcel {
    Parcel {
        operation: Operation::Authorise,
        payment: payment.id.clone(),
        of: payment.card.clone(),
        cents: payment.cents,
        unsure: Vec::new(),
    }
}

fn status_of(status: Status) -> StatusCode {
    match status {
        Status::Authorised => StatusCode::CREATED,
        Status::Captured => StatusCode::OK,
        Status::Declined => StatusCode::PAYMENT_REQUIRED,
        Status::Authorising | Status::WillBeProcessed => StatusCode::ACCEPTED,
        Status::Expired | Status::Refunded => StatusCode::GONE,
        Status::NotTaken => StatusCode::SERVICE_UNAVAILABLE,
    }
}
