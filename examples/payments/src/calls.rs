//! What is asked of a provider, and what its answers mean. However often something is asked, its key is the same.

use crate::policies::{Account, ProviderError};
use crate::provider::{Asked, Done, IDEMPOTENCY_KEY, Operation};
use bytes::Bytes;
use example_stage::client::url;
use fusebox::Error;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

/// A call: what is asked of a provider now, or kept in the queue to be asked later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) operation: Operation,
    /// The payment's number.
    pub(crate) payment: String,
    /// The card, or the authorisation.
    pub(crate) of: String,
    pub(crate) cents: u64,
    /// Providers that may have done it already, and have not said so.
    pub(crate) unsure: Vec<String>,
}

/// What a provider has decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Authorised { provider: String, authorisation: String },
    Declined { provider: String },
    Captured { provider: String },
}

impl Parcel {
    /// Its idempotency key.
    pub(crate) fn key(&self) -> String {
        key(&self.payment, self.operation)
    }
}

/// The key of an operation on a payment.
pub(crate) fn key(payment: &str, operation: Operation) -> String {
    format!("{payment}/{}", operation.name())
}

impl Account {
    /// Has it done.
    pub(crate) async fn make(&self, parcel: &Parcel) -> Result<Decision, ProviderError> {
        let asked = Asked { of: parcel.of.clone(), cents: parcel.cents };
        let answer = self.post(parcel.operation, parcel.key(), &asked).await?;
        self.decision(parcel.operation, &answer)?.ok_or(ProviderError::Status(answer.status()))
    }

    /// Asks what became of it; `None` if nothing has.
    pub(crate) async fn became(&self, parcel: &Parcel) -> Result<Option<Decision>, Error<ProviderError>> {
        let path = format!("/{}/{}", parcel.operation.name(), parcel.key());
        let ask = || async {
            let answer = self.client.get(self.address, &path).await?;
            self.decision(parcel.operation, &answer)
        };
        self.questions.run(ask).await
    }

    /// Has it let go what it holds for a payment; whether it held something.
    pub(crate) async fn let_go(&self, payment: &str, cents: u64) -> Result<bool, Error<ProviderError>> {
        let asked = Asked { of: key(payment, Operation::Authorise), cents };
        let ask = || async {
            let answer = self.post(Operation::Void, key(payment, Operation::Void), &asked).await?;
            match answer.status() {
                StatusCode::OK => Ok(true),
                StatusCode::NOT_FOUND => Ok(false),
                status => Err(ProviderError::Status(status)),
            }
        };
        self.questions.run(ask).await
    }

    async fn post(
        &self,
        operation: Operation,
        key: String,
        asked: &Asked,
    ) -> Result<Response<Bytes>, ProviderError> {
        let request = Request::post(url(self.address, &format!("/{}", operation.name()))?)
            .header(IDEMPOTENCY_KEY, key)
            .body(Full::from(serde_json::to_vec(asked)?))?;
        Ok(self.client.send(request).await?)
    }

    fn decision(
        &self,
        operation: Operation,
        answer: &Response<Bytes>,
    ) -> Result<Option<Decision>, ProviderError> {
        let provider = self.name.to_owned();
        match (answer.status(), operation) {
            (StatusCode::OK, Operation::Authorise) => {
                let authorisation = serde_json::from_slice::<Done>(answer.body())?.reference;
                Ok(Some(Decision::Authorised { provider, authorisation }))
            }
            (StatusCode::OK, _) => Ok(Some(Decision::Captured { provider })),
            (StatusCode::PAYMENT_REQUIRED, _) => Ok(Some(Decision::Declined { provider })),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, _) => Err(ProviderError::Status(status)),
        }
    }
}
