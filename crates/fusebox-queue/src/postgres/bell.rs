//! Being told that a queue has got something.

use super::Inner;
use super::desk::Done;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::fmt;
use std::future::pending;
use std::time::Duration;

/// Rings when something is enqueued in a queue. See [`Postgres::bell`](super::Postgres::bell).
pub struct Bell {
    listener: PgListener,
    queue: String,
}

impl Bell {
    pub(super) async fn hang(store: &Inner, queue: &str) -> Done<Self> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(store.patience);
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(store.address.clone())).await?;
        listener.listen(&store.house.schema.channel()).await?;
        Ok(Bell { listener, queue: queue.into() })
    }

    /// Waits until something has been enqueued since this was last asked, at most for `patience`; whether something has, as far as it
    /// is known. A connection that breaks is made again, and what it would have told meanwhile is not made up for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn rung(&mut self, patience: Duration) -> bool {
        let rung = async {
            loop {
                match self.listener.recv().await {
                    Ok(told) if told.payload() == self.queue => return self.silence(),
                    Ok(_) => {}
                    // Whoever waits looks for itself once its patience is over.
                    Err(_) => pending().await,
                }
            }
        };
        tokio::time::timeout(patience, rung).await.is_ok()
    }

    /// Forgets what has been told already: one look finds all of it.
    fn silence(&mut self) {
        while self.listener.next_buffered().is_some() {}
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("queue", &self.queue).finish_non_exhaustive()
    }
}
