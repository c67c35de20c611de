//! Wakers on their way out: collected under the line's lock, used and dropped after it is released.
//!
//! A waker runs somebody else's code, and so does dropping one: the last reference to a task may go with it, and the
//! task's own places with that.

use crate::sync::{AtomicU64, Relaxed, contained};
use alloc::vec::Vec;
use core::task::Waker;

#[derive(Default)]
pub(super) struct Wakes {
    /// Nearly always there is one at most.
    first: Option<Waker>,
    more: Vec<Waker>,
    unused: Option<Waker>,
}

impl Wakes {
    pub(super) fn wake(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.more.push(waker);
        }
    }

    /// Drops this one, at the end, without waking it; once.
    pub(super) fn forget(&mut self, waker: Waker) {
        self.unused = Some(waker);
    }

    /// Wakes all; those that panic are counted.
    pub(super) fn send(self, panics: &AtomicU64) {
        let count = |end: Option<()>| {
            if end.is_none() {
                panics.fetch_add(1, Relaxed);
            }
        };
        for waker in self.first.into_iter().chain(self.more) {
            count(contained(|| waker.wake()));
        }
        if let Some(waker) = self.unused {
            count(contained(|| drop(waker)));
        }
    }
}
