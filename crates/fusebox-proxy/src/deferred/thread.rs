//! The thread that replays: one runtime for the queues of all routes, apart from the data path.

use super::Backlog;
use super::courier::{Job, Jobs, RouteCourier};
use super::gate::RouteGate;
use super::webhook::Herald;
use crate::alarm::pause;
use crate::config::{Defer, Plan};
use crate::journal::Journal;
use crate::lane::Route;
use fusebox::admin::Level;
use fusebox::queue::notice::NOTICES;
use fusebox::queue::{
    self, Courier, Gate, GateState, QueueStore, Replay, Rules, Stats, Stop, StoreClock, Timestamp,
};
use fusebox::telemetry::{QueueReader, QueueStanding, Queues};
use fusebox::{Clock, Ratio, Rng};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often it is looked how the queues stand.
const LOOK: Duration = Duration::from_secs(1);
/// From this part of a queue's limits on, its route's quota is halved.
const HIGH: f64 = 0.7;
/// From this part on, a tenth of the quota is left.
const FULL: f64 = 0.9;

/// The routes that defer, with what there is to know of each.
pub(crate) type Deferring = Arc<[(Arc<Route>, Defer, Rules)]>;

/// What the thread needs.
pub(crate) struct Keeping {
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) routes: watch::Receiver<Deferring>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
    pub(crate) herald: Option<Herald>,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) rng: Rng,
    pub(crate) standing: Standing,
    pub(crate) stop: watch::Receiver<Option<Duration>>,
}

/// How the queues stood when they were last looked at, for metrics: a scrape waits for no store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<Mutex<Vec<QueueStanding>>>);

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Vec<QueueStanding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backlog {
    /// What is told of the queues at a scrape.
    pub(crate) fn reader(self: &Arc<Self>, standing: Standing) -> QueueReader {
        let backlog = self.clone();
        Arc::new(move || {
            let seen = backlog.store().counted();
            Queues {
                queues: standing.lock().clone(),
                items: vec![
                    ("stored", seen.stored),
                    ("duplicate", seen.duplicates),
                    ("conflict", seen.conflicts),
                    ("full", seen.full),
                ],
                calls: vec![
                    ("completed", seen.completed),
                    ("late", seen.late),
                    ("retried", seen.retried),
                    ("released", seen.released),
                    ("dead", seen.died),
                    ("expired", seen.expired),
                    ("crashed", seen.crashed),
                ],
                refused: backlog.refused().to_vec(),
            }
        })
    }

    /// A queue as metrics have it.
    fn standing(&self, name: &Arc<str>, stats: &Stats, now: Timestamp) -> QueueStanding {
        QueueStanding {
            name: name.clone(),
            depth: stats.classes.map(|class| class.live),
            bytes: stats.bytes(),
            fill: fill(stats, self),
            leased: stats.leased,
            needs_check: stats.needs_check,
            dead: stats.dead(),
            oldest_age: stats.oldest_created_at.map_or(Duration::ZERO, |oldest| now.since(oldest)),
            paused: stats.paused,
        }
    }
}

impl Keeping {
    /// The routes of `plan` that defer.
    pub(crate) fn of(plan: &Plan, routes: &[Arc<Route>]) -> Deferring {
        let window = plan.queue.as_ref().map_or(Duration::ZERO, |queue| queue.limits.provider_window);
        let found = plan.services.iter().flat_map(|service| &service.routes).filter_map(|route| {
            let defer = route.policies.fallback.as_ref()?.defers()?.clone();
            let call_timeout = route.policies.deadline.or(route.policies.call_timeout);
            let usual = Rules::default();
            let rules = Rules {
                provider_window: window,
                margin: usual.margin.min(window / 24),
                call_timeout: call_timeout.unwrap_or(usual.call_timeout),
                always_check: defer.check.is_some(),
            };
            let own = routes.iter().find(|known| *known.name == *route.name)?;
            Some((own.clone(), defer, rules))
        });
        found.collect()
    }
}

