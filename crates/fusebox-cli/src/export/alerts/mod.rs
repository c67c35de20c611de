//! `fusebox export alerts`: rules for Prometheus, with the numbers of the configuration at hand.
//!
//! A circuit goes from open to half-open and back while its dependency is down, so a rule that waits for one state to
//! last misses the outage, and a counter that is split by its labels never reaches a threshold. These rules ask for
//! what lasts: time not closed, recoveries that failed, transitions added up.

mod circuits;
mod fusebox;
mod queue;

use super::circuits::Circuits;
use super::yaml::{Yaml, list, map};
use fusebox_proxy::config::Plan;
use std::time::Duration;

const HEADER: &str = "\
# Alerts for fusebox, written by `fusebox export alerts`. What each one means and what to do about it: docs/alerts.md.
# Times assume that Prometheus scrapes at least once a minute.
";

/// A rule that wakes somebody.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) expr: String,
    /// How long it must hold.
    pub(super) lasts: Option<Duration>,
    pub(super) severity: &'static str,
    /// The service that it is about, where there is one of it for each.
    pub(super) service: Option<String>,
    pub(super) summary: String,
    pub(super) description: String,
}

/// Rules that concern the same thing.
pub(super) struct Group {
    pub(super) name: String,
    /// The circuits that it is about, as a label: what else would tell the same rule apart in two groups?
    pub(super) circuits: Option<String>,
    pub(super) alerts: Vec<Alert>,
}

/// The rules for `plan`; `anything` if it is no particular configuration, so that names in it mean nothing. `runbooks` is
/// where docs/alerts.md is found.
pub(crate) fn rules(plan: &Plan, anything: bool, runbooks: &str) -> String {
    let mut groups: Vec<Group> = match plan.services.first().and_then(|service| service.own_route()) {
        Some(route) if anything => vec![circuits::group(&Circuits::all(&route.policies.breaker))],
        _ => Circuits::of(plan).iter().map(circuits::group).collect(),
    };
    groups.extend(circuits::retries(plan, anything));
    groups.extend(queue::group(plan, anything));
    groups.push(fusebox::group());
    let groups = groups.iter().map(|group| group.yaml(runbooks));
    format!("{HEADER}{}", map([("groups", list(groups))]).document())
}

impl Group {
    fn yaml(&self, runbooks: &str) -> Yaml {
        let rules = self.alerts.iter().map(|alert| alert.yaml(self, runbooks));
        map([("name", self.name.as_str().into()), ("rules", list(rules))])
    }
}

impl Alert {
    fn yaml(&self, group: &Group, runbooks: &str) -> Yaml {
        let circuits = ("circuits", group.circuits.as_deref().into());
        let service = ("service", self.service.as_deref().into());
        map([
            ("alert", self.name.into()),
            ("expr", self.expr.as_str().into()),
            ("for", self.lasts.map(prom).into()),
            ("labels", map([("severity", self.severity.into()), circuits, service])),
            (
                "annotations",
                map([
                    ("summary", self.summary.as_str().into()),
                    ("description", self.description.as_str().into()),
                    ("runbook", format!("{runbooks}#{}", self.name.to_ascii_lowercase()).into()),
                ]),
            ),
        ])
    }
}

/// A duration as PromQL writes it: whole seconds, rounded up.
pub(super) fn prom(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match seconds {
        s if s > 0 && s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s > 0 && s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Minutes as a duration.
pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_and_never_shorter() {
        for (millis, written) in
            [(0, "0s"), (1, "1s"), (5_500, "6s"), (90_000, "90s"), (120_000, "2m"), (7_200_000, "2h")]
        {
            assert_eq!(prom(Duration::from_millis(millis)), written);
        }
    }
}
