//! A level as the cache has it: behind its circuit, with its time limit and its writer.

use super::doomed::Doomed;
use super::wall::Wall;
use super::writer::{self, Job};
use super::{LevelError, Place, SecondLevel, runtime};
use crate::circuit::CircuitBreaker;
use crate::error::Error;
use fusebox_core::breaker::{Config, State, WaitInOpen, WaitStrategy};
use fusebox_core::cache::Snapshot;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Looks that may be under way in one level.
const MOST_LOOKS: usize = 1_024;
/// Entries that may wait to be written, and bytes of them.
const MOST_WAITING: usize = 1_024;
const MOST_WAITING_BYTES: u64 = 16 << 20;

type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// A second level of one cache. See [`CacheBuilder::second_level`](crate::cache::CacheBuilder::second_level).
///
/// Looks and writes are made on a thread of its own that all levels of the process share.
pub struct Level {
    pub(super) shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
    runtime: Handle,
}

/// What looks and the writer have in common.
pub(super) struct Shared {
    pub(super) store: Box<dyn SecondLevel>,
    pub(super) doomed: Doomed,
    pub(super) tally: Tally,
    pub(super) wall: Wall,
    pub(super) max_entry_bytes: usize,
    /// What waits to be written.
    pub(super) waiting: AtomicUsize,
    pub(super) waiting_bytes: AtomicU64,
    looking: AtomicUsize,
    circuit: CircuitBreaker,
    timeout: Duration,
    warn: Option<Warn>,
    /// What was warned of last.
    trouble: Mutex<Option<LevelError>>,
}

/// What a level counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl Tally {
    pub(super) fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.l2_hits += self.hits.load(Relaxed);
        snapshot.l2_misses += self.misses.load(Relaxed);
        snapshot.l2_errors += self.errors.load(Relaxed);
        snapshot.l2_dropped += self.dropped.load(Relaxed);
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level").field("circuit", self.shared.circuit.name()).finish_non_exhaustive()
    }
}

impl Level {
    /// A level that keeps its entries in `store`.
    pub fn builder(store: impl SecondLevel) -> LevelBuilder {
        LevelBuilder {
            store: Box::new(store),
            circuit: None,
            timeout: Duration::from_millis(30),
            max_entry_bytes: 1 << 20,
            warn: None,
            wall: Wall::default(),
        }
    }

    /// The settings of the circuit before a level, unless it is given one: five failures in a row, or half of 20, open it,
    /// for a second at first and half a minute at most.
    pub fn breaker() -> Config {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let strategy = WaitStrategy::Exponential { base, multiplier: 2.0, max };
        Config {
            consecutive_failures: Some(5),
            minimum_calls: 20,
            // Its time limit makes a failure of what is slow.
            slow_call_rate: None,
            hung_calls: false,
            wait_in_open: WaitInOpen { strategy, ..WaitInOpen::default() },
            ..Config::default()
        }
    }

    /// The circuit before it.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.shared.circuit
    }

    /// Asks for the entry; `None` when there is no use in asking, which costs nothing.
    pub(super) fn ask(&self, place: Place) -> Option<JoinHandle<Option<Vec<u8>>>> {
        let Some(turn) = self.shared.turn(&place) else {
            self.shared.tally.misses.fetch_add(1, Relaxed);
            return None;
        };
        let shared = self.shared.clone();
        let most = shared.max_entry_bytes;
        Some(self.runtime.spawn(async move {
            let _turn = turn;
            let found = shared.guarded(shared.store.get(&place, most)).await;
            if matches!(found, Ok(None) | Err(Refused::Circuit)) {
                shared.tally.misses.fetch_add(1, Relaxed);
            }
            found.ok().flatten()
        }))
    }

    /// Whether an entry of about so many bytes would be written now; counted if it would not.
    pub(super) fn takes(&self, bytes: u64) -> bool {
        let shared = &*self.shared;
        let waiting = shared.waiting.load(Relaxed) < MOST_WAITING
            && shared.waiting_bytes.load(Relaxed).saturating_add(bytes) <= MOST_WAITING_BYTES;
        let takes = waiting && !shared.is_out();
        if !takes {
            shared.tally.dropped.fetch_add(1, Relaxed);
        }
        takes
    }

    /// Writes what `make` makes, in the background.
    pub(super) fn put(&self, bytes: u64, make: writer::Make) {
        self.shared.waiting.fetch_add(1, Relaxed);
        self.shared.waiting_bytes.fetch_add(bytes, Relaxed);
        // Without a writer there is nobody to write.
        let _ = self.jobs.send(Job::Put { make, bytes });
    }

    /// Forgets it: not a hit any more from now on, and gone from the store as soon as it can be.
    pub(super) fn forget(&self, place: Place) {
        if self.shared.doomed.add(&place, self.shared.wall.now()) {
            let _ = self.jobs.send(Job::Forget(place));
        }
    }

    /// Waits until everything so far is written, or was tried, and no longer than that.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        if self.jobs.send(Job::Flush(done)).is_ok() {
            let _ = written.recv_timeout(patience);
        }
    }
}