/// Replays until told to stop, and gives back what was not sent then.
pub(crate) fn run(keeping: Keeping) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Keeping { backlog, mut routes, jobs, herald, clock, journal, mut rng, standing, mut stop } = keeping;
    runtime.block_on(async move {
        let mut at_work = HashMap::new();
        if let Some(herald) = herald {
            let plan = queue::Plan { backoff: herald.backoff(), probes: true, ..queue::Plan::of(NOTICES) };
            let gate = || GateState::Closed;
            let work = start(&backlog, (herald.by(&jobs), gate), plan, None, (&journal, rng.fork()));
            at_work.insert(NOTICES.to_owned(), work);
        }
        let mut present = routes.borrow_and_update().clone();
        loop {
            let names: HashSet<&str> = present.iter().map(|(route, ..)| &*route.name).collect();
            at_work.retain(|name, work: &mut Work| {
                let stays = name == NOTICES || names.contains(&**name);
                if !stays {
                    work.told.now();
                }
                stays
            });
            for (route, defer, rules) in &*present {
                let (gate, courier) = before(route, defer, &jobs, &clock);
                let plan = queue::Plan {
                    rules: *rules,
                    backoff: defer.backoff,
                    probes: true,
                    ..queue::Plan::of(&*route.name)
                };
                let earlier = at_work.remove(&*route.name);
                let work = start(&backlog, (courier, gate), plan, earlier, (&journal, rng.fork()));
                at_work.insert(route.name.to_string(), work);
            }
            tokio::select! {
                () = look_after(&backlog, &present, &clock, &standing) => {}
                _ = stop.wait_for(Option::is_some) => break,
                // Nobody changes them any more when this is an error.
                Ok(()) = routes.changed() => {}
            }
            present = routes.borrow_and_update().clone();
        }
        at_work.values().for_each(|work| work.told.now());
        for work in at_work.into_values() {
            let _ = work.ends.await;
        }
    });
    Ok(0)
}

/// The replay of one queue.
struct Work {
    told: Stop,
    ends: tokio::task::JoinHandle<()>,
}

fn before(route: &Arc<Route>, defer: &Defer, jobs: &Jobs, clock: &Clock) -> (RouteGate, RouteCourier) {
    let gate = RouteGate::new(route.clone(), clock.clone());
    let courier = RouteCourier {
        lane: route.name.clone(),
        check: defer.check.clone(),
        others: route.others(),
        idempotency_key: route.idempotency_key.clone(),
        jobs: jobs.clone(),
    };
    (gate, courier)
}

/// Replays a queue, once the work `earlier` has ended, which is told to.
fn start(
    backlog: &Arc<Backlog>,
    (courier, gate): (impl Courier + 'static, impl Gate + 'static),
    plan: queue::Plan,
    earlier: Option<Work>,
    (journal, rng): (&Journal, Rng),
) -> Work {
    let (name, journal, store) = (plan.queue.clone(), journal.clone(), backlog.store().clone());
    let clock = StoreClock::real(Timestamp(0));
    let replay = Replay::new(store, courier, gate, plan, clock, 0.0, rng);
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
    Work { told, ends }
}

/// Looks how the queues stand; one that fills up turns its route's quota down.
async fn look_after(
    backlog: &Backlog,
    routes: &[(Arc<Route>, Defer, Rules)],
    clock: &Clock,
    standing: &Standing,
) {
    let time = StoreClock::real(Timestamp(0));
    loop {
        let mut found = Vec::new();
        let names = routes.iter().map(|(route, ..)| route.name.clone()).chain([Arc::from(NOTICES)]);
        for name in names {
            if let Ok(stats) = backlog.store().stats(&name).await {
                found.push(backlog.standing(&name, &stats, time.now()));
            }
        }
        for (route, ..) in routes {
            let queue = found.iter().find(|queue| queue.name == route.name);
            if let (Some(queue), Some(limiter)) = (queue, route.pipeline.rate_limiter()) {
                limiter.set_share(share(queue.fill), clock.now());
            }
        }
        *standing.lock() = found;
        pause(LOOK).await;
    }
}

/// The fuller of the two limits, as a part of it.
fn fill(stats: &Stats, backlog: &Backlog) -> f64 {
    let limits = &backlog.plan.limits;
    let part = |held: u64, most: u64| held as f64 / most.max(1) as f64;
    part(stats.live(), limits.max_items).max(part(stats.bytes(), limits.max_bytes))
}

/// What is left of the quota.
fn share(fill: f64) -> Ratio {
    let left = match fill {
        fill if fill >= FULL => 0.1,
        fill if fill >= HIGH => 0.5,
        _ => 1.0,
    };
    Ratio::new(left).unwrap_or(Ratio::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_fills_up_turns_its_callers_down() {
        let shares = [0.0, 0.69, 0.7, 0.89, 0.9, 1.5].map(|fill| share(fill).as_f64());
        assert_eq!(shares, [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]);
    }
}
