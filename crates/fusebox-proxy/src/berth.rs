//! A limit on the connections to one endpoint, for all workers together.
//!
//! A berth belongs to a connection: it is taken before dialling and comes back when the connection closes, however that
//! comes about. At the limit a call waits, in one line for all workers. Connections never move between workers, so a
//! worker that has one to spare closes it while calls of other workers wait: when it comes back to the pool, or, if it rests
//! there already, when the bell is rung.

use crate::config::ConnectionLimit;
use fusebox::{Ask, Clock, Outcome, Reason, Time};
use fusebox_core::Rejection;
use fusebox_core::bulkhead::{Bulkhead, Config, Entry, Parked, Place, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::sync::watch;

/// The connections that one endpoint may have.
#[derive(Debug)]
pub(crate) struct Berths {
    places: Arc<Bulkhead>,
    /// Calls in the line.
    waiting: AtomicUsize,
    clock: Clock,
    bell: watch::Sender<()>,
}

/// One connection's. Dropped with it.
#[derive(Debug)]
pub(crate) struct Berth {
    berths: Arc<Berths>,
    place: Place,
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.berths.places.leave(self.place, Outcome::Ignored, self.berths.clock.now());
    }
}

impl Berths {
    /// None of them taken; `bell` is rung when a call begins to wait.
    pub(crate) fn new(limit: &ConnectionLimit, clock: &Clock, bell: &watch::Sender<()>) -> Self {
        let places = Arc::new(Bulkhead::new(settings(limit)));
        Berths { places, waiting: AtomicUsize::new(0), clock: clock.clone(), bell: bell.clone() }
    }

    /// As many as `limit` says from now on, whoever has one now.
    pub(crate) fn limit_to(&self, limit: &ConnectionLimit) {
        self.places.reconfigure(settings(limit));
    }

    /// The places themselves, for operators to look at.
    pub(crate) fn places(&self) -> &Arc<Bulkhead> {
        &self.places
    }

    /// Calls in the line, of all workers.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// A call that needs a berth.
    pub(crate) fn ask(self: &Arc<Self>) -> Asked<'_> {
        Asked { berths: self, parked: None }
    }
}

fn settings(limit: &ConnectionLimit) -> Settings {
    let config = Config {
        max_concurrent: limit.per_endpoint,
        max_wait: limit.max_wait,
        max_queue: limit.max_queue,
        ..Config::default()
    };
    config.check().expect("what the file may say lies within what a bulkhead accepts")
}

/// A call that needs a berth. Dropped, it leaves the line.
pub(crate) struct Asked<'a> {
    berths: &'a Arc<Berths>,
    parked: Option<Parked>,
}

impl Asked<'_> {
    /// The berth, once there is one. Until then, poll again when woken and at [`until`](Self::until).
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Berth, Rejection>> {
        let (berths, now) = (self.berths, self.berths.clock.now());
        let entry = match self.parked {
            None => berths.places.enter(Ask::default(), now, Time::NEVER, cx.waker()),
            Some(parked) => berths.places.resume(parked, now, cx.waker()),
        };
        let came = match entry {
            Entry::Parked(parked) => {
                if self.parked.replace(parked).is_none() {
                    // Before the bell: whoever hears it sees that somebody waits.
                    berths.waiting.fetch_add(1, Relaxed);
                    berths.bell.send_replace(());
                }
                return Poll::Pending;
            }
            Entry::Placed(place) => Ok(Berth { berths: berths.clone(), place }),
            Entry::Refused(refusal) => Err(Rejection::of(Reason::ConnectionsFull, refusal.retry_at)),
        };
        if self.parked.take().is_some() {
            berths.waiting.fetch_sub(1, Relaxed);
        }
        Poll::Ready(came)
    }

    /// Whether it has waited already.
    pub(crate) fn is_in_line(&self) -> bool {
        self.parked.is_some()
    }

    /// When its patience ends.
    pub(crate) fn until(&self) -> Time {
        self.parked.map_or(Time::NEVER, Parked::until)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(parked) = self.parked.take() {
            self.berths.waiting.fetch_sub(1, Relaxed);
            self.berths.places.cancel(parked, self.berths.clock.now());
        }
    }
}
