//! Events on their way out: queued under the machine's lock, delivered after it is released.
//!
//! Whoever caused an event delivers, unless another thread is delivering already: then that thread takes it along.
//! So events reach listeners one at a time and in order, a listener may call the breaker it listens to, and a slow
//! one holds up nobody but the thread it runs on. A panic in a listener ends there.
//!
//! # Synchronization
//!
//! The turn to deliver is one flag. Who finds it taken has queued its event under the machine's lock before; who gives
//! it back looks at the queue under that lock after. Whichever of the two takes the lock first, the other sees what it
//! did: either the event, or the flag that is free again.

use crate::event::Event;
use crate::sync::{AcqRel, AtomicBool, Mutex, contained, lock};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Events that can wait for a slow listener; beyond that the oldest is dropped.
pub(super) const WAITING: usize = 32;

/// What is called with each event.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

#[derive(Default)]
pub(super) struct Outbox {
    listeners: Mutex<Vec<Listener>>,
    /// Somebody is delivering.
    taken: AtomicBool,
}

impl Outbox {
    pub(super) fn subscribe(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Delivers what `take` yields, in order. `take` must be the queue's only consumer.
    pub(super) fn deliver(&self, take: impl Fn() -> Option<Event>, is_empty: impl Fn() -> bool) {
        while !is_empty() {
            // ORDERING: AcqRel, on both swaps: a turn sees what the turn before it has done.
            if self.taken.swap(true, AcqRel) {
                return;
            }
            while let Some(event) = take() {
                // Asked for anew: whoever subscribes while this event is told hears the next.
                let listeners = lock(&self.listeners).clone();
                for listener in &listeners {
                    contained(|| listener(&event));
                }
            }
            // ORDERING: AcqRel; see above.
            self.taken.swap(false, AcqRel);
        }
    }
}

impl core::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

/// Queues an event under the machine's lock; the room was made when the first listener came.
pub(super) fn queue(waiting: &mut VecDeque<Event>, event: Event) {
    if waiting.len() >= WAITING {
        waiting.pop_front();
    }
    waiting.push_back(event);
}
