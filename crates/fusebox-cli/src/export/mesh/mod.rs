//! `fusebox export envoy|istio|linkerd`: the nearest that a mesh can do, and what it cannot.
//!
//! A mesh ejects an endpoint and takes it back; that is most of a circuit breaker and none of its answers. Each file
//! begins with a table that says for every setting in force what it has become and what is lost.

pub(crate) mod envoy;
mod envoy_cluster;
mod envoy_route;
pub(crate) mod istio;
mod kubernetes;
pub(crate) mod linkerd;
mod settings;

use fusebox_core::breaker::{WaitStrategy, Window};
use fusebox_proxy::config::{Plan, Policies, Route, Service};
use settings::Setting;
use std::time::Duration;

/// Methods that may be repeated.
pub(super) const IDEMPOTENT: [&str; 6] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
/// When a call that may be repeated is made again, in Envoy's words.
pub(super) const FAILED: &str = "5xx,reset,connect-failure,refused-stream";
/// When any call is: nothing can have been done.
pub(super) const UNSENT: &str = "connect-failure,refused-stream";
/// The longest time between two looks at an endpoint, since an ejection ends at one of them too.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Nothing in the mesh corresponds.
const NOTHING: &str = "-";

/// What a mesh makes of one setting.
pub(super) struct Fate {
    /// Where it went; empty if nowhere.
    becomes: String,
    /// What is not the same there.
    lost: &'static str,
}

impl Fate {
    pub(super) fn new(becomes: impl Into<String>, lost: &'static str) -> Option<Fate> {
        Some(Fate { becomes: becomes.into(), lost })
    }
}

/// The head of a file for `mesh`: a table for each route, of what `fate` makes of its settings.
pub(super) fn table(
    plan: &Plan,
    mesh: &str,
    fate: impl Fn(&Setting, &Service, &Policies) -> Option<Fate>,
) -> String {
    let mut text = format!(
        "# The nearest that {mesh} comes to this configuration, written by `fusebox export {}`.\n\
         # docs/mesh.md says how the two work together.\n",
        mesh.to_ascii_lowercase()
    );
    for (service, route) in routes(plan) {
        text += &format!("#\n# {}  {}\n", route.name, route.matches);
        let settings = settings::of(service, route);
        let row = |setting: Setting| {
            let fate = fate(&setting, service, &route.policies);
            let (becomes, lost) = match fate {
                Some(fate) => (fate.becomes, fate.lost),
                None => (String::new(), setting.lost),
            };
            let becomes = if becomes.is_empty() { NOTHING.to_owned() } else { becomes };
            [setting.key.to_owned(), setting.here, becomes, lost.to_owned()]
        };
        let head = ["setting", "here", mesh, "lost"].map(str::to_owned);
        text += &aligned(std::iter::once(head).chain(settings.into_iter().map(row)).collect());
    }
    if let Some(queue) = &plan.queue {
        let rows = vec![[
            "queue".into(),
            queue.place.to_string(),
            NOTHING.to_owned(),
            "a mesh keeps no calls: they stay with fusebox".into(),
        ]];
        text += &format!("#\n{}", aligned(rows));
    }
    text
}

/// Every route with its service, a service's own first.
pub(super) fn routes(plan: &Plan) -> impl Iterator<Item = (&Service, &Route)> {
    plan.services.iter().flat_map(|service| {
        service.own_route().into_iter().chain(service.inner_routes()).map(move |route| (service, route))
    })
}

/// The routes that have a circuit of their own, with their services.
pub(super) fn circuits(plan: &Plan) -> impl Iterator<Item = (&Service, &Route)> {
    routes(plan).filter(|(_, route)| route.policies.circuit == route.name)
}

fn aligned(rows: Vec<[String; 4]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let [a, b, c] = widths;
        format!("#   {:a$} | {:b$} | {:c$} | {}\n", row[0], row[1], row[2], row[3])
    };
    rows.iter().map(line).collect()
}

/// How long a circuit first stays open, and how long at the most.
pub(super) fn waits(policies: &Policies) -> (Duration, Duration) {
    match policies.breaker.config().wait_in_open.strategy {
        WaitStrategy::Fixed(always) => (always, always),
        WaitStrategy::Exponential { base, max, .. } | WaitStrategy::Adaptive { base, max, .. } => (base, max),
    }
}

/// How often an endpoint is looked at.
pub(super) fn interval(policies: &Policies) -> Duration {
    let window = match policies.breaker.config().window {
        Window::Time(time) => time,
        Window::Calls(_) => INTERVAL,
    };
    window.min(waits(policies).0).clamp(Duration::from_millis(100), INTERVAL)
}

/// Attempts of a call that may be repeated, if there may be more than one.
pub(super) fn attempts(policies: &Policies) -> Option<u32> {
    policies.retry.as_ref().map(|retry| retry.config().max_attempts).filter(|most| *most > 1)
}

/// The time of a whole call: where there is one attempt, its time is the call's.
pub(super) fn whole(policies: &Policies, repeated: bool) -> Option<Duration> {
    let attempt = policies.call_timeout.filter(|_| !repeated);
    policies.deadline.into_iter().chain(attempt).min()
}

/// Where a path ends up below the endpoints' own, if they have one; they are taken to be alike.
pub(super) fn rewritten(service: &Service, route: &Route) -> Option<String> {
    let base = service.endpoints.first().map(|endpoint| endpoint.base_path.as_str())?;
    (!base.is_empty()).then(|| format!("{base}{}", route.matches.path_prefix))
}

/// A duration as Go and Kubernetes read it.
pub(super) fn short(span: Duration) -> String {
    let millis = span.as_millis().max(1);
    if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}

/// A share as a whole percentage, at least 1.
pub(super) fn percent(share: f64) -> u32 {
    (share * 100.0).round().clamp(1.0, 100.0) as u32
}
