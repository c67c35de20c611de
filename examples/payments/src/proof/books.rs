//! The shop's books: what it has told its customers, and what became of what it deferred.

use fusebox::queue::notice::NOTICES;
use fusebox::queue::record::State;
use fusebox::queue::{Deferrer, Filter, ItemId, LeaseRequest, Notice, QueueStore, StoreError};
use std::collections::HashMap;
use std::time::Duration;

/// What a customer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This provider has charged.
    Charged(&'static str),
    /// It will be.
    Deferred(ItemId),
    /// It will not be.
    Refused(String),
}

/// A payment, and what its customer was told.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) key: String,
    pub(crate) cents: u64,
    pub(crate) answer: Answer,
}

/// All payments.
#[derive(Debug, Default)]
pub(crate) struct Books {
    payments: Vec<Paid>,
    /// What became of those that were deferred, by key: the state, and what the call came to.
    ended: HashMap<String, (State, Option<Vec<u8>>)>,
}

impl Books {
    pub(crate) fn told(&mut self, paid: Paid) {
        self.payments.push(paid);
    }

    /// Writes down what became of all that was deferred.
    pub(crate) async fn close(&mut self, deferrer: &Deferrer) -> Result<(), StoreError> {
        let filter = Filter { queue: Some("payments".into()), ..Filter::default() };
        for view in deferrer.store().list(filter, usize::MAX >> 1).await? {
            self.ended.insert(view.key, (view.record.state, view.record.result));
        }
        Ok(())
    }

    /// Reads the notices to customers: how many were told that their payment was not made.
    pub(crate) async fn notices(&self, deferrer: &Deferrer) -> Result<usize, StoreError> {
        let request = LeaseRequest::of(NOTICES, 1_000_000, Duration::from_secs(60));
        let leased = deferrer.store().lease(request).await?;
        let read = |payload: &[u8]| serde_json::from_slice::<Notice>(payload).ok();
        let told = leased.iter().filter_map(|leased| read(&leased.payload));
        Ok(told.filter(|notice| notice.contact == format!("customer of {}", notice.key)).count())
    }

    /// Each payment that has ended, and whether it was charged by all that the shop knows.
    pub(crate) fn settled(&self) -> Vec<(String, bool)> {
        let settled = self.payments.iter().filter_map(|paid| {
            let charged = match &paid.answer {
                Answer::Charged(_) => true,
                Answer::Refused(_) => false,
                Answer::Deferred(_) => match self.ended.get(&paid.key)?.0 {
                    State::Done => true,
                    State::Dead(_) | State::Expired | State::Cancelled => false,
                    State::Ready | State::Leased => return None,
                },
            };
            Some((paid.key.clone(), charged))
        });
        settled.collect()
    }

    /// What the shop believes to have been paid, in cents.
    pub(crate) fn owed(&self) -> u64 {
        let settled: HashMap<_, _> = self.settled().into_iter().collect();
        let charged = self.payments.iter().filter(|paid| settled.get(&paid.key) == Some(&true));
        charged.map(|paid| paid.cents).sum()
    }

    pub(crate) fn live(&self, name: &'static str) -> usize {
        self.payments.iter().filter(|paid| paid.answer == Answer::Charged(name)).count()
    }

    pub(crate) fn deferred(&self) -> usize {
        self.payments.iter().filter(|paid| matches!(paid.answer, Answer::Deferred(_))).count()
    }

    pub(crate) fn replayed(&self) -> usize {
        self.with_result(b"charged")
    }

    pub(crate) fn found(&self) -> usize {
        self.with_result(b"found")
    }

    pub(crate) fn ended(&self, state: &str) -> usize {
        self.ended.values().filter(|(ended, _)| ended.as_str() == state).count()
    }

    fn with_result(&self, expected: &[u8]) -> usize {
        self.ended.values().filter(|(_, result)| result.as_deref() == Some(expected)).count()
    }
}
