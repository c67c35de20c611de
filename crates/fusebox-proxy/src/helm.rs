//! Changing a proxy while it runs: another configuration, fewer callers, other lines in the log.
//!
//! A reload makes new routes beside those in force, out of the parts that stay (`carry`), hands them to every worker, and
//! lets go of what nobody needs any more. A worker has them from its next call on; calls under way keep what they began
//! with to their end. Nothing on the way of a call is locked for it. A configuration with a mistake in it changes nothing.

use crate::admin::Identity;
use crate::backing::Backing;
use crate::config::{Limits, Plan, Written};
use crate::deferred::{Deferring, Keeping};
use crate::health::Ward;
use crate::journal::Journal;
use crate::kept::Larder;
use crate::routes::{Routes, reconfigured};
use crate::worker::Course;
use fusebox::Registry;
use fusebox::admin::{Admin, ConfigShown, Controls, Level, Reloaded};
use fusebox::telemetry::{QueueReader, Subjects};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a reload waits until every worker has the new routes. They get them in any case.
const PATIENCE: Duration = Duration::from_secs(2);
/// Changes that are told a line each.
const TOLD: usize = 50;

/// Reads the configuration again; or says what is wrong with it, a sentence each.
pub type PlanSource = Arc<dyn Fn() -> Result<Plan, Vec<String>> + Send + Sync>;

/// Changes a running proxy, from any thread. A cheap handle.
#[derive(Clone)]
pub struct Helm(Arc<Inner>);

struct Inner {
    source: Option<PlanSource>,
    registry: Registry,
    journal: Journal,
    operators: Admin,
    draining: Arc<AtomicBool>,
    stop: watch::Receiver<Option<Duration>>,
    state: Mutex<State>,
}

/// What is in force, and who is told of something else.
pub(crate) struct State {
    pub(crate) plan: Plan,
    /// What was written at the start.
    pub(crate) first: Written,
    pub(crate) backing: Backing,
    pub(crate) routes: Arc<Routes>,
    pub(crate) workers: Vec<mpsc::UnboundedSender<Course>>,
    pub(crate) wards: watch::Sender<Arc<[Ward]>>,
    pub(crate) deferring: watch::Sender<Deferring>,
    pub(crate) identity: watch::Sender<Option<Identity>>,
    pub(crate) queue: Option<QueueReader>,
}

/// What a helm has to do with beside what is in force.
pub(crate) struct Ship {
    pub(crate) source: Option<PlanSource>,
    pub(crate) registry: Registry,
    pub(crate) journal: Journal,
    /// Without controls: those are this helm.
    pub(crate) operators: Admin,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) stop: watch::Receiver<Option<Duration>>,
}

impl fmt::Debug for Helm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helm").finish_non_exhaustive()
    }
}

impl State {
    /// What operators see beside circuits.
    pub(crate) fn subjects(&self) -> Subjects {
        Subjects { queues: self.queue.clone().into_iter().collect(), ..self.routes.subjects() }
    }
}

impl Helm {
    pub(crate) fn new(ship: Ship, state: State) -> Self {
        let Ship { source, registry, journal, operators, draining, stop } = ship;
        operators.show(state.subjects());
        let state = Mutex::new(state);
        Helm(Arc::new(Inner { source, registry, journal, operators, draining, stop, state }))
    }

    /// Reads the configuration again and puts it in force; a `dry_run` only says what that would change. `None` where it comes
    /// from nowhere that could be read again.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a sentence each. Nothing has changed then.
    pub fn reload(&self, dry_run: bool) -> Option<Result<Reloaded, Vec<String>>> {
        let source = self.0.source.as_ref()?;
        // Until the end: of two reloads the later one reads what is there later.
        let mut state = self.state();
        let read = source().and_then(|plan| {
            let identity = identity(&state.plan)?;
            let mut changes = plan.written.changes_since(&state.plan.written);
            let restart_needed = plan.written.changes_since(&state.first).at_start;
            if *state.identity.borrow() != identity {
                changes.now.push("admin.tls: another certificate".into());
            }
            if !dry_run {
                self.put_in_force(&mut state, plan);
                state.identity.send_replace(identity);
            }
            Ok(Reloaded { changed: changes.now, restart_needed })
        });
        drop(state);
        if !dry_run {
            self.tell(&read);
        }
        Some(read)
    }

