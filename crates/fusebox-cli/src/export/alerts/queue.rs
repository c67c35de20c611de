//! Alerts on deferred calls, where there is a queue.

use super::{Alert, Group, minutes, prom};
use fusebox::queue::Limits;
use fusebox_core::Priority;
use fusebox_core::explain::span;
use fusebox_proxy::config::{Defer, Plan, Policies, PriorityRule};
use std::time::Duration;

const QUEUE: &str = "{{ $labels.queue }}";
/// More waiting calls than this, or more than half of what there is room for.
const DEEP: u64 = 1_000;
/// A wait longer than this, or than half of what a call has.
const OLD: Duration = Duration::from_secs(2 * 3_600);

/// The rules on the queue of `plan`, or on whichever there may be.
pub(super) fn group(plan: &Plan, anything: bool) -> Option<Group> {
    let (limits, place) = match &plan.queue {
        Some(queue) => (queue.limits, queue.place.to_string()),
        None if anything => (Limits::default(), "the queue".into()),
        None => return None,
    };
    let policies = plan.services.iter().flat_map(|service| &service.routes).map(|route| &route.policies);
    let deferring = policies.filter_map(|policies| Some((policies.fallback.as_ref()?.defers()?, policies)));
    let (defers, policies): (Vec<&Defer>, Vec<&Policies>) = deferring.unzip();
    let rule = policies.iter().find_map(|policies| policies.priority.as_ref());
    let expires = defers.iter().map(|defer| defer.expires_in).min();
    let (most, bytes) = (limits.max_items, limits.max_bytes);
    let mut alerts = vec![deep(most, rule), old(expires), fills_up(most, bytes), dead(&defers), paused()];
    alerts.push(store_fails(&place));
    Some(Group { name: "fusebox-deferred-queue".into(), circuits: None, alerts })
}

fn deep(most: u64, rule: Option<&PriorityRule>) -> Alert {
    let classes: Vec<_> = Priority::ALL.iter().rev().map(|(name, _)| *name).collect();
    let classes = classes.join(", ");
    let read = rule.map_or(String::new(), |rule| format!(", which {} says", rule.header));
    let deep = DEEP.min(most / 2);
    Alert {
        name: "DeferredQueueDeep",
        expr: format!("sum by (queue, instance) (deferred_queue_depth) > {deep}"),
        lasts: Some(minutes(1)),
        severity: "high",
        service: None,
        summary: format!("{QUEUE}: {{{{ $value }}}} deferred calls wait"),
        description: format!(
            "More than {deep} calls wait for their dependency; there is room for {most}. They are made by themselves \
             once its circuit closes; the classes {classes}{read} share it as 8 : 4 : 2 : 1."
        ),
    }
}

fn old(expires: Option<Duration>) -> Alert {
    let old = expires.map_or(OLD, |expires| OLD.min(expires / 2));
    let until = expires.map_or(String::new(), |expires| format!(" A call expires after {}.", span(expires)));
    Alert {
        name: "DeferredQueueOld",
        expr: format!("deferred_queue_oldest_age_seconds > {}", old.as_secs()),
        lasts: Some(minutes(1)),
        severity: "medium",
        service: None,
        summary: format!("{QUEUE}: a deferred call has waited for {{{{ $value | humanizeDuration }}}}"),
        description: format!("More than {}.{until}", prom(old)),
    }
}

fn fills_up(most: u64, bytes: u64) -> Alert {
    Alert {
        name: "DeferredQueueFillsUp",
        expr: "deferred_queue_fill > 0.9".into(),
        lasts: Some(minutes(1)),
        severity: "high",
        service: None,
        summary: format!("{QUEUE} is {{{{ $value | humanizePercentage }}}} full"),
        description: format!(
            "More than 90% of {most} calls or {bytes} bytes. When it is full, no call is kept any more, and callers get \
             what comes after the queue in the list of fallbacks, or 503."
        ),
    }
}

fn dead(defers: &[&Defer]) -> Alert {
    let attempts = defers.iter().map(|defer| defer.max_attempts).min();
    let tried = attempts.map_or(String::new(), |most| format!(" (from {most} on)"));
    Alert {
        name: "DeferredQueueDead",
        expr: "deferred_queue_dead{queue!=\":notices\"} > 0".into(),
        lasts: Some(minutes(5)),
        severity: "medium",
        service: None,
        summary: format!("{QUEUE}: {{{{ $value }}}} deferred calls are dead"),
        description: format!(
            "They have had all their attempts{tried}, have expired, or were refused for good: nobody makes them until \
             somebody takes them back."
        ),
    }
}

fn paused() -> Alert {
    Alert {
        name: "DeferredQueueStandsStill",
        expr: "sum by (queue, instance) (deferred_queue_depth) > 0\nand on (queue, instance)\n\
               deferred_queue_paused == 1"
            .into(),
        lasts: Some(Duration::from_secs(3_600)),
        severity: "medium",
        service: None,
        summary: format!("{QUEUE} has been paused for an hour, and {{{{ $value }}}} calls wait in it"),
        description: "An operator paused it more than 1h ago.".into(),
    }
}

fn store_fails(place: &str) -> Alert {
    Alert {
        name: "DeferredQueueStoreFails",
        expr: "increase(deferred_queue_refused_total{result=\"store\"}[5m]) > 0".into(),
        lasts: None,
        severity: "high",
        service: None,
        summary: "The store of deferred calls has not taken {{ $value | humanize }} calls in 5 minutes"
            .into(),
        description: format!("Calls were refused that should have been kept in {place}."),
    }
}
