//! A store's own clock.
//!
//! Leases and expiry are judged by one clock, the store's, and by no caller's. The real one reads the date once, when it is
//! made, and counts on from there: somebody who sets the machine's clock while it runs neither ends a lease early nor expires an
//! item.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of a store's clock: milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// As far away as it gets.
    pub const NEVER: Timestamp = Timestamp(i64::MAX as u64);

    /// `span` later, in whole milliseconds.
    #[must_use]
    pub fn after(self, span: Duration) -> Timestamp {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(millis).min(Self::NEVER.0))
    }

    /// From `earlier` until this moment; nothing if that is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Where a store's time comes from. A cheap handle.
#[derive(Clone)]
pub struct StoreClock(Source);

#[derive(Clone)]
enum Source {
    /// The date when it was made, and what has passed since.
    Real {
        began: Instant,
        date: Timestamp,
    },
    Manual(Arc<AtomicU64>),
}

impl StoreClock {
    /// The machine's clock. `floor` is the latest moment that the store knows of: a machine whose date is behind it counts on from
    /// there.
    #[expect(clippy::disallowed_methods, reason = "a store's time enters here")]
    pub fn real(floor: Timestamp) -> Self {
        let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = Timestamp(0).after(date).max(floor);
        StoreClock(Source::Real { began: Instant::now(), date })
    }

    /// Counts on from `date`, which another machine's clock has told: the machine's own date does not matter.
    #[expect(clippy::disallowed_methods, reason = "a store's time enters here")]
    pub fn counting_from(date: Timestamp) -> Self {
        StoreClock(Source::Real { began: Instant::now(), date })
    }

    /// A clock that stands still until it is [set](Self::set).
    pub fn manual(at: Timestamp) -> Self {
        StoreClock(Source::Manual(Arc::new(AtomicU64::new(at.0))))
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "a store's time enters here")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Real { began, date } => date.after(began.elapsed()),
            Source::Manual(at) => Timestamp(at.load(Relaxed)),
        }
    }

    /// Sets a manual clock; a real one goes on as it goes.
    pub fn set(&self, at: Timestamp) {
        if let Source::Manual(now) = &self.0 {
            now.store(at.0, Relaxed);
        }
    }

    /// Lets `span` pass on a manual clock.
    pub fn pass(&self, span: Duration) {
        self.set(self.now().after(span));
    }
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreClock({})", self.now().0)
    }
}
