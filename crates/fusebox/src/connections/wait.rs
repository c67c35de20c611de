//! How a call comes by a connection.

use super::{Connection, ConnectionPool, Seat, Shared};
use crate::driver::Bell;
#[cfg(feature = "tokio")]
use crate::driver::{rung, timer};
use crate::error::Error;
use fusebox_core::bulkhead::{Entry, Parked};
use fusebox_core::{Ask, Rejection, Time};
#[cfg(feature = "tokio")]
use std::future::poll_fn;
#[cfg(feature = "tokio")]
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// A call in the line. Dropped, it leaves.
struct Line<'a, C> {
    shared: &'a Arc<Shared<C>>,
    parked: Option<Parked>,
}

impl<C> Line<'_, C> {
    /// The place, or until when to wait to be woken.
    fn step(&mut self, waker: &Waker) -> Poll<Result<Seat<C>, Rejection>> {
        let (shared, now) = (self.shared, self.shared.clock.now());
        let entry = match self.parked.take() {
            None => shared.places.enter(Ask::default(), now, Time::NEVER, waker),
            Some(parked) => shared.places.resume(parked, now, waker),
        };
        match entry {
            Entry::Placed(place) => Poll::Ready(Ok(Seat(shared.clone(), place))),
            Entry::Refused(refusal) => Poll::Ready(Err(refusal)),
            Entry::Parked(parked) => {
                self.parked = Some(parked);
                Poll::Pending
            }
        }
    }

    fn until(&self) -> Time {
        self.parked.map_or(Time::NEVER, Parked::until)
    }
}

impl<C> Drop for Line<'_, C> {
    fn drop(&mut self) {
        if let Some(parked) = self.parked.take() {
            self.shared.places.cancel(parked, self.shared.clock.now());
        }
    }
}

impl<C> ConnectionPool<C> {
    /// A connection: one that rests, or a new one that `connect` makes; after a wait in the line where all are out. Needs
    /// tokio's timer once it has to wait.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when none came free in time or the line is full; `connect`'s own error.
    ///
    /// # Cancel safety
    ///
    /// Dropped in the line, it leaves its turn to the next; dropped while connecting, its place is free at once.
    #[cfg(feature = "tokio")]
    pub async fn get<E, Fut>(&self, connect: impl FnOnce() -> Fut) -> Result<Connection<C>, Error<E>>
    where
        Fut: Future<Output = Result<C, E>>,
    {
        let shared = &self.0;
        let mut line = Line { shared, parked: None };
        let (mut alarm, mut until) = (pin!(None), Time::NEVER);
        let seat = poll_fn(|cx| {
            loop {
                if let Poll::Ready(came) = line.step(cx.waker()) {
                    return Poll::Ready(came);
                }
                if line.until() != until {
                    until = line.until();
                    alarm.set(timer(&shared.clock, until));
                }
                if rung(alarm.as_mut(), cx).is_pending() {
                    return Poll::Pending;
                }
                // Asked again, the line says that the time is over.
                until = Time::NEVER;
            }
        });
        let seat = seat.await.map_err(|refusal| Error::Rejected(shared.rejected(refusal)))?;
        match shared.rested() {
            Some((connection, made)) => Ok(Connection::new(connection, made, seat)),
            None => {
                let connection = connect().await.map_err(Error::Failed)?;
                Ok(Connection::new(connection, shared.clock.now(), seat))
            }
        }
    }

    /// As [`get`](Self::get), on the calling thread, which waits.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_blocking<E>(&self, connect: impl FnOnce() -> Result<C, E>) -> Result<Connection<C>, Error<E>> {
        let shared = &self.0;
        let mut line = Line { shared, parked: None };
        let (bell, waker) = Bell::of_this_thread();
        let seat = loop {
            match line.step(&waker) {
                Poll::Ready(came) => break came,
                Poll::Pending => {
                    bell.wait(line.until().since(shared.clock.now()));
                }
            }
        };
        let seat = seat.map_err(|refusal| Error::Rejected(shared.rejected(refusal)))?;
        match shared.rested() {
            Some((connection, made)) => Ok(Connection::new(connection, made, seat)),
            None => {
                let connection = connect().map_err(Error::Failed)?;
                Ok(Connection::new(connection, shared.clock.now(), seat))
            }
        }
    }
}
