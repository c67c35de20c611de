//! A dependency that does what it is told.

use crate::clock::ManualClock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A dependency that answers attempt after attempt as its script says, and counts what happened to each. Clones share the
/// script and the counts.
#[derive(Debug)]
pub struct Script<T, E>(Arc<Shared<T, E>>);

#[derive(Debug)]
struct Shared<T, E> {
    replies: Mutex<Replies<T, E>>,
    attempts: AtomicU64,
    executions: AtomicU64,
    cancelled: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

#[derive(Debug)]
struct Replies<T, E> {
    script: Vec<Reply<T, E>>,
    next: usize,
}

#[derive(Clone, Debug)]
struct Reply<T, E> {
    after: Duration,
    /// `None` never comes.
    result: Option<Result<T, E>>,
}

impl<T, E> Clone for Script<T, E> {
    fn clone(&self) -> Self {
        Script(self.0.clone())
    }
}

impl<T, E> Default for Script<T, E> {
    fn default() -> Self {
        Script::new()
    }
}

impl<T, E> Script<T, E> {
    /// A script with nothing in it yet.
    pub fn new() -> Self {
        Script(Arc::new(Shared {
            replies: Mutex::new(Replies { script: Vec::new(), next: 0 }),
            attempts: AtomicU64::new(0),
            executions: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
        }))
    }

    /// The next attempt ends with `result` after this long. The last reply of the script is given again and again.
    #[must_use]
    pub fn answers(self, after: Duration, result: Result<T, E>) -> Self {
        self.push(Reply { after, result: Some(result) })
    }

    /// The next attempt never ends.
    #[must_use]
    pub fn hangs(self) -> Self {
        self.push(Reply { after: Duration::MAX, result: None })
    }

    fn push(self, reply: Reply<T, E>) -> Self {
        self.0.replies.lock().unwrap_or_else(PoisonError::into_inner).script.push(reply);
        self
    }

    /// Attempts begun.
    pub fn attempts(&self) -> u64 {
        self.0.attempts.load(Relaxed)
    }

    /// Attempts that came to their end.
    pub fn executions(&self) -> u64 {
        self.0.executions.load(Relaxed)
    }

    /// Attempts that were dropped before their end.
    pub fn cancelled(&self) -> u64 {
        self.0.cancelled.load(Relaxed)
    }

    /// The most attempts that were in flight at once.
    pub fn most_in_flight(&self) -> u64 {
        self.0.most_in_flight.load(Relaxed)
    }
}

impl<T: Clone, E: Clone> Script<T, E> {
    /// An attempt, in tokio's time.
    ///
    /// # Panics
    ///
    /// When the script is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping it counts the attempt as cancelled.
    #[cfg(feature = "tokio")]
    pub async fn call(&self) -> Result<T, E> {
        let reply = self.begin();
        let flight = Flight { shared: &self.0, landed: false };
        let clock = crate::clock::Clock::tokio();
        let at = clock.now() + reply.after;
        match (reply.result, crate::driver::timer(&clock, at)) {
            (Some(result), Some(timer)) => {
                timer.await;
                flight.land();
                result
            }
            _ => std::future::pending().await,
        }
    }

    /// An attempt on the calling thread, which takes its time off `clock` and does not sleep.
    ///
    /// # Panics
    ///
    /// When the script is empty, or says that this attempt hangs: nothing could end it.
    pub fn call_at(&self, clock: &ManualClock) -> Result<T, E> {
        let reply = self.begin();
        let flight = Flight { shared: &self.0, landed: false };
        let Some(result) = reply.result else { panic!("a blocking attempt that hangs never ends") };
        clock.advance(reply.after);
        flight.land();
        result
    }

    fn begin(&self) -> Reply<T, E> {
        let reply = {
            let mut replies = self.0.replies.lock().unwrap_or_else(PoisonError::into_inner);
            let at = replies.next.min(replies.script.len().saturating_sub(1));
            replies.next += 1;
            replies.script.get(at).cloned()
        };
        let Some(reply) = reply else { panic!("the script says nothing") };
        self.0.attempts.fetch_add(1, Relaxed);
        let in_flight = self.0.in_flight.fetch_add(1, Relaxed) + 1;
        self.0.most_in_flight.fetch_max(in_flight, Relaxed);
        reply
    }
}

/// An attempt under way.
struct Flight<'a, T, E> {
    shared: &'a Shared<T, E>,
    landed: bool,
}

impl<T, E> Flight<'_, T, E> {
    fn land(mut self) {
        self.landed = true;
    }
}

impl<T, E> Drop for Flight<'_, T, E> {
    fn drop(&mut self) {
        let count = if self.landed { &self.shared.executions } else { &self.shared.cancelled };
        count.fetch_add(1, Relaxed);
        self.shared.in_flight.fetch_sub(1, Relaxed);
    }
}
