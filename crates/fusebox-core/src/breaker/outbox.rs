//! Events on their way out: queued under the machine's lock, delivered after it is released.
//!
//! Whoever caused an event delivers, unless another thread is delivering already: then that thread takes it along.
//! So events reach listeners one at a time and in order, a listener may call the breaker it listens to, and a slow
//! one holds up nobody but the thread it runs on. A panic in a listener ends there.

use crate::event::Event;
use crate::sync::{Mutex, contained, lock};
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
    delivering: Mutex<()>,
}

impl Outbox {
    pub(super) fn subscribe(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Delivers what `take` yields, in order. `take` must be the queue's only consumer.
    pub(super) fn deliver(&self, take: impl Fn() -> Option<Event>, is_empty: impl Fn() -> bool) {
        // Whoever fails to lock has queued its event before the present deliverer looks again.
        while !is_empty() {
            let Ok(delivering) = self.delivering.try_lock() else { return };
            let listeners = lock(&self.listeners).clone();
            while let Some(event) = take() {
                for listener in &listeners {
                    contained(|| listener(&event));
                }
            }
            drop(delivering);
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
