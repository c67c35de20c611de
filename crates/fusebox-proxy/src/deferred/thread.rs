//! The thread that replays: one runtime for the queues of all routes, apart from the data path.

use super::Backlog;
use super::courier::Job;
use super::replays::Replays;
use super::webhook::Herald;
use crate::alarm::pause;
use crate::config::{Defer, Plan};
use crate::journal::Journal;
use crate::lane::Route;
use fusebox::queue::notice::NOTICES;
use fusebox::queue::{QueueStore, Rules, Stats, StoreClock, Timestamp};
use fusebox::telemetry::{QueueReader, QueueReplay, QueueStanding, Queues};
use fusebox::{Clock, Ratio, Rng};
use std::collections::HashMap;
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

/// A route that defers, with what there is to know of it.
pub(super) type Deferral = (Arc<Route>, Defer, Rules);
/// The routes that defer.
pub(crate) type Deferring = Arc<[Deferral]>;

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
    fn standing(
        &self,
        name: &Arc<str>,
        stats: &Stats,
        replay: Option<QueueReplay>,
        now: Timestamp,
    ) -> QueueStanding {
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
            replay,
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
    let Keeping { backlog, mut routes, jobs, herald, clock, journal, rng, standing, mut stop } = keeping;
    runtime.block_on(async move {
        let time = clock.clone();
        let mut replays =
            Replays { backlog: backlog.clone(), jobs, clock, journal, rng, at_work: HashMap::new() };
        herald.into_iter().for_each(|herald| replays.tell(herald));
        loop {
            let present = routes.borrow_and_update().clone();
            replays.turn_to(&present);
            tokio::select! {
                () = look_after(&replays, &present, &time, &standing) => {}
                _ = stop.wait_for(Option::is_some) => break,
                // Nobody changes them any more when this is an error.
                Ok(()) = routes.changed() => {}
            }
        }
        replays.end().await;
    });
    Ok(0)
}

/// Looks how the queues stand; one that fills up turns its route's quota down.
async fn look_after(replays: &Replays, routes: &[Deferral], clock: &Clock, standing: &Standing) {
    let (time, backlog) = (StoreClock::real(Timestamp(0)), &replays.backlog);
    loop {
        let mut found = Vec::new();
        let names = routes.iter().map(|(route, ..)| route.name.clone()).chain([Arc::from(NOTICES)]);
        for name in names {
            if let Ok(stats) = backlog.store().stats(&name).await {
                found.push(backlog.standing(&name, &stats, replays.standing(&name), time.now()));
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
