//! The payments that the service knows of, in memory.

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
    /// Where it came from: `live`, `alternative` or `deferred`.
    pub(crate) source: String,
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
    /// Nobody could be reached, or has said that it is done. It is remembered for as long as this program runs; a durable
    /// queue that tries again is not part of it.
    WillBeProcessed,
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
    /// Providers that may hold the amount although another one answered, or none did. Each has to be told to let it go,
    /// as soon as it can be told anything.
    pub(crate) fn to_void(&self) -> impl Iterator<Item = &String> {
        self.asked.iter().filter(|asked| self.provider.as_ref() != Some(asked))
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
    pub(crate) fn open(&mut self, key: &str, cents: u64, card: &str) -> Opened {
        if let Some(known) = self.keys.get(key).and_then(|id| self.payments.get(id)) {
            return Opened::Known(known.clone());
        }
        if self.payments.len() >= MOST {
            return Opened::Full;
        }
        let payment = Payment {
            id: format!("p{}", self.payments.len() + 1),
            cents,
            card: card.into(),
            status: Status::Authorising,
            source: "live".into(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_is_the_same_payment() {
        let mut book = Book::default();
        let Opened::New(first) = book.open("order-1", 100, "4242") else { panic!("new") };
        assert_eq!(book.open("order-1", 100, "4242"), Opened::Known(first.clone()));
        let Opened::New(second) = book.open("order-2", 100, "4242") else { panic!("new") };
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn whoever_was_asked_and_did_not_answer_may_hold_the_amount() {
        let mut book = Book::default();
        let Opened::New(payment) = book.open("order-1", 100, "4242") else { panic!("new") };
        let payment = book.change(&payment.id, |payment| {
            payment.asked = vec!["north".into(), "south".into()];
            payment.provider = Some("south".into());
        });
        assert_eq!(payment.expect("known").to_void().collect::<Vec<_>>(), ["north"]);
        assert!(book.change("p99", |_| ()).is_none());
    }
}
