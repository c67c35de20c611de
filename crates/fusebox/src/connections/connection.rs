//! A connection that is out.

use super::{Rested, Seat, Shared};
use fusebox_core::Time;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A connection, until it is dropped: then the next call may have it. Dropped in a panic, it is closed.
pub struct Connection<C> {
    /// `None` once it has been given away.
    connection: Option<C>,
    made: Time,
    /// After the connection: it is left behind before the place is.
    seat: Seat<C>,
}

impl<C> Connection<C> {
    pub(super) fn new(connection: C, made: Time, seat: Seat<C>) -> Self {
        Connection { connection: Some(connection), made, seat }
    }

    /// Closes it: it is broken, or in a state that nobody else should find it in. Its place is free at once.
    pub fn discard(mut self) {
        self.connection = None;
    }
}

impl<C> Deref for Connection<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_ref().expect("it is there until it is dropped or discarded")
    }
}

impl<C> DerefMut for Connection<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_mut().expect("it is there until it is dropped or discarded")
    }
}

impl<C> Drop for Connection<C> {
    fn drop(&mut self) {
        let shared: &Arc<Shared<C>> = &self.seat.0;
        let Some(connection) = self.connection.take().filter(|_| !std::thread::panicking()) else { return };
        let now = shared.clock.now();
        let rested = Rested { connection, made: self.made, since: now };
        if !shared.is_worn(&rested, now) {
            shared.resting().push_back(rested);
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Connection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
