//! A limit that many calls share.

use super::{Limit, Sample, Snapshot};
use crate::sync::{AtomicU64, Mutex, Relaxed, lock, try_lock};

/// A [`Limit`] behind a lock that nobody waits for: a call that ends while another one is looked at is not looked at
/// itself. Where so many end at once, one in a few is plenty.
#[derive(Debug)]
pub(crate) struct SharedLimit {
    limit: Mutex<Limit>,
    skipped: AtomicU64,
}

impl SharedLimit {
    pub(crate) fn new(limit: Limit) -> Self {
        SharedLimit { limit: Mutex::new(limit), skipped: AtomicU64::new(0) }
    }

    /// Takes in a call that ended. If that moves the limit, `apply` is run with the new one: under the lock, so that
    /// what is applied last is what was found last. It must run no foreign code.
    pub(crate) fn sample<R>(&self, sample: Sample, apply: impl FnOnce(u64) -> R) -> Option<R> {
        let Some(mut limit) = try_lock(&self.limit) else {
            self.skipped.fetch_add(1, Relaxed);
            return None;
        };
        let before = limit.limit();
        let after = limit.sample(sample);
        (before != after).then(|| apply(after))
    }

    /// Runs `apply` with the limit, under the lock.
    pub(crate) fn with_limit<R>(&self, apply: impl FnOnce(u64) -> R) -> R {
        let limit = lock(&self.limit);
        apply(limit.limit())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { skipped: self.skipped.load(Relaxed), ..lock(&self.limit).snapshot() }
    }
}
