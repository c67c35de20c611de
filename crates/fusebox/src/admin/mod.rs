//! What operators ask of fusebox, answered without I/O.
//!
//! [`Admin::answer`] takes a method and a path and gives back a status and a body; any HTTP server can carry it. The
//! proxy mounts it on its admin listener, an application in its own server. Everything is computed when it is asked
//! for, so a circuit whose wait has passed without traffic reads as half-open and not as open.
//!
//! ```
//! use fusebox::Registry;
//! use fusebox::admin::Admin;
//!
//! let registry = Registry::default();
//! registry.circuit("payments");
//! let admin = Admin::new(registry);
//! admin.ready(true);
//!
//! let answer = admin.answer("GET", "/metrics");
//! assert_eq!((answer.status, answer.content_type), (200, "text/plain; version=0.0.4; charset=utf-8"));
//! assert!(answer.body.contains(r#"circuit_breaker_state{circuit_name="payments",service="payments"} 0"#));
//! ```
//!
//! Shapes, units and the meaning of every metric stand in `docs/admin.md`.

mod access;
mod answer;
mod asked;
pub mod audit;
mod circuits;
mod controls;
mod exporting;
mod failures;
mod gate;
mod held;
mod history;
mod latency;
mod left_closed;
mod metrics;
mod orders;
mod page;
mod pipelines;
mod queue;
mod routes;
mod serve;
mod wall;
mod watch;

pub use access::{Access, Scope, TokenFileError};
pub use answer::Answer;
pub use asked::{Asked, Peer};
pub use controls::{ConfigShown, Controls, Level, Reloaded};
pub use routes::Route;
pub use serve::{Body, LONGEST_BODY, Service};

use crate::pipeline::Pipeline;
use crate::telemetry::Subjects;
use crate::{CircuitBreaker, Registry};
use access::Caller;
use access::lease::Lease;
use access::limits::Limits;
use answer::Problem;
use audit::Audit;
use fusebox_queue::QueueStore;
use gate::{Admitted, Underway};
use held::Held;
use left_closed::LeftClosed;
#[cfg(feature = "otlp")]
pub(crate) use metrics::Export;
use metrics::{Exports, Series};
use percent_encoding::percent_decode_str;
use routes::Place;
use serde_json::json;
use serve::Stream;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use watch::{Subject, Watch};

/// All of the interface for machines.
const OPENAPI: &str = include_str!("openapi.json");

/// Answers admin requests about the circuits of one registry. A cheap handle: clones answer alike.
#[derive(Clone)]
pub struct Admin {
    registry: Registry,
    ready: Arc<AtomicBool>,
    subjects: Held,
    left_closed: LeftClosed,
    series: Arc<Series>,
    exports: Arc<Exports>,
    queue: Option<Arc<dyn QueueStore>>,
    watch: Watch,
    instance: Arc<str>,
    controls: Arc<dyn Controls>,
    access: Access,
    limits: Arc<Limits>,
    audit: Audit,
    /// One order at a time.
    orders: Arc<Mutex<()>>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("registry", &self.registry)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Answers about the circuits of `registry`, those made later too. Not [`ready`](Self::ready) yet.
    ///
    /// It listens to the registry's events to know how long a circuit has not been closed: make it before the first
    /// call, and once.
    pub fn new(registry: Registry) -> Admin {
        let left_closed = LeftClosed::follow(&registry);
        let watch = Watch::follow(&registry);
        registry.start_recording();
        Admin {
            registry,
            ready: Arc::default(),
            subjects: Held::default(),
            left_closed,
            series: Arc::default(),
            exports: Arc::default(),
            queue: None,
            instance: format!("pid {}", std::process::id()).into(),
            watch,
            controls: Arc::new(controls::Nothing),
            access: Access::default(),
            limits: Arc::default(),
            audit: Audit::in_memory(),
            orders: Arc::default(),
        }
    }

    /// Also answers about whatever else counts, each named by its service. In the metrics, policies of the same service are
    /// told together, and one that several pipelines share is counted once.
    #[must_use]
    pub fn with(self, subjects: Subjects) -> Admin {
        self.show(subjects);
        self
    }

    /// Answers about these subjects instead, through this handle and its clones, and forgets what it knew of circuits that
    /// the registry has let go of.
    pub fn show(&self, subjects: Subjects) {
        self.subjects.replace(subjects);
        self.left_closed.forget_gone(&self.registry);
    }

    /// Also tells of every policy in this pipeline, which belongs to `service`.
    #[must_use]
    pub fn pipeline(self, service: impl Into<String>, pipeline: &Pipeline) -> Admin {
        let mut subjects = Subjects::clone(&self.subjects.read());
        subjects.pipelines.push((service.into(), Arc::new(pipeline.clone())));
        self.with(subjects)
    }

