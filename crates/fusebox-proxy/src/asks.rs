//! What a call says of itself: its priority, on whose behalf it is, its size, and when it must be over.

use crate::config::{Counts, Key, Policies, PriorityRule};
use fusebox::{Ask, Priority, Time};
use fusebox_core::timeout::wire;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// What is left of a call's time, in milliseconds.
const DEADLINE: HeaderName = HeaderName::from_static(wire::DEADLINE);
/// What is left of a gRPC call's time.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static(wire::GRPC_TIMEOUT);

/// Where a route's calls say what.
#[derive(Debug)]
pub(crate) struct Asks {
    priority: Option<PriorityRule>,
    key: Option<HeaderName>,
    weighs: bool,
    /// Nobody outside can choose keys that meet in one number.
    hasher: RandomState,
}

impl Asks {
    pub(crate) fn of(policies: &Policies) -> Self {
        let key = policies.caller_key().map(|Key::Header(name)| name.clone());
        let weighs = policies.bulkhead.as_ref().is_some_and(|plan| plan.counts == Counts::Bytes);
        Asks { priority: policies.priority.clone(), key, weighs, hasher: RandomState::new() }
    }

    /// What a call with these headers says of itself.
    pub(crate) fn ask(&self, headers: &HeaderMap) -> Ask {
        let priority = self.priority.as_ref().map_or(Priority::Normal, |rule| {
            let told = headers.get(&rule.header).and_then(|value| value.to_str().ok());
            told.and_then(Priority::named).unwrap_or(rule.default)
        });
        let key = self.key.as_ref().and_then(|name| headers.get(name));
        // Zero is nobody's.
        let key = key.map_or(0, |value| self.hasher.hash_one(value.as_bytes()) | 1);
        let length = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let weight = if self.weighs { length().unwrap_or(1).max(1) } else { 1 };
        Ask { priority, key, weight }
    }
}

/// How long the caller will wait, as it says in `fusebox-deadline-ms` or `grpc-timeout`; the shorter, if in both. What
/// cannot be read is no deadline.
pub(crate) fn told_deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let own = text(&DEADLINE).and_then(|text| wire::parse_deadline(text).ok());
    let grpc = text(&GRPC_TIMEOUT).and_then(|text| wire::parse_grpc(text).ok());
    own.into_iter().chain(grpc).min()
}

/// Tells the endpoint what is left: `fusebox-deadline-ms` to everyone, `grpc-timeout` where the caller spoke of it.
pub(crate) fn tell_deadline(headers: &mut HeaderMap, ends: Time, now: Time) {
    let left = (ends != Time::NEVER).then(|| wire::left(ends, now).unwrap_or_default());
    let Some(left) = left else {
        headers.remove(DEADLINE);
        return;
    };
    let value = |text: &str| HeaderValue::from_str(text).ok();
    if let Some(own) = value(wire::format_deadline(left).as_ref()) {
        headers.insert(DEADLINE, own);
    }
    if headers.contains_key(GRPC_TIMEOUT)
        && let Some(grpc) = value(wire::format_grpc(left).as_ref())
    {
        headers.insert(GRPC_TIMEOUT, grpc);
    }
}
