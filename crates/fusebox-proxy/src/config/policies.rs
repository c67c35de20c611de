//! What stands before a route's calls.
//!
//! A route inherits from its service each policy that it does not write. What it writes replaces the service's whole: a
//! breaker of its own starts from its own preset, not from the service's numbers, so it can be understood where it
//! stands. What has a state of its own and is not written is not copied but shared.

use super::breaker::{self, Breaker};
use super::chain::{Policies, Shares};
use super::fallback::Surroundings;
use super::plan::Key;
use super::reader::{Entry, Table};
use super::timeout::{self, CallTimeout, LEAST};
use super::{bulkhead, fallback, header, hedge, limiter, priority, retry, throttle};
use fusebox_core::pipeline::Order;
use std::time::Duration;

const REPLAY: &str = "a number of bytes, up to 1073741824";

/// The policies written in `table`, for the service or route `name`, over what it inherits.
pub(super) fn read(
    table: &Table<'_>,
    name: &str,
    inherited: Option<&Policies>,
    around: &Surroundings<'_>,
) -> Option<Policies> {
    let own_timeout = table.entry("call_timeout").map(|e| timeout::read(&e));
    let timeout = own_timeout.unwrap_or_else(|| Some(inherited_timeout(inherited)));
    let own = Breaker::of(table, inherited, timeout.and_then(|timeout| timeout.longest));
    // Without a breaker the rest is read for its errors alone.
    let (breaker, shared) = own.unzip();
    let usual = breaker.as_ref().map(|breaker| breaker.settings.clone()).or_else(breaker::usual);
    let base = inherited.cloned().or_else(|| Some(Policies::usual(name, usual?)))?;
    let order = table.or("order", base.order, |e| e.word(&Order::ALL));
    let rate_limiter = optional(table, "rate_limiter", &base.rate_limiter, limiter::read);
    let deadline = optional(table, "deadline", &base.deadline, |e| e.duration_from(LEAST));
    let throttle = optional(table, "throttle", &base.throttle, throttle::read);
    let bulkhead = optional(table, "bulkhead", &base.bulkhead, bulkhead::read);
    let priority = optional(table, "priority", &base.priority, priority::read);
    let retry = optional(table, "retry", &base.retry, retry::read);
    let hedge = optional(table, "hedge", &base.hedge, hedge::read);
    let replay = table.or("max_replay_bytes", base.max_replay_bytes, |e| e.within(0, 1 << 30, REPLAY));
    let idempotency_key = table.or("idempotency_key", base.idempotency_key.clone(), header::name);
    let fallback = optional(table, "fallback", &base.fallback, |e| fallback::read(e, around));
    let unwritten = |key: &str| inherited.is_some() && table.entry(key).is_none();
    let (breaker, timeout) = (breaker?, timeout?);
    let policies = Policies {
        order: order?,
        rate_limiter: rate_limiter?,
        deadline: deadline?,
        throttle: throttle?,
        bulkhead: bulkhead?,
        circuit: shared.flatten().unwrap_or_else(|| name.into()),
        breaker: breaker.settings,
        breaker_elsewhere: breaker.elsewhere,
        preset: breaker.preset,
        breaker_key: breaker.key,
        max_circuits: breaker.max_circuits,
        retry: retry?,
        max_replay_bytes: replay?,
        idempotency_key: idempotency_key?,
        hedge: hedge?,
        call_timeout: timeout.longest,
        adaptive_timeout: timeout.adaptive,
        priority: priority?,
        fallback: fallback?,
        shares: Shares {
            rate_limiter: unwritten("rate_limiter"),
            throttle: unwritten("throttle"),
            bulkhead: unwritten("bulkhead"),
        },
        ..base
    };
    one_key(table, &policies);
    Some(policies)
}

/// What can be switched off: as `table` has it under `key`, or else as it is inherited.
fn optional<T: Clone>(
    table: &Table<'_>,
    key: &str,
    inherited: &Option<T>,
    read: impl Fn(&Entry<'_>) -> Option<T>,
) -> Option<Option<T>> {
    table.or(key, inherited.clone(), |e| e.off_or(&read))
}

fn inherited_timeout(inherited: Option<&Policies>) -> CallTimeout {
    inherited.map_or(CallTimeout::USUAL, |policies| CallTimeout {
        longest: policies.call_timeout,
        adaptive: policies.adaptive_timeout,
    })
}

/// A call has one key, by which a quota and places tell callers apart.
fn one_key(table: &Table<'_>, policies: &Policies) {
    let limiter = policies.rate_limiter.as_ref().and_then(|limiter| limiter.key.as_ref());
    let bulkhead = policies.bulkhead.as_ref().and_then(|bulkhead| bulkhead.key.as_ref());
    let (Some(Key::Header(limiter)), Some(Key::Header(bulkhead))) = (limiter, bulkhead) else { return };
    if limiter == bulkhead {
        return;
    }
    let keys = [("bulkhead.key", "rate_limiter", limiter), ("rate_limiter.key", "bulkhead", bulkhead)];
    let written = keys.into_iter().find_map(|(key, other, name)| Some((table.find(key)?, other, name)));
    if let Some((entry, other, name)) = written {
        entry.refuse(&format!("the key of {other}, which is \"header:{name}\": a call has one"));
    }
}

impl Breaker {
    /// The breaker in force, and the name of the circuit when it is the service's.
    fn of(
        table: &Table<'_>,
        inherited: Option<&Policies>,
        call_timeout: Option<Duration>,
    ) -> Option<(Breaker, Option<String>)> {
        match inherited {
            Some(policies) if table.entry("breaker").is_none() => {
                let breaker = Breaker {
                    settings: policies.breaker.clone(),
                    elsewhere: policies.breaker_elsewhere.clone(),
                    preset: policies.preset,
                    key: policies.breaker_key.clone(),
                    max_circuits: policies.max_circuits,
                };
                Some((breaker, Some(policies.circuit.clone())))
            }
            _ => Some((breaker::read(table, call_timeout)?, None)),
        }
    }
}
