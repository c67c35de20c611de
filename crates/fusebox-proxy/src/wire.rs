//! What calls say of themselves in headers, from hop to hop: how long they have left, how much they matter, and whether
//! to try again.

use crate::config::{Counts, Key, Policies, PriorityRule};
use fusebox::Time;
use fusebox_core::timeout::wire;
use fusebox_core::{Ask, Priority};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

const DEADLINE: HeaderName = HeaderName::from_static(wire::DEADLINE);
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static(wire::GRPC_TIMEOUT);

/// Whether whoever reads an answer should make the call again: `no` says that a hop further on has done what can be
/// done, so that only one layer of a chain retries.
pub(crate) const RETRY: HeaderName = HeaderName::from_static("fusebox-retry");
pub(crate) const NO: HeaderValue = HeaderValue::from_static("no");

/// A body of unknown length is taken for as long as this, where bytes are counted.
const UNKNOWN_LENGTH: u64 = 64 << 10;

/// Whether the answer asks for no further attempt.
pub(crate) fn forbids_retry(headers: &HeaderMap) -> bool {
    headers.get(RETRY).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no"))
}

/// How long the caller gives the call: the shorter of what the two headers say. What cannot be read is no deadline.
pub(crate) fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = text(DEADLINE).and_then(|text| wire::parse_deadline(text).ok());
    let grpc = text(GRPC_TIMEOUT).and_then(|text| wire::parse_grpc(text).ok());
    plain.into_iter().chain(grpc).min()
}

/// Writes what is left of a call's time. An attempt's own time is not told: it ends at the head of the response, and
/// a next hop would cut off a long body by it.
pub(crate) fn tell_deadline(headers: &mut HeaderMap, deadline: Time, now: Time) {
    let Some(left) = wire::left(deadline, now) else {
        headers.remove(DEADLINE);
        return;
    };
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("0"));
    let is_grpc = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/grpc");
    if headers.contains_key(GRPC_TIMEOUT) || headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        headers.insert(GRPC_TIMEOUT, value(wire::format_grpc(left).as_str()));
    }
    headers.insert(DEADLINE, value(wire::format_deadline(left).as_str()));
}

/// What a route's calls say of themselves to the policies that admit them, and where.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    priority: Option<PriorityRule>,
    key: Option<Key>,
    /// A longer body has no room, where bytes are counted.
    longest: u64,
    counts: Counts,
    /// Drawn anew for each process: nobody can choose keys that meet in one account.
    hash: RandomState,
}

impl Asking {
    pub(crate) fn of(policies: &Policies, hash: &RandomState) -> Self {
        Asking {
            priority: policies.priority.clone(),
            key: policies.caller_key().cloned(),
            counts: policies.bulkhead.as_ref().map_or(Counts::Calls, |bulkhead| bulkhead.counts),
            longest: policies.bulkhead.as_ref().map_or(u64::MAX, |bulkhead| match bulkhead.counts {
                Counts::Bytes => bulkhead.settings.config().max_concurrent,
                Counts::Calls => u64::MAX,
            }),
            hash: hash.clone(),
        }
    }

    /// A key for what a header says.
    pub(crate) fn key_of(&self, value: &HeaderValue) -> u64 {
        self.hash.hash_one(value.as_bytes()).max(1)
    }

    /// Whether a call that asks this can never have room beside others.
    pub(crate) fn is_too_large(&self, ask: Ask) -> bool {
        ask.weight > self.longest
    }

    /// What a call with these headers asks.
    pub(crate) fn ask(&self, headers: &HeaderMap, has_body: bool) -> Ask {
        let usual = self.priority.as_ref().map_or(Priority::Normal, |rule| rule.default);
        let named = self.priority.as_ref().and_then(|rule| headers.get(&rule.header));
        let named = named.and_then(|name| name.to_str().ok()).and_then(Priority::named);
        let key = self.key.as_ref().and_then(|Key::Header(name)| headers.get(name));
        let weight = match self.counts {
            Counts::Bytes if has_body => length(headers).unwrap_or(UNKNOWN_LENGTH),
            _ => 1,
        };
        // A key that says nothing is nobody's.
        let key = key.map_or(0, |key| self.key_of(key));
        Ask { priority: named.unwrap_or(usual), key, weight }
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn the_shorter_of_two_times_holds_and_a_malformed_one_is_none() {
        let left = |headers: &[_]| time_left(&map(headers));
        assert_eq!(left(&[]), None);
        let own = ("fusebox-deadline-ms", "250");
        assert_eq!(left(&[own, ("grpc-timeout", "1S")]), Some(Duration::from_millis(250)));
        assert_eq!(left(&[("grpc-timeout", "1S")]), Some(Duration::from_secs(1)));
        assert_eq!(left(&[("fusebox-deadline-ms", "soon")]), None);
        assert_eq!(left(&[own, ("grpc-timeout", "9")]), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_left_is_told_in_the_callers_spelling_and_ours() {
        let (ends, now) = (Time::from_millis(500), Time::from_millis(300));
        let mut headers = map(&[("grpc-timeout", "500m")]);
        tell_deadline(&mut headers, ends, now);
        assert_eq!(headers, map(&[("grpc-timeout", "200000u"), ("fusebox-deadline-ms", "200")]));
        let mut headers = map(&[]);
        tell_deadline(&mut headers, ends, Time::from_secs(9));
        assert_eq!(headers, map(&[("fusebox-deadline-ms", "0")]), "nothing is left, and nothing of gRPC");
        let mut headers = map(&[]);
        tell_deadline(&mut headers, Time::NEVER, now);
        assert!(headers.is_empty());
    }

    #[test]
    fn only_a_plain_no_forbids_another_attempt() {
        assert!(forbids_retry(&map(&[("fusebox-retry", "No")])));
        assert!(!forbids_retry(&map(&[("fusebox-retry", "yes")])) && !forbids_retry(&map(&[])));
    }
}
