//! The time of day, by which ages travel between processes and machines.
//!
//! The monotonic clocks of two machines have nothing to do with each other. An entry's age is told by the time of day
//! when it is read, once; from then on this process's own clock makes it older.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where the time of day comes from.
#[derive(Clone, Default)]
pub(crate) struct Wall(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl Wall {
    pub(crate) fn of(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Wall(Some(Arc::new(read)))
    }

    /// The time since 1970.
    #[expect(clippy::disallowed_methods, reason = "an age that has to mean something on another machine")]
    pub(crate) fn now(&self) -> Duration {
        let now = self.0.as_ref().map_or_else(SystemTime::now, |read| read());
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Wall(given)" } else { "Wall(system)" })
    }
}
