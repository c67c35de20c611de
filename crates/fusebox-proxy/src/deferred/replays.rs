//! The replays at work, one for each queue. A replay goes on over a reload, with the pace it has come to, as long as what it depends
//! on is the same.

use super::Backlog;
use super::courier::{Jobs, RouteCourier};
use super::gate::{Circuits, RouteGate};
use super::thread::Deferral;
use super::webhook::Herald;
use crate::journal::Journal;
use crate::lane::Route;
use fusebox::admin::Level;
use fusebox::queue::notice::NOTICES;
use fusebox::queue::replay::StandingReader;
use fusebox::queue::{self, Courier, Gate, GateState, Replay, Rules, Stop, StoreClock, Timestamp};
use fusebox::telemetry::QueueReplay;
use fusebox::{Clock, Rng};
use http::HeaderName;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// All of them, also those that were told to stop and have not ended.
pub(super) struct Replays {
    pub(super) backlog: Arc<Backlog>,
    pub(super) jobs: Jobs,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) rng: Rng,
    pub(super) at_work: HashMap<Arc<str>, Work>,
}

/// The replay of one queue.
pub(super) struct Work {
    /// Nothing for notices, which depend on nothing that changes.
    upon: Option<Upon>,
    told: Stop,
    stands: StandingReader,
    ends: JoinHandle<()>,
}

/// What the replay of a route's queue depends on.
#[derive(PartialEq)]
struct Upon {
    service: Arc<str>,
    endpoints: Vec<String>,
    circuits: Circuits,
    rules: Rules,
    backoff: Duration,
    check: Option<String>,
    others: Vec<(Arc<str>, bool)>,
    idempotency_key: HeaderName,
}

impl Upon {
    fn of((route, defer, rules): &Deferral) -> Self {
        Upon {
            service: route.service.clone(),
            endpoints: route.endpoints.iter().map(|at| at.endpoint.authority.clone()).collect(),
            circuits: Circuits::of(route),
            rules: *rules,
            backoff: defer.backoff,
            check: defer.check.clone(),
            others: route.others(),
            idempotency_key: route.idempotency_key.clone(),
        }
    }

    fn courier(&self, route: &Route, jobs: &Jobs) -> RouteCourier {
        RouteCourier {
            lane: route.name.clone(),
            check: self.check.clone(),
            others: self.others.clone(),
            idempotency_key: self.idempotency_key.clone(),
            jobs: jobs.clone(),
        }
    }
}

impl Work {
    /// Whether calls are being made still, and may be.
    fn goes_on(&self) -> bool {
        !self.told.is_told() && !self.ends.is_finished()
    }
}

impl Replays {
    /// Has callers told what became of their calls.
    pub(super) fn tell(&mut self, herald: Herald) {
        let plan = queue::Plan { backoff: herald.backoff(), probes: true, ..queue::Plan::of(NOTICES) };
        let work = self.start((herald.by(&self.jobs), || GateState::Closed), plan, None, None);
        self.at_work.insert(NOTICES.into(), work);
    }

    /// Has exactly the queues of these routes replayed.
    pub(super) fn turn_to(&mut self, present: &[Deferral]) {
        self.at_work.retain(|name, work| {
            let stays = **name == *NOTICES || present.iter().any(|(route, ..)| route.name == *name);
            if !stays {
                work.told.now();
            }
            stays || !work.ends.is_finished()
        });
        for deferral in present {
            let (route, upon) = (&deferral.0, Upon::of(deferral));
            let earlier = self.at_work.remove(&route.name);
            let work = match earlier {
                Some(work) if work.goes_on() && work.upon.as_ref() == Some(&upon) => work,
                earlier => self.anew(route, upon, earlier),
            };
            self.at_work.insert(route.name.clone(), work);
        }
    }

    fn anew(&mut self, route: &Route, upon: Upon, earlier: Option<Work>) -> Work {
        let plan = queue::Plan {
            rules: upon.rules,
            backoff: upon.backoff,
            probes: true,
            ..queue::Plan::of(&*route.name)
        };
        let gate = RouteGate::new(upon.circuits.clone(), self.clock.clone());
        self.start((upon.courier(route, &self.jobs), gate), plan, Some(upon), earlier)
    }

    /// Replays a queue, once the work `earlier` has ended, which is told to.
    fn start(
        &mut self,
        (courier, gate): (impl Courier + 'static, impl Gate + 'static),
        plan: queue::Plan,
        upon: Option<Upon>,
        earlier: Option<Work>,
    ) -> Work {
        let (name, journal) = (plan.queue.clone(), self.journal.clone());
        let (clock, baseline) = (StoreClock::real(Timestamp(0)), gate.baseline().unwrap_or(0.0));
        let store = self.backlog.store().clone();
        let replay = Replay::new(store, courier, gate, plan, clock, baseline, self.rng.fork());
        let stands = replay.reader();
        let trouble = move |error: &queue::StoreError| {
            journal.say(Level::Error, format!("fusebox: queue {name}: failed to {error}"));
        };
        let told = Stop::default();
        let until = told.clone();
        let ends = tokio::spawn(async move {
            if let Some(earlier) = earlier {
                earlier.told.now();
                // What it has at work ends on the routes that it began on.
                let _ = earlier.ends.await;
            }
            queue::work(replay, until, trouble).await;
        });
        Work { upon, told, stands, ends }
    }

    /// How this queue is replayed, if it is.
    pub(super) fn standing(&self, name: &str) -> Option<QueueReplay> {
        let work = self.at_work.get(name).filter(|work| work.goes_on())?;
        let queue::replay::Standing { gate, rate, ceiling } = (work.stands)();
        Some(QueueReplay { gate: gate.as_str(), rate, ceiling })
    }

    /// Ends them all: calls under way are finished.
    pub(super) async fn end(self) {
        self.at_work.values().for_each(|work| work.told.now());
        for work in self.at_work.into_values() {
            let _ = work.ends.await;
        }
    }
}
