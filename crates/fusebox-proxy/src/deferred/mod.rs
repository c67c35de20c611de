//! Calls that are kept while their dependency is down, and made when it is back.
//!
//! A call that has reached the item `queue` of its list of fallbacks is stored by a thread of the queue's own, and its client has
//! `202 Accepted` and a place to ask ([`take`], [`status`]). Another thread replays: it leases what is due while the route's circuit
//! lets it, and hands each call to a worker, which makes it over the very lane of live traffic, so that quota, places, breaker and
//! connections are shared ([`courier`], [`make`]). What may have been done already is asked for before it is sent again.

mod courier;
mod gate;
mod make;
mod parcel;
mod replays;
mod status;
mod take;
mod thread;
mod webhook;

pub(crate) use courier::Job;
pub(crate) use make::make;
pub(crate) use parcel::KeptAnswer;
pub(crate) use take::{Reached, Taken};
pub(crate) use thread::{Deferring, Keeping, Standing, run};
pub(crate) use webhook::Herald;

use crate::bind::StartError;
use crate::config::{QueuePlace, QueuePlan};
use fusebox::queue::postgres::{self, Postgres};
use fusebox::queue::sqlite::{self, Sqlite};
use fusebox::queue::{Deferrer, Events, Metered, Needs, Notices};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::runtime::{Builder, Runtime};

/// Why a call is not kept, as metrics name it.
pub(crate) const REFUSALS: [&str; 7] =
    ["safe_method", "no_key", "gone", "too_large", "unchecked_alternative", "full", "store"];

/// The queue of a proxy, shared by all workers.
#[derive(Debug)]
pub(crate) struct Backlog {
    plan: QueuePlan,
    deferrer: Deferrer,
    refused: [AtomicU64; REFUSALS.len()],
    /// After the store, whose connections it drives.
    _runtime: Option<Database>,
}

/// The runtime that drives the connections to a database.
#[derive(Debug)]
struct Database(Option<Runtime>);

impl Drop for Database {
    fn drop(&mut self) {
        // Whoever drops it may be within a runtime, where one must not wait for another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Backlog {
    /// Opens the file, or connects to the database.
    pub(crate) fn open(plan: &QueuePlan) -> Result<Arc<Self>, StartError> {
        let needs = Needs::default();
        let (deferrer, runtime) = match &plan.place {
            QueuePlace::File(file) => {
                let options = sqlite::Options { limits: plan.limits, ..sqlite::Options::default() };
                let store = Sqlite::open_with(file, options).map_err(StartError::Queue)?;
                (Deferrer::new(store, &needs), None)
            }
            QueuePlace::Postgres(url) => {
                let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.map_err(StartError::Thread)?;
                let options = postgres::Options { limits: plan.limits, ..postgres::Options::default() };
                let store = runtime.block_on(Postgres::connect(url, options)).map_err(StartError::Queue)?;
                (Deferrer::new(store, &needs), Some(Database(Some(runtime))))
            }
        };
        let deferrer = deferrer.map_err(StartError::Needs)?;
        Ok(Arc::new(Backlog { plan: plan.clone(), deferrer, refused: Default::default(), _runtime: runtime }))
    }

    /// The store, counting.
    pub(crate) fn store(&self) -> &Metered {
        self.deferrer.store()
    }

    /// Calls that were not kept, by [why](REFUSALS).
    pub(crate) fn refused(&self) -> [(&'static str, u64); REFUSALS.len()] {
        std::array::from_fn(|at| (REFUSALS[at], self.refused[at].load(Relaxed)))
    }

    fn count_refusal(&self, why: &str) {
        if let Some(at) = REFUSALS.iter().position(|known| *known == why) {
            self.refused[at].fetch_add(1, Relaxed);
        }
    }

    /// What the webhook is told of a call by this caller.
    fn notices(&self, contact: Option<&str>) -> Option<Notices> {
        let webhook = self.plan.webhook.as_ref()?;
        let events = Events::of(webhook.events.iter().copied());
        let contact = contact.unwrap_or_default().to_owned();
        Some(Notices { contact, events, delayed_after: webhook.delayed_after })
    }

    /// The rest of a path that names a call's status.
    pub(crate) fn names_status<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&*self.plan.status_path)?.strip_prefix('/')
    }
}
