//! One quota, lock-free.

use super::gcra::{self, Grant, Rate};
use super::snapshot::Tally;
use crate::sync::{AtomicU64, Relaxed};
use crate::{Rejection, Time};

/// A quota's word, and what it has counted, on a cache line of their own.
#[repr(align(64))]
#[derive(Debug, Default)]
pub(super) struct Cell {
    tat: AtomicU64,
    admitted: AtomicU64,
    waited: AtomicU64,
    rejected: AtomicU64,
    refunded: AtomicU64,
}

impl Cell {
    #[inline]
    pub(super) fn admit(&self, rate: Rate, now: Time, latest: Time) -> Result<Grant, Rejection> {
        let mut tat = self.tat.load(Relaxed);
        loop {
            let (next, grant) = match rate.admit(tat, now, latest) {
                Ok(taken) => taken,
                Err(rejection) => {
                    self.rejected.fetch_add(1, Relaxed);
                    return Err(rejection);
                }
            };
            match self.tat.compare_exchange_weak(tat, next, Relaxed, Relaxed) {
                Ok(_) => {
                    self.admitted.fetch_add(1, Relaxed);
                    if grant.at() > now {
                        self.waited.fetch_add(1, Relaxed);
                    }
                    return Ok(grant);
                }
                Err(moved) => tat = moved,
            }
        }
    }

    pub(super) fn refund(&self, grant: Grant, interval: u64, now: Time) {
        let back = |tat| gcra::refunded(tat, grant, interval, now);
        let _ = self.tat.fetch_update(Relaxed, Relaxed, back);
        self.refunded.fetch_add(1, Relaxed);
    }

    pub(super) fn scale(&self, scaled: &impl Fn(u64) -> u64) {
        let _ = self.tat.fetch_update(Relaxed, Relaxed, |tat| Some(scaled(tat)));
    }

    pub(super) fn tat(&self) -> u64 {
        self.tat.load(Relaxed)
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            admitted: self.admitted.load(Relaxed),
            waited: self.waited.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            refunded: self.refunded.load(Relaxed),
        }
    }
}
