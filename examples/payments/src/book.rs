//! The payments that the service knows of, in memory.

use crate::calls::Decision;
use crate::desk::Order;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The most payments that are remembered; a shop that outlives this example keeps them in a database.
const MOST: usize = 10_000;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) cents: u64,
    /// Nobody's business but the provider's.
    #[serde(skip)]
    pub(crate) card: String,
    pub(crate) status: Status,
    /// Where that came from: `live`, `alternative` or `deferred`.
    pub(crate) source: String,
    /// The item of the queue that was kept of it last.
    pub(crate) item: Option<u64>,
    /// The customer is known: the order goes out before the money is there.
    pub(crate) trusted: bool,
    /// The order has gone out.
    pub(crate) fulfilled: bool,
    /// The provider that holds the amount.
    pub(crate) provider: Option<String>,
    /// What that provider calls it.
    pub(crate) authorisation: Option<String>,
    /// Providers that were asked to hold the amount. Written before they are asked, since one that never answers may
    /// have done it.
    pub(crate) asked: Vec<String>,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Authorising,
    Authorised,
    Declined,
    Captured,
    /// Nobody could be reached, or has said that it is done. It is kept in the queue, which asks and tries again.
    WillBeProcessed,
    /// It was not authorised in time, and nothing is held.
    Expired,
    /// It was not authorised as far as could be found out, and what a provider held all the same was let go.
    Refunded,
    /// Neither made nor kept for later.
    NotTaken,
}

/// What came of opening a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    New(Payment),
    /// The key has been used before.
    Known(Payment),
    /// The book is.
    Full,
}

impl Payment {
    /// A provider has decided.
    pub(crate) fn came_to(&mut self, decision: Decision, source: &str) {
        self.source = source.into();
        match decision {
            Decision::Authorised { provider, authorisation } => {
                self.status = Status::Authorised;
                (self.provider, self.authorisation) = (Some(provider), Some(authorisation));
            }
            Decision::Declined { provider } => {
                (self.status, self.provider) = (Status::Declined, Some(provider));
            }
            Decision::Captured { .. } => (self.status, self.fulfilled) = (Status::Captured, true),
        }
    }
}

impl Status {
    /// Its name, as customers read it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Status::Authorising => "authorising",
            Status::Authorised => "authorised",
            Status::Declined => "declined",
            Status::Captured => "captured",
            Status::WillBeProcessed => "will be processed",
            Status::Expired => "expired",
            Status::Refunded => "refunded",
            Status::NotTaken => "not taken",
        }
    }
}

/// All payments.
#[derive(Debug, Default)]
pub(crate) struct Book {
    payments: HashMap<String, Payment>,
    /// By the customer's own idempotency key.
    keys: HashMap<String, String>,
}

impl Book {
    /// Opens a payment under the customer's `key`, or finds the one that is there already.
    pub(crate) fn open(&mut self, key: &str, order: &Order) -> Opened {
        if let Some(known) = self.keys.get(key).and_then(|id| self.payments.get(id)) {
            return Opened::Known(known.clone());
        }
        if self.payments.len() >= MOST {
            return Opened::Full;
        }
        let payment = Payment {
            id: format!("p{}", self.payments.len() + 1),
            cents: order.cents,
            card: order.card.clone(),
            status: Status::Authorising,
            source: "live".into(),
            item: None,
            trusted: order.trusted,
            fulfilled: false,
            provider: None,
            authorisation: None,
            asked: Vec::new(),
        };
        self.keys.insert(key.into(), payment.id.clone());
        self.payments.insert(payment.id.clone(), payment.clone());
        Opened::New(payment)
    }

    /// Changes a payment, if there is one with this id, and answers what it is then.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Payment)) -> Option<Payment> {
        let payment = self.payments.get_mut(id)?;
        change(payment);
        Some(payment.clone())
    }

    /// All of them, as they are, the first ones first.
    pub(crate) fn payments(&self) -> Vec<Payment> {
        let mut payments: Vec<_> = self.payments.values().cloned().collect();
        payments.sort_by_key(|payment| (payment.id.len(), payment.id.clone()));
        payments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order { cents: 100, card: "4242".into(), trusted: false }
    }

    #[test]
    fn the_same_key_is_the_same_payment() {
        let mut book = Book::default();
        let Opened::New(first) = book.open("order-1", &order()) else { panic!("new") };
        assert_eq!(book.open("order-1", &order()), Opened::Known(first.clone()));
        let Opened::New(second) = book.open("order-2", &order()) else { panic!("new") };
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn a_payment_is_what_a_provider_decided() {
        let mut book = Book::default();
        let Opened::New(payment) = book.open("order-1", &order()) else { panic!("new") };
        let south = || "south".to_owned();
        let authorised = Decision::Authorised { provider: south(), authorisation: "south-1".into() };
        let payment = book.change(&payment.id, |payment| payment.came_to(authorised, "alternative"));
        let payment = payment.expect("known");
        assert_eq!((payment.status, payment.provider), (Status::Authorised, Some(south())));
        let captured = Decision::Captured { provider: south() };
        let payment = book.change(&payment.id, |payment| payment.came_to(captured, "deferred"));
        assert!(payment.is_some_and(|payment| payment.fulfilled && payment.status == Status::Captured));
        assert!(book.change("p99", |_| ()).is_none());
    }
}
