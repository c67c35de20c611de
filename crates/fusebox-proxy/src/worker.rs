//! A worker: one thread, one runtime, its own listeners and its own connections to endpoints.
//!
//! Workers share the circuits and nothing else, so that what one core does costs the others nothing.

use crate::alarm::pause;
use crate::config::Limits;
use crate::deferred::{self, Backlog, Job};
use crate::dial::Book;
use crate::guests::Guests;
use crate::journal::Journal;
use crate::lane::Lane;
use crate::pool::Pool;
use crate::routes::Routes;
use crate::session;
use fusebox::{Clock, Time};
use fusebox_core::SharedRng;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

/// How often idle connections are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting rests when the process has run out of something.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What every worker gets.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    /// Clients are asked to go elsewhere.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) places: Arc<Semaphore>,
    /// Where calls are kept that are made later.
    pub(crate) backlog: Option<Arc<Backlog>>,
    /// The calls that one of the workers makes for it.
    pub(crate) jobs: Arc<Mutex<Option<mpsc::UnboundedReceiver<Job>>>>,
    /// The grace, once the proxy is to stop.
    pub(crate) stop: watch::Receiver<Option<Duration>>,
}

/// What the workers run on, until there is another.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) routes: Arc<Routes>,
    pub(crate) limits: Limits,
    /// Every worker that has it from now on says so.
    pub(crate) taken: Option<std::sync::mpsc::Sender<()>>,
}

/// What one worker's tasks share.
pub(crate) struct Worker {
    lanes: RefCell<Vec<Rc<Lane>>>,
    pub(crate) rng: SharedRng,
    limits: Cell<Limits>,
    pub(crate) pool: Pool,
    pub(crate) book: Book,
    pub(crate) guests: Guests,
    pub(crate) backlog: Option<Arc<Backlog>>,
    pub(crate) journal: Journal,
    draining: Arc<AtomicBool>,
    clock: Clock,
}

impl Worker {
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The bounds on connections.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Whether clients are asked to go elsewhere.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Has these routes from now on. Calls under way keep theirs to their end.
    fn follow(&self, course: &Course) {
        self.limits.set(course.limits);
        self.pool.follow(&course.routes.harbour);
        self.book.let_go(|authority| course.routes.harbour.is_at(authority));
        let lanes = course.routes.routes.iter().map(|route| Rc::new(Lane::new(route))).collect();
        drop(self.lanes.replace(lanes));
    }

    /// The route of a service's own match.
    pub(crate) fn own_lane(&self, service: &str) -> Option<Rc<Lane>> {
        self.lanes.borrow().iter().find(|lane| *lane.route.name == *service).cloned()
    }

    /// The most specific route for `host` and `path`.
    pub(crate) fn lane(&self, host: Option<&str>, path: &str) -> Option<Rc<Lane>> {
        let lowered = host.filter(|host| host.bytes().any(|byte| byte.is_ascii_uppercase()));
        let lowered = lowered.map(str::to_ascii_lowercase);
        let host = lowered.as_deref().or(host);
        self.lanes.borrow().iter().find(|lane| lane.route.matches.accepts(host, path)).cloned()
    }
}

/// Serves `listeners` until told to stop. Answers how many connections had to be cut off.
pub(crate) fn run(
    shared: Shared,
    (first, courses): (Course, mpsc::UnboundedReceiver<Course>),
    listeners: Vec<TcpListener>,
    rng: SharedRng,
) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker {
        lanes: RefCell::default(),
        clock: shared.clock,
        rng,
        limits: Cell::new(first.limits),
        pool: Pool::default(),
        book: Book::default(),
        guests: Guests::default(),
        backlog: shared.backlog,
        journal: shared.journal,
        draining: shared.draining,
    });
    worker.follow(&first);
    let bell = first.routes.harbour.bell();
    drop(first);
    let local = LocalSet::new();
    let cut_off = local.block_on(&runtime, async move {
        spawn_local(sweep(worker.clone()));
        spawn_local(make_way(worker.clone(), bell));
        spawn_local(change_course(worker.clone(), courses));
        let jobs = shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(jobs) = jobs {
            spawn_local(make_deferred(worker.clone(), jobs));
        }
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(spawn_local(accept(worker.clone(), listener, shared.places.clone())));
        }
        let mut stop = shared.stop;
        let told = stop.wait_for(Option::is_some).await.map(|grace| *grace);
        let grace = told.ok().flatten().unwrap_or_default();
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        worker.guests.close();
        let (mut gone, mut over) = (std::pin::pin!(worker.guests.all_gone()), std::pin::pin!(pause(grace)));
        tokio::select! {
            () = &mut gone => {}
            () = &mut over => {}
        }
        Ok(worker.guests.present())
    });
    drop(local);
    // A resolver that hangs keeps nobody waiting.
    runtime.shutdown_background();
    cut_off
}

async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener, places: Arc<Semaphore>) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            // That client had left already.
            Err(error) if is_clients(&error) => continue,
            // Out of descriptors or memory: those who are being served will give some back.
            Err(_) => {
                pause(EXHAUSTED).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        // At the limit the newcomer waits here, and the others behind it in the listener's queue.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let worker = worker.clone();
        spawn_local(async move {
            session::serve(worker, stream, client).await;
            drop(place);
        });
    }
}

fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Takes new routes as they come.
async fn change_course(worker: Rc<Worker>, mut courses: mpsc::UnboundedReceiver<Course>) {
    while let Some(course) = courses.recv().await {
        worker.follow(&course);
        // Whoever has changed them may have given up waiting.
        if let Some(taken) = course.taken {
            let _ = taken.send(());
        }
    }
}

/// Closes what rests here while calls of other workers wait for a connection.
async fn make_way(worker: Rc<Worker>, mut bell: watch::Receiver<()>) {
    while bell.changed().await.is_ok() {
        worker.pool.make_way();
    }
}

/// Makes deferred calls as they come.
async fn make_deferred(worker: Rc<Worker>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        spawn_local(deferred::make(worker.clone(), job));
    }
}

async fn sweep(worker: Rc<Worker>) {
    loop {
        pause(SWEEP).await;
        worker.pool.sweep(worker.now());
    }
}
