//! Connections to one dependency, for clients that bring no pool of their own.
//!
//! A place is the right to have a connection out. Who comes back leaves the connection behind before the place, and nobody
//! makes one while another rests, so there are never more connections than places. The line is the bulkhead's: async and
//! blocking callers stand in it alike.

mod connection;
mod wait;

pub use connection::Connection;

use crate::clock::Clock;
use crate::error::{InvalidConfig, Rejected};
use fusebox_core::bulkhead::{self, Bulkhead, Place};
use fusebox_core::{Outcome, Reason, Rejection, Time};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A connection pool's configuration, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Connections at once. Default: 10.
    pub max_connections: u64,
    /// The longest a call waits for one; zero refuses at once. Default: 100 ms.
    pub max_wait: Duration,
    /// Calls that wait at once; zero refuses at once. Default: 25.
    pub max_queue: u32,
    /// How long a connection may rest before it is closed. Default: 60 s.
    pub max_idle: Duration,
    /// How old a connection may become; an older one is closed when it comes back. Default: 30 min.
    pub max_lifetime: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        ConnectionConfig {
            max_connections: 10,
            max_wait: Duration::from_millis(100),
            max_queue: 25,
            max_idle: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(30 * 60),
        }
    }
}

/// A bounded pool of connections to one dependency. A cheap handle: clones share the connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fusebox::{ConnectionConfig, ConnectionPool};
/// # struct Client; impl Client {
/// #     async fn connect(_: &str) -> Result<Client, std::io::Error> { Ok(Client) }
/// #     fn is_closed(&self) -> bool { false }
/// #     async fn count(&mut self) -> Result<u64, std::io::Error> { Ok(3) }
/// # }
///
/// let config = ConnectionConfig { max_connections: 4, ..ConnectionConfig::default() };
/// let ledger = ConnectionPool::new("ledger", config)?.checked(|client: &mut Client| !client.is_closed());
/// let mut client = ledger.get(|| Client::connect("127.0.0.1:5432")).await?;
/// let count = client.count().await;
/// if count.is_err() {
///     // Nobody is to have it after this.
///     client.discard();
/// }
/// # assert_eq!(count?, 3);
/// # Ok(())
/// # }
/// ```
///
/// Inside a [`Fuse`](crate::Fuse), classify with [`Nested`](crate::Nested): that no connection came free says nothing of the
/// dependency.
pub struct ConnectionPool<C>(Arc<Shared<C>>);

type Check<C> = Box<dyn Fn(&mut C) -> bool + Send + Sync>;

struct Shared<C> {
    name: Arc<str>,
    places: Arc<Bulkhead>,
    resting: Mutex<VecDeque<Rested<C>>>,
    /// Says whether a connection that rested is still good.
    check: Option<Check<C>>,
    check_panics: AtomicU64,
    max_idle: Duration,
    max_lifetime: Duration,
    clock: Clock,
}

/// A connection at rest.
struct Rested<C> {
    connection: C,
    made: Time,
    since: Time,
}

/// A place that comes back when it is dropped.
struct Seat<C>(Arc<Shared<C>>, Place);

impl<C> Drop for Seat<C> {
    fn drop(&mut self) {
        self.0.places.leave(self.1, Outcome::Ignored, self.0.clock.now());
    }
}

impl<C> Clone for ConnectionPool<C> {
    fn clone(&self) -> Self {
        ConnectionPool(self.0.clone())
    }
}

impl<C> fmt::Debug for ConnectionPool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPool").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl<C> ConnectionPool<C> {
    /// An empty pool; connections are made when they are asked for.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    pub fn new(name: impl Into<Arc<str>>, config: ConnectionConfig) -> Result<Self, InvalidConfig> {
        ConnectionPool::with_clock(name, config, Clock::default())
    }

    /// As [`new`](Self::new), with the time from `clock`. In tests with paused time, [`Clock::tokio`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_clock(
        name: impl Into<Arc<str>>,
        config: ConnectionConfig,
        clock: Clock,
    ) -> Result<Self, InvalidConfig> {
        let ConnectionConfig { max_connections, max_wait, max_queue, max_idle, max_lifetime } = config;
        let places =
            bulkhead::Config { max_concurrent: max_connections, max_wait, max_queue, ..Default::default() };
        let settings = places.check().map_err(|mut wrong| {
            for error in wrong.iter_mut().filter(|error| error.field == "max_concurrent") {
                error.field = "max_connections";
            }
            InvalidConfig(wrong)
        })?;
        Ok(ConnectionPool(Arc::new(Shared {
            name: name.into(),
            places: Arc::new(Bulkhead::new(settings)),
            resting: Mutex::default(),
            check: None,
            check_panics: AtomicU64::new(0),
            max_idle,
            max_lifetime,
            clock,
        })))
    }

    /// Asks `check` of each connection that has rested, before it goes out again; one that is not good is closed. When it
    /// panics, that is counted and the connection closed.
    ///
    /// Set it before the pool is shared: on a pool with other handles it changes nothing.
    #[must_use]
    pub fn checked(mut self, check: impl Fn(&mut C) -> bool + Send + Sync + 'static) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.0) {
            shared.check = Some(Box::new(check));
        }
        self
    }

    /// The connections as places: how many are out, who waits, who was refused, and whether their number is
    /// [right](bulkhead::Advice).
    pub fn places(&self) -> &Arc<Bulkhead> {
        &self.0.places
    }

    /// Connections at rest.
    pub fn idle(&self) -> usize {
        self.0.resting().len()
    }

    /// Checks that panicked.
    pub fn check_panics(&self) -> u64 {
        self.0.check_panics.load(Relaxed)
    }

    /// Closes connections that have rested too long. Every call does the same; this is for pools without calls.
    pub fn sweep(&self) {
        drop(self.0.worn_out());
    }
}

impl<C> Shared<C> {
    fn resting(&self) -> std::sync::MutexGuard<'_, VecDeque<Rested<C>>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_worn(&self, rested: &Rested<C>, now: Time) -> bool {
        now.since(rested.since) >= self.max_idle || now.since(rested.made) >= self.max_lifetime
    }

    /// Those that have rested too long, to be closed outside the lock.
    fn worn_out(&self) -> Vec<Rested<C>> {
        let (now, mut resting) = (self.clock.now(), self.resting());
        // The oldest are in front.
        let worn = resting.iter().take_while(|rested| self.is_worn(rested, now)).count();
        resting.drain(..worn).collect()
    }

    /// The connection that rested last, if it is still good.
    fn rested(&self) -> Option<(C, Time)> {
        drop(self.worn_out());
        loop {
            let Rested { mut connection, made, .. } = {
                let rested = self.resting().pop_back()?;
                if self.is_worn(&rested, self.clock.now()) {
                    continue;
                }
                rested
            };
            let Some(check) = &self.check else { return Some((connection, made)) };
            match catch_unwind(AssertUnwindSafe(|| check(&mut connection))) {
                Ok(true) => return Some((connection, made)),
                Ok(false) => {}
                Err(_) => {
                    self.check_panics.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn rejected(&self, refusal: Rejection) -> Rejected {
        Rejected {
            circuit: self.name.clone(),
            reason: Reason::ConnectionsFull,
            retry_after: None,
            retry_at: refusal.retry_at,
            trip: None,
        }
    }
}
