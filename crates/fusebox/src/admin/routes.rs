//! Every path there is, with which methods, and who may ask for it. What is not in this table does not exist.

use super::access::Scope;
use std::sync::LazyLock;

/// A path of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path; what stands in braces is a name or a number, and a name may hold slashes.
    pub path: &'static str,
    /// Whether it is read, with `GET` and `HEAD`, and the scope that takes; `Some(None)` is read by anybody.
    pub read: Option<Option<Scope>>,
    /// Whether it is changed, with `POST`. That takes [`Scope::Operate`].
    pub change: bool,
    about: &'static str,
    pub(super) place: Place,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Index,
    Page,
    OpenApi,
    Healthz,
    Readyz,
    Metrics,
    Circuits,
    Circuit,
    Histories,
    History,
    Latency,
    Failures,
    Events,
    Overrides,
    Override,
    Pipelines,
    Queues,
    QueueItems,
    QueueItem,
    QueueAudit,
    QueueOrders,
    Config,
    Reload,
    Drain,
    LogLevel,
    Audit,
    WhoAmI,
}

impl Place {
    /// Whether a store of deferred calls is asked.
    pub(super) fn is_of_queue(self) -> bool {
        use Place::{QueueAudit, QueueItem, QueueItems, QueueOrders, Queues};
        matches!(self, Queues | QueueItems | QueueItem | QueueAudit | QueueOrders)
    }
}

impl Route {
    const fn read(path: &'static str, place: Place, scope: Option<Scope>, about: &'static str) -> Route {
        Route { path, read: Some(scope), change: false, about, place }
    }

    const fn change(path: &'static str, place: Place, about: &'static str) -> Route {
        Route { path, read: None, change: true, about, place }
    }

    /// What follows the fixed part of this route in `path`; `None` if `path` is another.
    fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.path.split_once('{') {
            Some((fixed, _)) => path.strip_prefix(fixed).filter(|rest| !rest.is_empty()),
            None => (path == self.path).then_some(""),
        }
    }

    /// The methods, as the `Allow` header has them.
    pub fn allow(&self) -> &'static str {
        match (self.read.is_some(), self.change) {
            (true, true) => "GET, HEAD, POST",
            (false, true) => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether it tells only that the process is there, so that anybody under any name may ask at any rate.
    pub(super) fn is_health(&self) -> bool {
        matches!(self.place, Place::Healthz | Place::Readyz)
    }

    /// The scope that `method` takes; `Err` when there is no such method here.
    pub(super) fn scope(&self, method: &str) -> Result<Option<Scope>, NoSuchMethod> {
        match method {
            "GET" | "HEAD" => self.read.ok_or(NoSuchMethod),
            "POST" if self.change => Ok(Some(Scope::Operate)),
            _ => Err(NoSuchMethod),
        }
    }
}

/// The path has no such method.
pub(super) struct NoSuchMethod;

const ANYBODY: Option<Scope> = None;
const READ: Option<Scope> = Some(Scope::Read);
const OPERATE: Option<Scope> = Some(Scope::Operate);

/// The table.
pub(super) const ROUTES: &[Route] = &[
    Route::read("/", Place::Index, ANYBODY, "this list; to a browser, the dashboard"),
    Route::read("/page/{file}", Place::Page, ANYBODY, "the dashboard's own scripts and styles"),
    Route::read("/circuits", Place::Circuits, READ, "every circuit, JSON"),
    Route::read("/circuits/{name}", Place::Circuit, READ, "one circuit, JSON; percent-encode the name"),
    Route::read("/history", Place::Histories, READ, "what happened to all of them, JSON"),
    Route::read("/history/{name}", Place::History, READ, "what happened to it in the last 24 hours, JSON"),
    Route::read("/latency/{name}", Place::Latency, READ, "how long its calls take, JSON"),
    Route::read("/failures/{name}", Place::Failures, READ, "how its calls fail, and the last that did, JSON"),
    Route::read("/overrides", Place::Overrides, READ, "what operators hold, JSON"),
    Route::change("/overrides/{name}", Place::Override, "POST: hold, reset or release a circuit"),
    Route::read("/events", Place::Events, READ, "what happens, as it happens: server-sent events"),
    Route::read("/pipelines", Place::Pipelines, READ, "each service's policies in order, JSON"),
    Route::read("/queue", Place::Queues, READ, "queues of deferred calls, JSON"),
    Route::read("/queue/items", Place::QueueItems, READ, "deferred calls, JSON"),
    Route::read("/queue/items/{id}", Place::QueueItem, READ, "one deferred call, JSON"),
    Route::read("/queue/audit", Place::QueueAudit, READ, "what was done to them, JSON"),
    Route::change("/queue/orders", Place::QueueOrders, "POST: do something to them"),
    Route::read("/config", Place::Config, READ, "the configuration in force, JSON"),
    Route::change("/reload", Place::Reload, "POST: read the configuration again"),
    Route::change("/drain", Place::Drain, "POST: take no new calls, or take them again"),
    Route {
        change: true,
        ..Route::read("/log-level", Place::LogLevel, READ, "what is logged; POST: log more or less")
    },
    Route::read("/audit", Place::Audit, OPERATE, "who changed or tried to change what, JSON"),
    Route::read("/whoami", Place::WhoAmI, READ, "who is asking, JSON"),
    Route::read("/openapi.json", Place::OpenApi, ANYBODY, "all of this for machines, OpenAPI 3.1"),
    Route::read("/metrics", Place::Metrics, READ, "Prometheus text format"),
    Route::read("/healthz", Place::Healthz, ANYBODY, "200 while the process answers"),
    Route::read("/readyz", Place::Readyz, ANYBODY, "200 when calls are taken, else 503"),
];

/// The route of `path`, and what fills its braces.
pub(super) fn find(path: &str) -> Option<(&'static Route, &str)> {
    ROUTES.iter().find_map(|route| Some((route, route.rest(path)?)))
}

/// Every path, for who has asked for another.
pub(super) static PATHS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ROUTES.iter().map(|route| route.path).collect());

/// What `/` says.
pub(super) static INDEX: LazyLock<String> = LazyLock::new(|| {
    let lines = ROUTES.iter().map(|route| format!("{:<18}  {}\n", route.path, route.about));
    format!("fusebox admin\n\n{}", lines.collect::<String>())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_place() {
        let place = |path| find(path).map(|(route, rest)| (route.place, rest));
        assert_eq!(place("/circuits"), Some((Place::Circuits, "")));
        assert_eq!(place("/circuits/a/b"), Some((Place::Circuit, "a/b")));
        assert_eq!(place("/overrides/a"), Some((Place::Override, "a")));
        assert_eq!(place("/queue/items/7"), Some((Place::QueueItem, "7")));
        for path in ["/circuits/", "/metrics/", "", "circuits", "/queue/item", "/queues", "*"] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