/// Why nothing came of a call to the store.
pub(super) enum Refused {
    /// The circuit let nobody through.
    Circuit,
    /// It failed.
    Failed,
}

/// A place among the looks under way.
struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.looking.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    fn turn(self: &Arc<Self>, place: &Place) -> Option<Turn> {
        if self.is_out() || self.doomed.holds(place) {
            return None;
        }
        let turn = Turn(self.clone());
        (self.looking.fetch_add(1, Relaxed) < MOST_LOOKS).then_some(turn)
    }

    fn is_out(&self) -> bool {
        self.circuit.state() == State::Open
    }

    /// Does `work` if the circuit lets it, within the time it has.
    pub(super) async fn guarded<T>(
        &self,
        work: impl Future<Output = Result<T, LevelError>>,
    ) -> Result<T, Refused> {
        let late = LevelError::TimedOut(self.timeout);
        let work = async {
            match tokio::time::timeout(self.timeout, work).await.unwrap_or(Err(late)) {
                Err(refused @ LevelError::Refused(_)) => Ok(Err(refused)),
                done => done.map(Ok),
            }
        };
        match self.circuit.run(work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) | Err(Error::Failed(error)) => {
                self.failed(error);
                Err(Refused::Failed)
            }
            Err(_) => Err(Refused::Circuit),
        }
    }

    /// Counts it, and says it once.
    pub(super) fn failed(&self, error: LevelError) {
        self.tally.errors.fetch_add(1, Relaxed);
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(&error) {
            return;
        }
        let line = format!("{}: failed to {error}; goes on without it", self.circuit.name());
        *known = Some(error);
        drop(known);
        if let Some(warn) = &self.warn {
            warn(&line);
        }
    }
}

/// Makes a [`Level`].
pub struct LevelBuilder {
    store: Box<dyn SecondLevel>,
    circuit: Option<CircuitBreaker>,
    timeout: Duration,
    max_entry_bytes: usize,
    warn: Option<Warn>,
    wall: Wall,
}

impl fmt::Debug for LevelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl LevelBuilder {
    /// The circuit before it. Default: one named `cache-level` with the settings of [`Level::breaker`].
    pub fn circuit(self, circuit: CircuitBreaker) -> Self {
        LevelBuilder { circuit: Some(circuit), ..self }
    }

    /// How long a look waits for it. Default: 30 ms.
    pub fn timeout(self, timeout: Duration) -> Self {
        LevelBuilder { timeout, ..self }
    }

    /// What is longer is not written, and not read. Default: 1 MiB.
    pub fn max_entry_bytes(self, bytes: usize) -> Self {
        LevelBuilder { max_entry_bytes: bytes, ..self }
    }

    /// Hears why it is of no use, once for each reason. Must not block.
    pub fn on_trouble(self, warn: impl Fn(&str) + Send + Sync + 'static) -> Self {
        LevelBuilder { warn: Some(Arc::new(warn)), ..self }
    }

    /// Where the time of day comes from, by which the ages of entries travel. Default: the system.
    pub fn time_of_day(self, read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        LevelBuilder { wall: Wall::of(read), ..self }
    }

    /// Starts it. The store is tried at once, so that what is wrong with it is said now.
    ///
    /// # Errors
    ///
    /// Where the system has no thread to give, or `circuit` cannot be made.
    pub fn start(self) -> io::Result<Level> {
        let own = || CircuitBreaker::builder("cache-level").config(Level::breaker()).build();
        let circuit = self.circuit.map_or_else(own, Ok).map_err(io::Error::other)?;
        let runtime = runtime::handle()?;
        let (jobs, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            store: self.store,
            doomed: Doomed::default(),
            tally: Tally::default(),
            wall: self.wall,
            max_entry_bytes: self.max_entry_bytes,
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicU64::new(0),
            looking: AtomicUsize::new(0),
            circuit,
            timeout: self.timeout,
            warn: self.warn,
            trouble: Mutex::new(None),
        });
        runtime.spawn(writer::run(shared.clone(), waiting));
        Ok(Level { shared, jobs, runtime })
    }
}
