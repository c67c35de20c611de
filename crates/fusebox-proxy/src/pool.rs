//! A worker's idle connections to endpoints.
//!
//! Last in, first out: the busiest connections stay warm and the others grow old enough to be closed. Nothing is
//! shared between workers but the number of connections that an endpoint may have, so taking one costs no lock.

use crate::berth::Berths;
use crate::harbour::{Harbour, PoolId};
use crate::link::Link;
use fusebox::Time;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Idle connections to one authority, for each worker.
const MOST_IDLE: usize = 128;
/// Shorter than what common servers allow, so that it is rarely they who close.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
/// Calls in a row that a connection is handed on to while calls of other workers wait for one.
const MOST_HANDED_ON: u32 = 64;

/// Idle connections, by authority.
#[derive(Default)]
pub(crate) struct Pool {
    /// Each with the pool that it is for: a place may be another pool's after the configuration has changed.
    shelves: RefCell<Vec<(PoolId, Rc<Shelf>)>>,
}

/// The connections to one authority.
#[derive(Default)]
struct Shelf {
    idle: RefCell<Vec<(Link, Time)>>,
    /// How many there may be, where that is limited.
    berths: Option<Arc<Berths>>,
    /// Calls of this worker that wait for one.
    waiting: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
}

impl Shelf {
    /// Calls of other workers that wait for a connection.
    fn wanted(&self) -> usize {
        self.berths.as_ref().map_or(0, |berths| berths.waiting().saturating_sub(self.waiting.get()))
    }
}

/// A call of this worker that waits for a connection, as long as it lives.
pub(crate) struct Waiting(Rc<Shelf>);

impl Waiting {
    /// Wakes `waker` when a connection comes back.
    pub(crate) fn wake(&self, waker: &Waker) {
        let mut wakers = self.0.wakers.borrow_mut();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Pool {
    /// Has the pools of `harbour` from now on. Connections of pools that are gone are closed: those that rest now, those that
    /// are in use when they come back.
    pub(crate) fn follow(&self, harbour: &Harbour) {
        let mut shelves = self.shelves.borrow_mut();
        let known = std::mem::take(&mut *shelves);
        let shelf = |(id, berths): (PoolId, Option<Arc<Berths>>)| {
            let kept = known.iter().find(|(known, _)| *known == id).map(|(_, shelf)| shelf.clone());
            (id, kept.unwrap_or_else(|| Rc::new(Shelf { berths, ..Shelf::default() })))
        };
        shelves.extend(harbour.pools().map(shelf));
    }

    fn shelf(&self, pool: PoolId) -> Option<Rc<Shelf>> {
        let shelves = self.shelves.borrow();
        let (id, shelf) = shelves.get(pool.place())?;
        (*id == pool).then(|| shelf.clone())
    }

    /// A connection to this authority that was good when last looked at; `carefully` looks again, for requests that
    /// cannot be made twice.
    pub(crate) fn take(&self, pool: PoolId, carefully: bool) -> Option<Link> {
        let shelf = self.shelf(pool)?;
        let mut idle = shelf.idle.borrow_mut();
        while let Some((mut link, _)) = idle.pop() {
            if !carefully || link.rest() {
                return Some(link);
            }
        }
        None
    }

    /// Whether calls of this worker wait for a connection to this authority.
    pub(crate) fn is_waited_for(&self, pool: PoolId) -> bool {
        self.shelf(pool).is_some_and(|shelf| shelf.waiting.get() > 0)
    }

    /// The limit on connections to this authority.
    pub(crate) fn berths(&self, pool: PoolId) -> Option<Arc<Berths>> {
        self.shelf(pool)?.berths.clone()
    }

    /// A call begins to wait for a connection to this authority.
    pub(crate) fn wait(&self, pool: PoolId) -> Option<Waiting> {
        let shelf = self.shelf(pool)?;
        shelf.waiting.set(shelf.waiting.get() + 1);
        Some(Waiting(shelf))
    }

    /// Keeps a connection for the next call, if it can be used again and no other worker needs its place more.
    pub(crate) fn keep(&self, pool: PoolId, mut link: Link, now: Time) {
        let Some(shelf) = self.shelf(pool).filter(|_| link.rest()) else { return };
        let waits_here = shelf.waiting.get() > 0;
        if shelf.wanted() > 0 && (!waits_here || link.hands_on() > MOST_HANDED_ON) {
            return;
        }
        let mut idle = shelf.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push((link, now));
            drop(idle);
            shelf.wakers.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Closes what has rested too long or was closed by the other side.
    pub(crate) fn sweep(&self, now: Time) {
        for (_, shelf) in &*self.shelves.borrow() {
            let stays = |(link, since): &mut (Link, Time)| now.since(*since) < LONGEST_IDLE && link.rest();
            shelf.idle.borrow_mut().retain_mut(stays);
        }
    }

    /// Closes resting connections whose places other workers' calls wait for.
    pub(crate) fn make_way(&self) {
        for (_, shelf) in &*self.shelves.borrow() {
            let mut idle = shelf.idle.borrow_mut();
            let some = shelf.wanted().min(idle.len());
            idle.drain(..some);
        }
    }
}
