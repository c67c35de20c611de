//! What stands before a route's calls.
//!
//! A route inherits from its service each of `order`, `call_timeout`, `deadline`, `breaker`, `retry` and
//! `fallback` that it does not write. What it writes replaces the service's whole: a breaker of its own starts
//! from its own preset, not from the service's numbers, so it can be understood where it stands.

use super::breaker::{self, Breaker};
use super::chain::{CALL_TIMEOUT, Policies, Shares};
use super::reader::{Entry, Table};
use super::{fallback, retry};
use fusebox_core::pipeline::Order;
use fusebox_core::retry::Settings;
use std::sync::Arc;
use std::time::Duration;

/// Shorter than this is no time for a network.
const LEAST: Duration = Duration::from_millis(1);

/// The policies written in `table`, for the service or route `name`, over what it inherits.
pub(super) fn read(table: &Table<'_>, name: &str, inherited: Option<&Policies>) -> Option<Policies> {
    let order = table.entry("order").map(|e| e.word(&Order::ALL));
    let usual_order = inherited.map_or(Order::default(), |policies| policies.order);
    let span = |key, usual| table.entry(key).map_or(Some(usual), |e| e.off_or(|e| e.duration_from(LEAST)));
    let call_timeout =
        span("call_timeout", inherited.map_or(Some(CALL_TIMEOUT), |policies| policies.call_timeout));
    let deadline = span("deadline", inherited.and_then(|policies| policies.deadline));
    let usual_retry = inherited.map_or(Some(Settings::default()), |policies| policies.retry.clone());
    let retry = table.entry("retry").map_or(Some(usual_retry), |e| e.off_or(retry::read));
    let usual_fallback = inherited.and_then(|policies| policies.fallback.clone());
    let fallback =
        table.entry("fallback").map_or(Some(usual_fallback), |e: Entry<'_>| e.off_or(fallback::read));
    let own = Breaker::of(table, inherited, call_timeout.flatten());
    let (breaker, circuit) = own.map(|(breaker, shared)| (breaker, shared.unwrap_or_else(|| name.into())))?;
    let breaker_settings = Arc::new(breaker.settings);
    let base = inherited.cloned().unwrap_or_else(|| Policies::usual(name, breaker_settings.clone()));
    Some(Policies {
        order: order.unwrap_or(Some(usual_order))?,
        call_timeout: call_timeout?,
        deadline: deadline?,
        circuit,
        breaker_elsewhere: breaker_settings.clone(),
        breaker: breaker_settings,
        preset: breaker.preset,
        breaker_key: breaker.key,
        max_circuits: breaker.max_circuits,
        retry: retry?,
        fallback: fallback?,
        shares: inherited.map_or(Shares::default(), |_| Shares::ALL),
        ..base
    })
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
                    settings: (*policies.breaker).clone(),
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
