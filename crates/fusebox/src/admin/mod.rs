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

mod answer;
mod asked;
mod circuits;
mod failures;
mod guard;
mod history;
mod latency;
mod left_closed;
mod metrics;
mod pipelines;
mod queue;
mod serve;
mod wall;
mod watch;

pub use answer::Answer;
pub use asked::{Asked, Peer};
pub use serve::{Body, LONGEST_BODY, Service};

use crate::pipeline::Pipeline;
use crate::telemetry::Subjects;
use crate::{CircuitBreaker, Registry};
use answer::{INDEX, Problem};
use fusebox_queue::QueueStore;
use left_closed::LeftClosed;
use metrics::Series;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use watch::{Feed, Subject, Watch};

/// Answers admin requests about the circuits of one registry. A cheap handle: clones answer alike.
#[derive(Clone)]
pub struct Admin {
    registry: Registry,
    ready: Arc<AtomicBool>,
    subjects: Arc<Subjects>,
    left_closed: LeftClosed,
    series: Arc<Series>,
    queue: Option<Arc<dyn QueueStore>>,
    watch: Watch,
    instance: Arc<str>,
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
            subjects: Arc::default(),
            left_closed,
            series: Arc::default(),
            queue: None,
            instance: format!("pid {}", std::process::id()).into(),
            watch,
        }
    }

    /// Also answers about whatever else counts, each named by its service. In the metrics, policies of the same service are
    /// told together, and one that several pipelines share is counted once.
    #[must_use]
    pub fn with(self, subjects: Subjects) -> Admin {
        Admin { subjects: Arc::new(subjects), ..self }
    }

    /// Also tells of every policy in this pipeline, which belongs to `service`.
    #[must_use]
    pub fn pipeline(self, service: impl Into<String>, pipeline: &Pipeline) -> Admin {
        let mut subjects = Subjects::clone(&self.subjects);
        subjects.pipelines.push((service.into(), Arc::new(pipeline.clone())));
        self.with(subjects)
    }

    /// Also answers about this store of deferred calls, and does to it what operators order.
    #[must_use]
    pub fn with_queue(self, store: Arc<dyn QueueStore>) -> Admin {
        Admin { queue: Some(store), ..self }
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
    }

    /// As [`answer`](Self::answer), for requests that may change something, and only to those whom no foreign page has sent. What waits
    /// for a store is waited for here.
    pub async fn respond(&self, asked: Asked<'_>) -> Answer {
        if let Err(problem) = asked.check() {
            return problem.answer();
        }
        let rest =
            asked.path().strip_prefix("/queue").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (rest, &self.queue) {
            (Some(rest), Some(store)) => {
                queue::answer(store, (asked.method, rest, asked.query()), asked.body).await
            }
            (Some(_), None) => Problem::no_queue().answer(),
            (None, _) => self.answer(asked.method, asked.target),
        }
    }

    /// The stream of events that is asked for.
    pub(crate) fn follow(&self, asked: &Asked<'_>) -> Result<Feed, Answer> {
        asked.check().map_err(|problem| problem.answer())?;
        let feed = self.watch.feed(&self.subject(), &self.instance, asked.last_event);
        feed.ok_or_else(|| Problem::too_many_readers().answer().with("retry-after", "5"))
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

    /// The answer to a request: its method, and its path with or without a query, percent-encoded as it came.
    ///
    /// The answer to `HEAD` is that to `GET`: the server leaves the body away and keeps its length, as HTTP servers do.
    pub fn answer(&self, method: &str, path: &str) -> Answer {
        if !matches!(method, "GET" | "HEAD") {
            return Answer::method_not_allowed();
        }
        let asked = Asked { method, target: path, ..Asked::default() };
        let path = asked.path();
        match path {
            "/" => Answer::text(200, INDEX),
            "/healthz" => Answer::text(200, "ok\n"),
            "/readyz" if self.ready.load(Relaxed) => Answer::text(200, "ready\n"),
            "/readyz" => Answer::text(503, "not ready\n"),
            "/metrics" => Answer::metrics(self.metrics()),
            "/circuits" => Answer::json(200, &circuits::all(&self.registry, &self.circuits_from())),
            // A stream: whoever asks for it by `GET` gets one from `handle`.
            "/events" => Answer::only("GET"),
            "/overrides" => Answer::json(200, &history::overrides(&self.registry)),
            "/pipelines" => Answer::json(200, &pipelines::all(&self.subjects, self.registry.clock())),
            _ => match path[1.min(path.len())..].split_once('/') {
                Some(("circuits", name)) => self.of(name, |circuit| self.circuit(circuit)),
                Some(("latency", name)) => self.of(name, |circuit| Answer::json(200, &latency::one(circuit))),
                Some(("failures", name)) => {
                    self.of(name, |circuit| Answer::json(200, &failures::one(circuit)))
                }
                Some(("history", name)) => self.of(name, |circuit| self.history(circuit, asked.query())),
                _ => Problem::no_such_path(path).answer(),
            },
        }
    }

    /// What `answer` says of the circuit with this percent-encoded name.
    fn of(&self, encoded: &str, answer: impl FnOnce(&CircuitBreaker) -> Answer) -> Answer {
        // What is no UTF-8 names no circuit: names are text.
        let found = percent_decode_str(encoded).decode_utf8().ok().and_then(|name| self.registry.find(&name));
        match found {
            Some(circuit) => answer(&circuit),
            None => Problem::no_such_circuit(&percent_decode_str(encoded).decode_utf8_lossy()).answer(),
        }
    }

    fn circuit(&self, circuit: &CircuitBreaker) -> Answer {
        let (told, revision) = circuits::one(circuit, &self.circuits_from());
        Answer::json(200, &told).with("etag", format!("\"{revision}\""))
    }

    fn history(&self, circuit: &CircuitBreaker, query: &str) -> Answer {
        match history::of(&self.watch, &self.subject(), circuit, query) {
            Ok(told) => Answer::json(200, &told),
            Err(problem) => problem.answer(),
        }
    }

    fn circuits_from(&self) -> circuits::From<'_> {
        circuits::From {
            wall: wall::Wall::read(self.registry.clock().now()),
            left_closed: &self.left_closed,
            watch: &self.watch,
        }
    }

    fn metrics(&self) -> String {
        metrics::text(&self.registry, &self.left_closed, &self.series, &self.subjects)
    }
}
