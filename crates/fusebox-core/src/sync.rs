//! The one room with `std` in it: locks, panics contained, and the thread's stripe. Under `cfg(loom)` the same
//! names are loom's, so that the protocols are explored as they are compiled.

#[cfg(not(loom))]
extern crate std;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
};

use std::sync::TryLockError;

pub(crate) use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Loom has no `OnceLock`; the real one is fine where it is filled before the threads start.
#[cfg(loom)]
extern crate std;
#[cfg(loom)]
pub(crate) use std::sync::OnceLock;

/// Locks, whatever happened to an earlier holder: what a lock guards here is mended where the panic is caught.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Locks if nobody holds the lock, as [`lock`] does.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Runs `f`; `None` if it panicked.
#[cfg(not(loom))]
pub(crate) fn contained<R>(f: impl FnOnce() -> R) -> Option<R> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).ok()
}

#[cfg(loom)]
pub(crate) fn contained<R>(f: impl FnOnce() -> R) -> Option<R> {
    Some(f())
}

/// A small number that differs between threads that run at once, as far as there are numbers.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! {
        static STRIPE: usize = NEXT.fetch_add(1, Relaxed);
    }
    STRIPE.try_with(|stripe| *stripe).unwrap_or(0)
}

#[cfg(all(test, loom))]
pub(crate) use loom_stripe::on_stripe;
#[cfg(loom)]
pub(crate) use loom_stripe::stripe;

/// Under loom a thread says which stripe is its own: a number drawn from a counter would be one more thing to explore.
#[cfg(loom)]
mod loom_stripe {
    use super::std;
    use core::cell::Cell;

    loom::thread_local! {
        static STRIPE: Cell<usize> = Cell::new(0);
    }

    #[cfg(test)]
    pub(crate) fn on_stripe(number: usize) {
        STRIPE.with(|stripe| stripe.set(number));
    }

    pub(crate) fn stripe() -> usize {
        STRIPE.with(Cell::get)
    }
}

/// Where two SeqCst accesses stand against each other. Loom takes SeqCst accesses for AcqRel, which is weaker; it
/// knows SeqCst fences, so there the order is said once more.
#[inline(always)]
pub(crate) fn seq_cst() {
    #[cfg(loom)]
    fence(SeqCst);
}
