//! A worker's idle connections to endpoints.
//!
//! Last in, first out: the busiest connections stay warm and the others grow old enough to be closed. Nothing is
//! shared between workers, so taking one costs no lock.

use crate::link::Link;
use fusebox::Time;
use std::cell::RefCell;
use std::time::Duration;

/// Idle connections to one authority, for each worker.
const MOST_IDLE: usize = 128;
/// Shorter than what common servers allow, so that it is rarely they who close.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Idle connections, by authority.
pub(crate) struct Pool {
    idle: Vec<RefCell<Vec<(Link, Time)>>>,
}

impl Pool {
    pub(crate) fn new(authorities: usize) -> Self {
        Pool { idle: (0..authorities).map(|_| RefCell::default()).collect() }
    }

    /// A connection to this authority that was good when last looked at; `carefully` looks again, for requests that
    /// cannot be made twice.
    pub(crate) fn take(&self, authority: usize, carefully: bool) -> Option<Link> {
        let mut idle = self.idle.get(authority)?.borrow_mut();
        while let Some((mut link, _)) = idle.pop() {
            if !carefully || link.rest() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection for the next call, if it can be used again.
    pub(crate) fn keep(&self, authority: usize, mut link: Link, now: Time) {
        if !link.rest() {
            return;
        }
        if let Some(idle) = self.idle.get(authority) {
            let mut idle = idle.borrow_mut();
            if idle.len() < MOST_IDLE {
                idle.push((link, now));
            }
        }
    }

    /// Closes what has rested too long or was closed by the other side.
    pub(crate) fn sweep(&self, now: Time) {
        for idle in &self.idle {
            idle.borrow_mut().retain_mut(|(link, since)| now.since(*since) < LONGEST_IDLE && link.rest());
        }
    }
}
