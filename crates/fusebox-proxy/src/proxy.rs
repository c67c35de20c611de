//! The proxy as a whole: started, running, stopped.

use crate::admin::{self, Identity};
use crate::backing::Backing;
use crate::bind::{self, StartError};
use crate::config::Plan;
use crate::deferred::{self, Backlog, Herald, Keeping, Standing};
use crate::health;
use crate::helm::{Helm, PlanSource, Ship, State};
use crate::journal::{Journal, Sink, Teller};
use crate::remembered::Memory;
use crate::routes::Routes;
use crate::telemetry;
use crate::worker::{self, Course, Shared};
use fusebox::admin::Admin;
use fusebox::otlp::Exporter;
use fusebox::{Clock, Registry};
use fusebox_core::{Rng, SharedRng};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// What a proxy can be told besides its plan.
#[derive(Clone, Default)]
pub struct Options {
    /// Worker threads. Default: one for each processor the process may use.
    pub workers: Option<usize>,
    /// Where lines go. Default: standard error.
    pub journal: Option<Sink>,
    /// What a line says of a change of a circuit. Default: what it is, in a sentence.
    pub teller: Option<Teller>,
    /// Where the configuration is read again when that is asked for. Default: nowhere.
    pub source: Option<PlanSource>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// A running proxy. Dropped without [`shutdown`](Proxy::shutdown), it is told to stop at once.
#[derive(Debug)]
pub struct Proxy {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    registry: Registry,
    journal: Journal,
    helm: Helm,
    /// Where open circuits and holds are kept over restarts.
    memory: Option<Arc<Memory>>,
    stopper: Stopper,
    workers: Vec<Thread>,
    admin: Option<Thread>,
    exporter: Option<Exporter>,
    /// Dropped when the data path has stopped.
    admin_stopper: Option<watch::Sender<()>>,
}

type Thread = JoinHandle<io::Result<usize>>;

/// Stops a proxy, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<watch::Sender<Option<Duration>>>, Admin);

impl Stopper {
    /// Tells the proxy to stop: no new connections; calls in flight have `grace` to finish. Returns at once.
    pub fn stop(&self, grace: Duration) {
        self.1.ready(false);
        self.0.send_if_modified(|told| {
            // A second order can only be more urgent.
            let urgent = told.is_none_or(|earlier| grace < earlier);
            if urgent {
                *told = Some(grace);
            }
            urgent
        });
    }
}

impl Proxy {
    /// Starts what `plan` says. Every address is taken before anything runs.
    ///
    /// # Errors
    ///
    /// [`StartError`] when an address cannot be had. Nothing is running then.
    pub fn start(plan: Plan) -> Result<Proxy, StartError> {
        Proxy::start_with(plan, Options::default())
    }

    /// As [`start`](Self::start), with `options`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(plan: Plan, options: Options) -> Result<Proxy, StartError> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = options.workers.unwrap_or_else(processors).max(1);
        let mut listeners = Vec::new();
        for address in &plan.listeners {
            listeners.push(bind::listen(*address, workers)?);
        }
        let identity = plan.admin.as_ref().and_then(|admin| admin.tls.as_ref()).map(Identity::read);
        let identity = identity.transpose().map_err(StartError::Tls)?;
        let admin = plan.admin.as_ref().map(|admin| bind::listen_admin(&admin.listen)).transpose()?;
        let local = |listener: &std::net::TcpListener| listener.local_addr().ok();
        let addresses = listeners.iter().filter_map(|each| local(each.first()?)).collect();
        let admin_address = admin.as_ref().and_then(bind::AdminListener::address);

