//! A store that counts what is asked of it.

use crate::capabilities::Capabilities;
use crate::item::{Entry, ItemId, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a store was asked through this process, since it began. Items keep no such history, and other processes count for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Items stored.
    pub stored: u64,
    /// Items that were there already.
    pub duplicates: u64,
    /// Items whose key belonged to another call.
    pub conflicts: u64,
    /// Items for which there was no room.
    pub full: u64,
    /// Requests that the store could not carry out.
    pub errors: u64,
    /// Calls leased.
    pub leased: u64,
    /// Calls made.
    pub completed: u64,
    /// Calls that were made though their lease was over.
    pub late: u64,
    /// Calls to be made again that counted as an attempt.
    pub retried: u64,
    /// Calls that did not leave, and cost no attempt.
    pub released: u64,
    /// Calls that nobody makes any more.
    pub died: u64,
    /// Calls that ran out of time.
    pub expired: u64,
    /// Leases that ran out with their worker.
    pub crashed: u64,
}

/// A store, and what was asked of it. A cheap handle: clones count together.
#[derive(Clone)]
pub struct Metered {
    store: Arc<dyn QueueStore>,
    counted: Arc<Mutex<Counted>>,
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("counted", &self.counted()).finish_non_exhaustive()
    }
}

impl Metered {
    /// Counts from nothing.
    pub fn new(store: Arc<dyn QueueStore>) -> Self {
        Metered { store, counted: Arc::default() }
    }

    /// The counters.
    pub fn counted(&self) -> Counted {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store's answer, counted.
    fn counting<'a, T: Send + 'a>(
        &'a self,
        answer: Answer<'a, T>,
        count: impl FnOnce(&mut Counted, &T) + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(value) => count(&mut self.lock(), value),
                Err(_) => self.lock().errors += 1,
            }
            answer
        })
    }
}

impl QueueStore for Metered {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        self.counting(self.store.enqueue(items), |counted, told| {
            for told in told {
                *match told {
                    Enqueued::Stored(_) => &mut counted.stored,
                    Enqueued::Duplicate { .. } => &mut counted.duplicates,
                    Enqueued::KeyConflict(_) => &mut counted.conflicts,
                    Enqueued::Full { .. } => &mut counted.full,
                } += 1;
            }
        })
    }

    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        self.counting(self.store.lease(request), |counted, leased| counted.leased += leased.len() as u64)
    }

    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>> {
        self.counting(self.store.extend(leases, ttl), |_, _| {})
    }

    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        let kinds: Vec<_> = settlements.iter().map(|(_, settlement)| kind(settlement)).collect();
        self.counting(self.store.settle(settlements), move |counted, settled| {
            for (kind, settled) in kinds.into_iter().zip(settled) {
                match settled {
                    Settled::Applied => *kind(counted) += 1,
                    Settled::LateSuccess => counted.late += 1,
                    Settled::AlreadyDone | Settled::Fenced => {}
                }
            }
        })
    }

    fn sweep(&self, limit: usize) -> Answer<'_, Swept> {
        self.counting(self.store.sweep(limit), |counted, swept| {
            counted.died += swept.died;
            counted.expired += swept.expired;
            counted.crashed += swept.crashed;
        })
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        self.counting(self.store.find(queue, key), |_, _| {})
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        self.counting(self.store.show(id), |_, _| {})
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        self.counting(self.store.list(filter, limit), |_, _| {})
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        self.counting(self.store.cancel(id), |_, _| {})
    }

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        self.counting(self.store.operate(order), |_, _| {})
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        self.counting(self.store.audit(limit), |_, _| {})
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        self.counting(self.store.queues(), |_, _| {})
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        self.counting(self.store.stats(queue), |_, _| {})
    }
}

/// Which counter a settlement that was applied goes to.
fn kind(settlement: &Settlement) -> fn(&mut Counted) -> &mut u64 {
    match settlement {
        Settlement::Complete { .. } => |counted| &mut counted.completed,
        Settlement::Retry { counted: true, .. } => |counted| &mut counted.retried,
        Settlement::Retry { counted: false, .. } | Settlement::Release => |counted| &mut counted.released,
        Settlement::Expire => |counted| &mut counted.expired,
        Settlement::Bury { .. } => |counted| &mut counted.died,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Memory};
    use futures_executor::block_on;

    #[test]
    fn every_item_is_counted_once_by_what_became_of_it() {
        let store = Metered::new(Arc::new(Memory::new(Limits { max_items: 2, ..Limits::default() })));
        let put = |key: &str, payload: &str| {
            block_on(store.enqueue(vec![NewItem::new("q", key, payload)])).expect("told");
        };
        put("a", "1");
        put("a", "1");
        put("a", "2");
        put("b", "1");
        put("c", "1");
        assert!(block_on(store.enqueue(vec![NewItem::new("", "", "")])).is_err());
        let leased = block_on(store.lease(LeaseRequest::of("q", 9, Duration::from_secs(9)))).expect("told");
        let done = |at: usize| (leased[at].token, Settlement::Complete { result: vec![] });
        block_on(store.settle(vec![done(0), done(0), (leased[1].token, Settlement::Release)])).expect("told");
        let expected = Counted {
            stored: 2,
            duplicates: 1,
            conflicts: 1,
            full: 1,
            errors: 1,
            leased: 2,
            completed: 1,
            released: 1,
            ..Counted::default()
        };
        assert_eq!(store.counted(), expected);
    }
}
