//! Where calls are deferred to.

use fusebox_queue::record::State;
use fusebox_queue::{Enqueued, ItemId, Metered, Missing, Needs, NewItem, QueueStore};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Timeout, timeout};

/// How long a caller waits for the store, when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(2);

/// A call on its way into the store.
pub(crate) type Keeping = Pin<Box<dyn Future<Output = Option<Deferred>> + Send>>;

/// Where calls are deferred to. A cheap handle.
#[derive(Clone, Debug)]
pub struct Deferrer {
    store: Metered,
    patience: Duration,
}

/// A call that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// Its number in the store.
    pub id: ItemId,
    /// Where it stands: waiting, unless a call with its key was kept before.
    pub state: State,
    /// Whether it was kept just now.
    pub is_new: bool,
}

impl Deferrer {
    /// Defers to `store`, which has to be all that is needed of it.
    ///
    /// # Errors
    ///
    /// What the store lacks: better now than in the outage.
    pub fn new(store: impl QueueStore + 'static, needs: &Needs) -> Result<Self, Missing> {
        needs.check(&store.capabilities())?;
        Ok(Deferrer { store: Metered::new(Arc::new(store)), patience: PATIENCE })
    }

    /// How long a caller waits until the store has its call. Default: 2 s. A call whose caller went on may be kept all the same.
    #[must_use]
    pub fn patience(self, span: Duration) -> Self {
        Deferrer { patience: span, ..self }
    }

    /// The store, counting.
    pub fn store(&self) -> &Metered {
        &self.store
    }

    /// As [`keep`](Self::keep), for as long as a caller waits.
    pub(crate) fn keeping(&self, item: NewItem) -> Timeout<Keeping> {
        let keeping: Keeping = Box::pin(Deferrer::keep(self.store.clone(), item));
        timeout(self.patience, keeping)
    }

    pub(super) fn waits_for(&self) -> Duration {
        self.patience
    }

    /// Keeps a call; `None` where the store has not.
    pub(super) async fn keep(store: Metered, item: NewItem) -> Option<Deferred> {
        match store.enqueue(vec![item]).await.ok()?.pop()? {
            Enqueued::Stored(id) => Some(Deferred { id, state: State::Ready, is_new: true }),
            Enqueued::Duplicate { id, state } => Some(Deferred { id, state, is_new: false }),
            Enqueued::KeyConflict(_) | Enqueued::Full { .. } => None,
        }
    }
}