        let backlog = plan.queue.as_ref().map(Backlog::open).transpose()?;
        let webhook = plan.queue.as_ref().and_then(|queue| queue.webhook.as_ref());
        let herald = webhook.map(Herald::new).transpose()?;
        let mut rng = Rng::seeded(RandomState::new().hash_one("proxy"));
        let most = Routes::most_circuits(&plan);
        let registry = Registry::with_clock(most, Clock::system(), rng.fork());
        let journal =
            Journal::start(options.journal.unwrap_or_else(to_stderr)).map_err(StartError::Thread)?;
        journal.follow(&registry, options.teller);
        // On a thread of its own: with many circuits to look at, no worker should.
        registry.start_timer();
        journal.set_level(plan.log);
        let mut operators = Admin::new(registry.clone()).max_series(plan.telemetry.max_series);
        if let Some(backlog) = &backlog {
            operators = operators.with_queue(Arc::new(backlog.store().clone()));
        }
        if let Some(admin) = &plan.admin {
            operators = admin::guarded(operators, admin, &journal)?;
        }
        let backing = Backing::new(&registry, &journal, backlog.as_ref());
        let routes = Arc::new(Routes::in_place_of(None, &plan, &backing));
        let path = plan.admin.as_ref().and_then(|admin| admin.state.as_ref());
        let memory = path.map(|path| Arc::new(Memory::new(path, &registry, &journal)));
        memory.iter().for_each(|memory| memory.recall());
        let standing = Standing::default();
        let (wards, wards_seen) = watch::channel(routes.wards.clone());
        let (deferring, deferring_seen) = watch::channel(Keeping::of(&plan, &routes.routes));
        let (identity, identity_seen) = watch::channel(identity);
        let (courses, courses_to_take): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let (jobs, jobs_to_do) = mpsc::unbounded_channel();
        let (sender, stop) = watch::channel(None);
        let shared = Shared {
            clock: registry.clock().clone(),
            journal: journal.clone(),
            draining: Arc::default(),
            places: Arc::new(Semaphore::new(plan.limits.max_connections)),
            backlog: backlog.clone(),
            jobs: Arc::new(Mutex::new(backlog.is_some().then_some(jobs_to_do))),
            stop: stop.clone(),
        };
        let course = Course { routes: routes.clone(), limits: plan.limits, taken: None };
        let ship = Ship {
            source: options.source,
            registry: registry.clone(),
            journal: journal.clone(),
            operators: operators.clone(),
            draining: shared.draining.clone(),
            stop: stop.clone(),
        };
        let queue = backlog.as_ref().map(|backlog| backlog.reader(standing.clone()));
        let otlp = plan.telemetry.otlp.clone();
        let state = State {
            first: plan.written.clone(),
            plan,
            backing,
            routes,
            workers: courses,
            wards,
            deferring,
            identity,
            queue,
        };
        let (admin_stopper, admin_stop) = watch::channel(());
        let mut proxy = Proxy {
            addresses,
            admin_address,
            registry: registry.clone(),
            journal,
            helm: Helm::new(ship, state),
            memory: memory.clone(),
            stopper: Stopper(Arc::new(sender), operators.clone()),
            workers: Vec::new(),
            admin: None,
            exporter: None,
            admin_stopper: Some(admin_stopper),
        };
        for (index, courses) in courses_to_take.into_iter().enumerate() {
            let own = listeners.iter_mut().filter_map(Vec::pop).collect();
            let (shared, course) = (shared.clone(), course.clone());
            let rng = SharedRng::new(rng.fork());
            // If this fails, the proxy is dropped, which stops those that run.
            let run = move || worker::run(shared, (course, courses), own, rng);
            proxy.workers.push(spawn(&format!("fusebox-{index}"), run)?);
        }
        drop(course);
        let with = (registry.clock().clone(), proxy.journal.clone(), rng.fork());
        proxy.workers.push(spawn("fusebox-health", move || health::run(wards_seen, with, stop))?);
        if let Some(memory) = memory {
            let stop = shared.stop.clone();
            proxy.workers.push(spawn("fusebox-state", move || memory.keep(stop))?);
        }
        if let Some(backlog) = backlog {
            let keeping = Keeping {
                routes: deferring_seen,
                clock: registry.clock().clone(),
                journal: proxy.journal.clone(),
                rng: rng.fork(),
                stop: shared.stop.clone(),
                backlog,
                jobs,
                herald,
                standing,
            };
            proxy.workers.push(spawn("fusebox-queue-replay", move || deferred::run(keeping))?);
        }
        if let Some(listener) = admin {
            let operators = operators.clone().with_controls(Arc::new(proxy.helm.clone()));
            operators.start();
            let on = (listener, identity_seen);
            proxy.admin = Some(spawn("fusebox-admin", move || admin::run(operators, on, admin_stop))?);
        }
        if let Some(plan) = &otlp {
            proxy.exporter = Some(telemetry::export(plan, &operators, &proxy.journal)?);
        }
        operators.ready(true);
        Ok(proxy)
    }

    /// Where clients connect, in the order of the plan. A port that was 0 is the one that was taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin interface listens; `None` when it is switched off.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The circuits.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What changes it while it runs, from any thread.
    pub fn helm(&self) -> Helm {
        self.helm.clone()
    }

    /// Where its lines go.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What stops it, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until a [`Stopper`] has stopped it. Answers how many connections had to be cut off.
    ///
    /// # Errors
    ///
    /// The first error that a worker could not live with.
    pub fn wait(mut self) -> io::Result<usize> {
        let mut cut_off = 0;
        for worker in std::mem::take(&mut self.workers) {
            cut_off += join(worker)?;
        }
        self.memory.iter().for_each(|memory| memory.save());
        self.helm.larders().iter().for_each(|larder| larder.flush());
        if let Some(exporter) = self.exporter.take() {
            exporter.shutdown();
        }
        self.admin_stopper = None;
        self.admin.take().map(join).transpose()?;
        self.journal.flush();
        Ok(cut_off)
    }

    /// Stops it: no new connections, `grace` for calls in flight. Answers how many connections had to be cut off.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn shutdown(self, grace: Duration) -> io::Result<usize> {
        self.stopper.stop(grace);
        self.wait()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopper.stop(Duration::ZERO);
    }
}

fn spawn(name: &str, run: impl FnOnce() -> io::Result<usize> + Send + 'static) -> Result<Thread, StartError> {
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(StartError::Thread)
}

fn join(thread: Thread) -> io::Result<usize> {
    thread.join().map_err(|_| io::Error::other("a thread of the proxy panicked"))?
}

#[expect(clippy::print_stderr, reason = "the journal's default place")]
fn to_stderr() -> Sink {
    Arc::new(|line| eprintln!("{line}"))
}
