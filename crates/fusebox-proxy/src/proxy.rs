//! The proxy as a whole: started, running, stopped.

use crate::admin;
use crate::backing::Backing;
use crate::bind::{self, StartError};
use crate::config::Plan;
use crate::deferred::{self, Backlog, Herald, Keeping, Standing};
use crate::health;
use crate::journal::{Journal, Sink};
use crate::kept::Larder;
use crate::routes::Routes;
use crate::telemetry;
use crate::worker::{self, Shared};
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
    /// Where a line goes for every change of a circuit. Default: standard error.
    pub journal: Option<Sink>,
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
    larders: Vec<Arc<Larder>>,
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
        let admin = plan.admin.map(bind::listen_admin).transpose()?;
        let local = |listener: &std::net::TcpListener| listener.local_addr().ok();
        let addresses = listeners.iter().filter_map(|each| local(each.first()?)).collect();
        let admin_address = admin.as_ref().and_then(local);

        let backlog = plan.queue.as_ref().map(Backlog::open).transpose()?;
        let webhook = plan.queue.as_ref().and_then(|queue| queue.webhook.as_ref());
        let herald = webhook.map(Herald::new).transpose()?;
        let mut rng = Rng::seeded(RandomState::new().hash_one("proxy"));
        let most = Routes::most_circuits(&plan);
        let registry = Registry::with_clock(most, Clock::system(), rng.fork());
        let journal =
            Journal::start(options.journal.unwrap_or_else(to_stderr)).map_err(StartError::Thread)?;
        journal.follow(&registry);
        // On a thread of its own: with many circuits to look at, no worker should.
        registry.start_timer();
        let operators = Admin::new(registry.clone()).max_series(plan.telemetry.max_series);
        let mut routes = Routes::new(&plan, &Backing::new(&registry, &journal, backlog.as_ref()));
        let larders = routes.larders();
        let wards = std::mem::take(&mut routes.wards);
        let routes = Arc::new(routes);
        let standing = Standing::default();
        let mut subjects = routes.subjects();
        subjects.queues =
            backlog.as_ref().map(|backlog| backlog.reader(standing.clone())).into_iter().collect();
        let operators = operators.with(subjects);
        let operators = match &backlog {
            Some(backlog) => operators.with_queue(Arc::new(backlog.store().clone())),
            None => operators,
        };
        let (jobs, jobs_to_do) = mpsc::unbounded_channel();
        let (sender, stop) = watch::channel(None);
        let shared = Shared {
            routes,
            clock: registry.clock().clone(),
            places: Arc::new(Semaphore::new(plan.limits.max_connections)),
            limits: plan.limits.clone(),
            backlog: backlog.clone(),
            jobs: Arc::new(Mutex::new(backlog.is_some().then_some(jobs_to_do))),
            stop: stop.clone(),
        };
        let stopper = Stopper(Arc::new(sender), operators.clone());
        let (admin_stopper, admin_stop) = watch::channel(());
        let mut proxy = Proxy {
            addresses,
            admin_address,
            registry: registry.clone(),
            journal,
            larders,
            stopper,
            workers: Vec::new(),
            admin: None,
            exporter: None,
            admin_stopper: Some(admin_stopper),
        };
        for index in 0..workers {
            let own = listeners.iter_mut().filter_map(Vec::pop).collect();
            let (shared, rng) = (shared.clone(), SharedRng::new(rng.fork()));
            // If this fails, the proxy is dropped, which stops those that run.
            let run = move || worker::run(shared, own, rng);
            proxy.workers.push(spawn(&format!("fusebox-{index}"), run)?);
        }
        if !wards.is_empty() {
            let with = (registry.clock().clone(), proxy.journal.clone(), rng.fork());
            proxy.workers.push(spawn("fusebox-health", move || health::run(wards, with, stop))?);
        }
        if let Some(backlog) = backlog {
            let keeping = Keeping {
                routes: Keeping::of(&plan, &shared.routes.routes),
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
            operators.start();
            let operators = operators.clone();
            proxy.admin = Some(spawn("fusebox-admin", move || admin::run(operators, listener, admin_stop))?);
        }
        if let Some(plan) = &plan.telemetry.otlp {
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
        self.larders.iter().for_each(|larder| larder.flush());
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
