//! A connection pool, or any `async fn`: what its errors say, and what they do not.
//!
//! No connection within the pool's own time is a refusal of the pool, not a failure of the database: every connection
//! was busy with calls that will be judged themselves. Counted twice, a short rush would open the circuit of a database
//! that is well. With `sqlx` the errors are `sqlx::Error::PoolTimedOut`, `Io` and `Database`, and the classifier is the
//! same; docs/ecosystem.md has it.
//!
//! `cargo run -p ecosystem --bin pool`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ecosystem::Failed;
use fusebox::breaker::State;
use fusebox::{Failure, Fuse, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
enum PoolError {
    /// No connection came free in time.
    AcquireTimedOut,
    /// The connection broke.
    Broken,
    /// The database answered, and the answer was no.
    Duplicate,
}

impl std::fmt::Display for PoolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PoolError::AcquireTimedOut => "no connection came free in time",
            PoolError::Broken => "the connection broke",
            PoolError::Duplicate => "there is such a row already",
        })
    }
}

impl std::error::Error for PoolError {}

fn judge<T>(result: &Result<T, PoolError>) -> Verdict {
    match result {
        // The database did its work: the caller's data was at fault.
        Ok(_) | Err(PoolError::Duplicate) => Verdict::SUCCESS,
        Err(PoolError::AcquireTimedOut) => Verdict::REFUSED,
        Err(PoolError::Broken) => Verdict::failure(Failure::Reset),
    }
}

/// As pools are: a few connections, and a longest wait for one.
#[derive(Clone)]
struct Pool {
    connections: Arc<Semaphore>,
    is_down: Arc<AtomicBool>,
}

impl Pool {
    async fn acquire(&self) -> Result<OwnedSemaphorePermit, PoolError> {
        let free = self.connections.clone().acquire_owned();
        match tokio::time::timeout(Duration::from_millis(50), free).await {
            Ok(Ok(connection)) => Ok(connection),
            _ => Err(PoolError::AcquireTimedOut),
        }
    }

    async fn insert(&self, key: u32) -> Result<u32, PoolError> {
        let _connection = self.acquire().await?;
        match (self.is_down.load(Relaxed), key) {
            (true, _) => Err(PoolError::Broken),
            (false, 7) => Err(PoolError::Duplicate),
            (false, key) => Ok(key),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let pool = Pool { connections: Arc::new(Semaphore::new(2)), is_down: Arc::default() };
    let orders = Fuse::builder("orders").timeout(Duration::from_secs(1)).classify(judge::<u32>).build()?;

    println!("a row: {:?}", orders.run(|| pool.insert(1)).await.map_err(|error| error.to_string()));
    println!("again: {:?}", orders.run(|| pool.insert(7)).await.map_err(|error| error.to_string()));

    println!("a rush holds every connection:");
    let rush = pool.connections.clone().acquire_many_owned(2).await?;
    for _ in 0..12 {
        // A fallback answers for a pool that refuses as it does for a circuit that refuses.
        let kept = orders.run_or_else(|| pool.insert(2), |_| 0).await?;
        assert_eq!(kept.value, 0);
    }
    drop(rush);
    println!("    {} ignored, and the circuit is {}", ignored(&orders), orders.circuit().state());
    assert_eq!(orders.circuit().state(), State::Closed);

    println!("the database goes down:");
    pool.is_down.store(true, Relaxed);
    while orders.circuit().state() == State::Closed {
        let _ = orders.run(|| pool.insert(3)).await;
    }
    match orders.run(|| pool.insert(3)).await {
        Err(error) => println!("    failed to {error}"),
        Ok(_) => return Err("an open circuit does not call".into()),
    }
    Ok(())
}

fn ignored<K>(fuse: &Fuse<K>) -> u64 {
    fuse.circuit().snapshot().totals.ignored
}
