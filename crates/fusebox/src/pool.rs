//! Threads of its own for one dependency's blocking work.
//!
//! What a caller gives up on goes on: nothing can stop a blocking call from outside. So its place in the pool comes free
//! when the work really ends, never when the caller leaves. When every thread hangs, the pool is full, calls are refused
//! at once, and no other dependency notices.

use crate::error::InvalidConfig;
use fusebox_core::bulkhead::{self, Bulkhead};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A thread pool's configuration, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many threads, which is how many calls at once. Default: 10.
    pub threads: u32,
    /// Calls that wait for a thread at once; zero refuses at once. Default: 10.
    pub max_queue: u32,
    /// The longest a call waits for a thread; zero refuses at once. Default: 100 ms.
    pub max_wait: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig { threads: 10, max_queue: 10, max_wait: Duration::from_millis(100) }
    }
}

/// A bounded pool of threads for the blocking work of one dependency. A cheap handle: clones share the threads, which end
/// with the last handle and the last job.
#[derive(Clone, Debug)]
pub struct ThreadPool {
    places: Arc<Bulkhead>,
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why there is no pool. Reads after "failed to".
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// The configuration can never work.
    Invalid(InvalidConfig),
    /// The operating system gives no thread.
    Thread(io::Error),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Invalid(invalid) => invalid.fmt(f),
            PoolError::Thread(error) => write!(f, "start a thread of the pool: {error}"),
        }
    }
}

impl std::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PoolError::Invalid(invalid) => Some(invalid),
            PoolError::Thread(error) => Some(error),
        }
    }
}

impl ThreadPool {
    /// A pool whose threads are named after `dependency`.
    ///
    /// # Errors
    ///
    /// [`PoolError::Invalid`] with every field that can never work, [`PoolError::Thread`] where the operating system gives
    /// fewer threads; those it gave end again.
    pub fn new(dependency: &str, config: PoolConfig) -> Result<Self, PoolError> {
        let PoolConfig { threads, max_queue, max_wait } = config;
        let places = bulkhead::Config {
            max_concurrent: threads.into(),
            max_queue,
            max_wait,
            ..bulkhead::Config::default()
        };
        let settings = places.check().map_err(|mut wrong| {
            for error in wrong.iter_mut().filter(|error| error.field == "max_concurrent") {
                error.field = "threads";
            }
            PoolError::Invalid(InvalidConfig(wrong))
        })?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 1..=threads {
            let queue = queue.clone();
            let thread = std::thread::Builder::new().name(format!("{dependency}-{number}"));
            thread.spawn(move || work(&queue)).map_err(PoolError::Thread)?;
        }
        Ok(ThreadPool { places: Arc::new(Bulkhead::new(settings)), jobs })
    }

    /// Its threads as places: how many are taken, who waits, who was refused.
    pub fn places(&self) -> &Arc<Bulkhead> {
        &self.places
    }

    /// Hands a job to a thread. Whoever has a place has a thread.
    pub(crate) fn start(&self, job: impl FnOnce() + Send + 'static) {
        // The threads listen for as long as there is a handle, and this is one.
        let _ = self.jobs.send(Box::new(job));
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // A job contains its own panics; what its captures do when they are dropped, it cannot.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}