    /// Also answers about this store of deferred calls, and does to it what operators order.
    #[must_use]
    pub fn with_queue(self, store: Arc<dyn QueueStore>) -> Admin {
        Admin { queue: Some(store), ..self }
    }

    /// Also does what operators ask of the process itself: reload, drain, log level.
    #[must_use]
    pub fn with_controls(self, controls: Arc<dyn Controls>) -> Admin {
        Admin { controls, ..self }
    }

    /// Answers by these rules who may ask for what, instead of the default ones.
    #[must_use]
    pub fn with_access(self, access: Access) -> Admin {
        Admin { access, ..self }
    }

    /// Writes down what operators do in this trail, instead of one that ends with the process.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Admin {
        Admin { audit, ..self }
    }

    /// What this process is called where several are looked at. Default: its process id.
    #[must_use]
    pub fn named(self, instance: impl Into<Arc<str>>) -> Admin {
        Admin { instance: instance.into(), ..self }
    }

    /// Starts the thread that follows the circuits, once: rates, histories and `/events` need it. [`service`](Self::service) does so too.
    pub fn start(&self) {
        self.watch.start(self.subject());
    }

    /// Keeps what happens to circuits in the file at `path`, so that `/history` reaches over restarts; a day of it is taken up. The file is
    /// its owner's alone and grows to 32 MiB before it is written anew with what is recent.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or written.
    pub fn keep_history(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.watch.keep(path, &wall::Wall::read(self.registry.clock().now()))
    }

    /// Looks at the circuits now, as the thread that [`start`](Self::start) starts does by itself. For tests in virtual time.
    pub fn look(&self) {
        self.watch.look(&self.subject());
        self.watch.write_down();
    }

    /// Every path there is, and who may ask for it.
    pub fn routes() -> &'static [Route] {
        routes::ROUTES
    }

    /// As [`answer`](Self::answer), for requests of whoever reaches the server: they are let in by the rules of [`Access`], and may change
    /// something. What waits for a store is waited for here.
    pub async fn respond(&self, asked: Asked<'_>) -> Answer {
        let mut underway = self.begin(asked);
        let answered = match self.admit(&mut underway) {
            Ok(admitted) => self.carry_out(&admitted, &mut underway).await,
            Err(problem) => Err(problem),
        };
        self.finish(underway, answered)
    }

    async fn carry_out(
        &self,
        admitted: &Admitted<'_>,
        underway: &mut Underway<'_>,
    ) -> Result<Answer, Problem> {
        let Admitted { caller, route, rest } = admitted;
        let asked = &underway.asked;
        match route.place {
            place if place.is_of_queue() => {
                let store = self.queue.as_ref().ok_or_else(Problem::no_queue)?;
                queue::answer(self, store, (place, rest), asked, caller, &mut underway.draft).await
            }
            place if asked.is_change() => self.order(place, rest, (asked, caller), &mut underway.draft),
            Place::Index | Place::Page => page::answer(asked),
            Place::Metrics => Ok(self.metrics(asked.accept)),
            place => self.read(place, rest, asked.query(), caller),
        }
    }

    /// The stream of events that is asked for.
    pub(super) fn follow(&self, asked: Asked<'_>) -> Result<Stream, Answer> {
        let mut underway = self.begin(asked);
        let stream = self.admit(&mut underway).and_then(|admitted| {
            let feed = self.watch.feed(&self.subject(), &self.instance, asked.last_event);
            let feed = feed.ok_or_else(Problem::too_many_readers)?;
            Ok((feed, Lease::new(&self.access, &asked, admitted.caller, self.registry.clock())))
        });
        match stream {
            Ok((feed, lease)) => Ok(Stream { feed, lease, id: underway.id }),
            Err(problem) => Err(self.finish(underway, Err(problem))),
        }
    }

    /// The answer to a request whose body is broken or too long.
    pub(super) fn refuse_body(&self, asked: Asked<'_>) -> Answer {
        let mut underway = self.begin(asked);
        let answered = self.admit(&mut underway).and(Err(Problem::too_long(LONGEST_BODY)));
        self.finish(underway, answered)
    }

    fn subject(&self) -> Subject {
        Subject {
            registry: self.registry.clone(),
            subjects: self.subjects.clone(),
            left_closed: self.left_closed.clone(),
        }
    }

    /// What `/readyz` says from now on, through this handle and its clones.
    pub fn ready(&self, ready: bool) {
        self.ready.store(ready, Relaxed);
    }

    /// The answer to a request that only reads, of somebody who may: its method, and its path with or without a query, percent-encoded as
    /// it came. What a store of deferred calls is asked for, and the stream of events, are not answered here.
    ///
    /// The answer to `HEAD` is that to `GET`: the server leaves the body away and keeps its length, as HTTP servers do.
    pub fn answer(&self, method: &str, path: &str) -> Answer {
        if !matches!(method, "GET" | "HEAD") {
            return Problem::only("GET, HEAD").answer();
        }
        let asked = Asked { method, target: path, ..Asked::default() };
        let path = asked.path();
        let answered = match routes::find(path) {
            Some((route, _)) if route.read.is_none() => Err(Problem::only(route.allow())),
            Some((route, rest)) => {
                self.read(route.place, rest, asked.query(), &Caller::unnamed(Scope::Operate))
            }
            None => Err(Problem::no_such_path(path)),
        };
        answered.unwrap_or_else(Problem::answer)
    }

    fn read(&self, place: Place, rest: &str, query: &str, caller: &Caller) -> Result<Answer, Problem> {
        Ok(match place {
            Place::Index => Answer::index(),
            Place::Page => return Err(Problem::no_such_path("/page")),
            Place::Healthz => Answer::text(200, "ok\n"),
            Place::Readyz if self.ready.load(Relaxed) => Answer::text(200, "ready\n"),
            Place::Readyz => Answer::text(503, "not ready\n"),
            Place::OpenApi => Answer::new(200, "application/json", OPENAPI),
            Place::Metrics => self.metrics(None),
            Place::Circuits => Answer::json(200, &circuits::all(&self.registry, &self.circuits_from())),
            Place::Circuit => self.circuit(&self.find(rest)?),
            Place::Histories => self.history(None, query)?,
            Place::History => self.history(Some(&self.find(rest)?), query)?,
            Place::Latency => Answer::json(200, &latency::one(&self.find(rest)?)),
            Place::Failures => Answer::json(200, &failures::one(&self.find(rest)?)),
            Place::Overrides => Answer::json(200, &history::overrides(&self.registry)),
            Place::Pipelines => {
                Answer::json(200, &pipelines::all(&self.subjects.read(), self.registry.clock()))
            }
            Place::Config => self.config()?,
            Place::LogLevel => self.log_level()?,
            Place::Audit => Answer::json(200, &history::audit(&self.audit, &self.registry, query)?),
            Place::WhoAmI => Answer::json(200, &self.who(caller)),
            // A stream: whoever asks for it by `GET` gets one from `handle`.
            Place::Events => return Err(Problem::only("GET")),
            Place::Queues | Place::QueueItems | Place::QueueItem | Place::QueueAudit | Place::QueueOrders => {
                return Err(Problem::no_queue());
            }
            Place::Override | Place::Reload | Place::Drain => return Err(Problem::only("POST")),
        })
    }

    /// The circuit with this percent-encoded name.
    fn find(&self, encoded: &str) -> Result<CircuitBreaker, Problem> {
        let name = percent_decode_str(encoded);
        // What is no UTF-8 names no circuit: names are text.
        let found = name.clone().decode_utf8().ok().and_then(|name| self.registry.find(&name));
        found.ok_or_else(|| Problem::no_such_circuit(&name.decode_utf8_lossy()))
    }

    fn circuit(&self, circuit: &CircuitBreaker) -> Answer {
        let (told, revision) = circuits::one(circuit, &self.circuits_from());
        Answer::json(200, &told).with("etag", format!("\"{revision}\""))
    }

    fn history(&self, circuit: Option<&CircuitBreaker>, query: &str) -> Result<Answer, Problem> {
        Ok(Answer::json(200, &history::of(&self.watch, &self.subject(), circuit, query)?))
    }

    fn config(&self) -> Result<Answer, Problem> {
        let none = || Problem::not_found("this process has no configuration to show");
        let ConfigShown { source, text } = self.controls.config().ok_or_else(none)?;
        let wall = wall::Wall::read(self.registry.clock().now());
        let generated_at = wall.rfc3339(wall.now());
        Ok(Answer::json(200, &json!({ "generated_at": generated_at, "source": source, "text": text })))
    }

    fn log_level(&self) -> Result<Answer, Problem> {
        let level = self.controls.log_level();
        let level = level.ok_or_else(|| Problem::not_here("its log has no level to change"))?;
        Ok(Answer::json(200, &json!({ "level": level })))
    }

    fn who(&self, caller: &Caller) -> serde_json::Value {
        json!({
            "name": caller.name,
            "scope": caller.scope.as_str(),
            "authentication": if caller.name.is_some() { "token" } else { "none" },
            "version": env!("CARGO_PKG_VERSION"),
            "instance": &*self.instance,
        })
    }

    fn circuits_from(&self) -> circuits::From<'_> {
        circuits::From {
            wall: wall::Wall::read(self.registry.clock().now()),
            left_closed: &self.left_closed,
            watch: &self.watch,
        }
    }
}