    /// Has the clients go elsewhere, or not any more: while it drains, the proxy is not ready, and every answer asks its client
    /// to connect anew for the next call. Calls are made as ever.
    pub fn drain(&self, drain: bool) {
        self.0.draining.store(drain, Relaxed);
        self.0.operators.ready(!drain && self.0.stop.borrow().is_none());
        let line =
            if drain { "drains: clients are asked to go elsewhere" } else { "does not drain any more" };
        self.0.journal.say(Level::Info, format!("fusebox: {line}"));
    }

    /// Whether clients are asked to go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Relaxed)
    }

    /// The bounds on connections in force.
    pub fn limits(&self) -> Limits {
        self.state().plan.limits
    }

    pub(crate) fn larders(&self) -> Vec<Arc<Larder>> {
        self.state().routes.larders()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_in_force(&self, state: &mut State, plan: Plan) {
        let (registry, plan) = (&self.0.registry, as_it_runs(plan, &state.plan));
        let most = Routes::most_circuits(&plan);
        // Until it is let go of, what was there before has its place, too.
        registry.hold_at_most(most + Routes::most_circuits(&state.plan));
        let routes = Arc::new(Routes::in_place_of(Some(&state.routes), &plan, &state.backing));
        reconfigured(&routes, registry.clock().now());
        let (taken, all_taken) = std::sync::mpsc::channel();
        let course = Course { routes: routes.clone(), limits: plan.limits, taken: Some(taken) };
        state.workers.iter().for_each(|worker| drop(worker.send(course.clone())));
        // With this one and those of workers that have ended gone, the end is told.
        drop(course);
        while all_taken.recv_timeout(PATIENCE).is_ok() {}
        let before = std::mem::replace(&mut state.routes, routes);
        state.wards.send_replace(state.routes.wards.clone());
        state.deferring.send_replace(Keeping::of(&plan, &state.routes.routes));
        let (old, new) = (before.circuits(), state.routes.circuits());
        registry.let_go(|name| new.contains(name) || !old.contains(name));
        registry.hold_at_most(most);
        state.backing.let_go(&plan);
        if plan.log != state.plan.log {
            self.0.journal.set_level(plan.log);
        }
        state.plan = plan;
        self.0.operators.show(state.subjects());
    }

    fn tell(&self, read: &Result<Reloaded, Vec<String>>) {
        let say = |level, line: String| self.0.journal.say(level, format!("fusebox: {line}"));
        match read {
            Ok(Reloaded { changed, restart_needed }) => {
                say(Level::Info, format!("configuration read again: {}", count(changed.len(), "change")));
                changed.iter().take(TOLD).for_each(|change| say(Level::Info, format!("  {change}")));
                for change in restart_needed {
                    say(Level::Warn, format!("  {change}: not before a restart"));
                }
            }
            Err(errors) => {
                say(Level::Error, "configuration not taken: nothing has changed".into());
                errors.iter().take(TOLD).for_each(|error| say(Level::Error, format!("  {error}")));
            }
        }
    }
}

impl Controls for Helm {
    fn config(&self) -> Option<ConfigShown> {
        let state = self.state();
        let written = &state.plan.written;
        Some(ConfigShown { source: written.source().into(), text: written.text().into() })
    }

    fn reload(&self, dry_run: bool) -> Option<Result<Reloaded, Vec<String>>> {
        Helm::reload(self, dry_run)
    }

    fn drain(&self, drain: bool) -> Option<bool> {
        Helm::drain(self, drain);
        Some(self.is_draining())
    }

    fn draining(&self) -> Option<bool> {
        Some(self.is_draining())
    }

    fn log_level(&self) -> Option<Level> {
        Some(self.0.journal.level())
    }

    fn set_log_level(&self, level: Level) -> Option<Level> {
        self.0.journal.set_level(level);
        self.log_level()
    }
}

/// What the file says, with what only a start can change as it was at the start.
fn as_it_runs(plan: Plan, before: &Plan) -> Plan {
    let limits = Limits { max_connections: before.limits.max_connections, ..plan.limits };
    let (listeners, queue) = (before.listeners.clone(), before.queue.clone());
    Plan {
        admin: before.admin.clone(),
        telemetry: before.telemetry.clone(),
        listeners,
        queue,
        limits,
        ..plan
    }
}

/// The certificate as it is now, where there is one.
fn identity(plan: &Plan) -> Result<Option<Identity>, Vec<String>> {
    let tls = plan.admin.as_ref().and_then(|admin| admin.tls.as_ref());
    tls.map(Identity::read).transpose().map_err(|why| vec![format!("failed to {why}")])
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
