//! The smallest circuit that explains the failures opens, and no other.

use super::{Pass, Scope, Scopes, Settings};
use crate::breaker::{self, CircuitBreaker, Snapshot, State, Watched};
use crate::flow::Circuits;
use crate::{Failure, Outcome, Reason, Rejection, Rng, Time};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

const FAILURE: Outcome = Outcome::Failure(Failure::Error);

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn circuit() -> CircuitBreaker {
    let mut config = breaker::Config::default();
    config.wait_in_open.jitter = 0.0;
    CircuitBreaker::new(config.check(None).expect("works"), Rng::seeded(1), Time::ZERO)
}

/// A service's circuits, as a driver has them, and the walk through them without all else.
struct Service {
    scopes: Arc<Scopes>,
    endpoints: Vec<CircuitBreaker>,
    tenants: BTreeMap<u64, CircuitBreaker>,
    service: CircuitBreaker,
}

/// A service with so many endpoints; tenants from 1 to 9 have circuits.
fn service(endpoints: usize) -> Service {
    Service {
        scopes: Arc::new(Scopes::new(Settings::default(), endpoints)),
        endpoints: (0..endpoints).map(|_| circuit()).collect(),
        tenants: (1..10).map(|key| (key, circuit())).collect(),
        service: circuit(),
    }
}

/// What one call sees.
struct Sees<'a>(&'a Service, u64);

impl Circuits for Sees<'_> {
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker {
        &self.0.endpoints[endpoint]
    }

    fn service(&self) -> Option<&CircuitBreaker> {
        Some(&self.0.service)
    }

    fn tenant(&self) -> Option<(u64, &CircuitBreaker)> {
        Some((self.1, self.0.tenants.get(&self.1)?))
    }
}

/// A call under way.
struct Call {
    endpoint: usize,
    tenant: u64,
    pass: Pass,
    held: Watched,
    began: Time,
}

impl Service {
    fn admit(&self, endpoint: usize, tenant: u64, now: Time) -> Result<Call, (Rejection, Scope)> {
        let sees = Sees(self, tenant);
        let mut pass = Pass::enter(&self.scopes, tenant, &sees, now)?;
        match self.endpoints[endpoint].admit(now) {
            Ok(ticket) => {
                pass.send();
                Ok(Call { endpoint, tenant, pass, held: Watched::by_driver(ticket), began: now })
            }
            Err(rejection) => {
                pass.settle(endpoint, Outcome::Ignored, 0, &sees, now);
                Err((rejection, Scope::Endpoint))
            }
        }
    }

    fn overdue(&self, call: &mut Call, now: Time) {
        call.pass.overdue(call.endpoint, call.held.ticket_mut(), &Sees(self, call.tenant), now);
    }

    fn settle(&self, call: Call, outcome: Outcome, now: Time) {
        let Call { endpoint, tenant, mut pass, held, began } = call;
        let (sees, took) = (Sees(self, tenant), now.nanos_since(began));
        let heard = pass.hears_at(endpoint, held.ticket(), (outcome, took), &sees, now);
        self.endpoints[endpoint].settle_watched(held, heard, now);
        pass.settle(endpoint, outcome, took, &sees, now);
    }

    fn blamed(&self, scope: Scope) -> u64 {
        self.scopes.snapshot().blamed.of(scope)
    }

    /// Every circuit.
    fn seen(&self, now: Time) -> Vec<Snapshot> {
        let all = self.endpoints.iter().chain(self.tenants.values()).chain([&self.service]);
        all.map(|circuit| circuit.snapshot(now)).collect()
    }
}

/// Calls until `secs`, ten a second, each endpoint and each tenant in turn; `broken` says which cells fail. Answers how
/// many calls were made.
fn traffic(
    service: &Service,
    secs: core::ops::Range<u64>,
    tenants: &[u64],
    broken: impl Fn(usize, u64) -> bool,
) -> usize {
    let mut made = 0;
    for call in 0..(secs.end - secs.start) * 10 {
        let now = at(secs.start) + Duration::from_millis(100 * call);
        let (endpoint, round) =
            (call as usize % service.endpoints.len(), call as usize / service.endpoints.len());
        // Each round begins with another tenant, so that each meets each endpoint.
        let tenant = tenants[(endpoint + round) % tenants.len()];
        if let Ok(pass) = service.admit(endpoint, tenant, now) {
            made += 1;
            service.settle(pass, if broken(endpoint, tenant) { FAILURE } else { Outcome::Success }, now);
        }
    }
    made
}

/// Which circuits have ever opened: endpoints, tenants, the service.
fn tripped(service: &Service, now: Time) -> (Vec<usize>, Vec<u64>, bool) {
    let trips = |circuit: &CircuitBreaker| circuit.snapshot(now).totals.trips() > 0;
    let endpoints = service.endpoints.iter().enumerate().filter(|(_, circuit)| trips(circuit));
    let tenants = service.tenants.iter().filter(|(_, circuit)| trips(circuit));
    (endpoints.map(|(i, _)| i).collect(), tenants.map(|(key, _)| *key).collect(), trips(&service.service))
}

#[test]
fn one_endpoint_of_ten_that_fails_everything_opens_its_own_circuit_only() {
    let service = service(10);
    traffic(&service, 0..60, &[1, 2, 3], |endpoint, _| endpoint == 4);
    assert_eq!(tripped(&service, at(60)), (vec![4], vec![], false));
}

#[test]
fn an_endpoint_that_gets_all_the_traffic_and_fails_it_does_not_take_the_service_along() {
    let service = service(10);
    traffic(&service, 0..10, &[0], |_, _| false);
    for _ in 0..10 {
        let pass = service.admit(4, 0, at(10)).expect("closed");
        service.settle(pass, FAILURE, at(10));
    }
    assert_eq!(tripped(&service, at(10)), (vec![4], vec![], false), "ten failures in a row, for both");
}

#[test]
fn one_tenant_that_fails_everywhere_opens_its_own_circuit_only() {
    let service = service(10);
    traffic(&service, 0..60, &[1, 2, 3, 4, 5, 6, 7], |_, tenant| tenant == 7);
    assert_eq!(tripped(&service, at(60)), (vec![], vec![7], false));
}

#[test]
fn a_tenant_with_most_of_the_traffic_does_not_take_the_endpoints_along() {
    let service = service(5);
    traffic(&service, 0..60, &[9, 9, 9, 9, 1, 2], |_, tenant| tenant == 9);
    assert_eq!(tripped(&service, at(60)), (vec![], vec![9], false));
}

#[test]
fn when_every_endpoint_fails_the_service_opens_and_no_endpoint_is_asked() {
    let service = service(10);
    let made = traffic(&service, 0..20, &[1, 2, 3], |_, _| true);
    assert_eq!(tripped(&service, at(20)), (vec![], vec![], true));
    assert!(made <= 30, "the service's ten and a round or two to see that all fail: {made}");
    let refused = Pass::enter(&service.scopes, 1, &Sees(&service, 1), at(20));
    let (refusal, scope) = refused.expect_err("before an endpoint is chosen");
    assert_eq!((refusal.reason, scope), (Reason::Open, Scope::Service));
}

#[test]
fn most_endpoints_are_not_the_service() {
    let service = service(10);
    traffic(&service, 0..60, &[0], |endpoint, _| endpoint < 6);
    assert_eq!(tripped(&service, at(60)), (vec![0, 1, 2, 3, 4, 5], vec![], false));
}

#[test]
fn endpoints_that_fail_one_after_the_other_end_in_the_service() {
    let service = service(4);
    // An hour apart from each other would be too long to remember their calls; their open circuits are remembered.
    traffic(&service, 0..40, &[0], |endpoint, _| endpoint == 0);
    traffic(&service, 40..80, &[0], |endpoint, _| endpoint <= 1);
    traffic(&service, 80..120, &[0], |endpoint, _| endpoint <= 2);
    assert!(!tripped(&service, at(120)).2);
    traffic(&service, 120..160, &[0], |_, _| true);
    assert!(tripped(&service, at(160)).2, "{:?}", service.scopes.snapshot());
}

#[test]
fn the_only_endpoint_and_the_only_tenant_are_smaller_than_the_service() {
    let one = service(1);
    traffic(&one, 0..20, &[0], |_, _| true);
    assert_eq!(tripped(&one, at(20)), (vec![0], vec![], false));
    let many = service(5);
    traffic(&many, 0..20, &[3], |_, _| true);
    assert_eq!(tripped(&many, at(20)), (vec![], vec![3], false));
}

#[test]
fn without_tenants_every_endpoint_failing_is_the_service() {
    let mut service = service(3);
    service.tenants.clear();
    traffic(&service, 0..20, &[1, 2], |_, _| true);
    assert_eq!(tripped(&service, at(20)), (vec![], vec![], true));
}

#[test]
fn the_service_s_probe_answers_for_the_service_whoever_is_to_blame() {
    let service = service(3);
    traffic(&service, 0..20, &[0], |_, _| true);
    let opened = service.service.snapshot(at(20)).since;
    let probe_at = service.service.snapshot(at(20)).retry_at;
    assert_eq!(probe_at.since(opened), Duration::from_secs(30));
    // Its endpoints' failures are forgotten by then, so nobody else's failure is known.
    let later = probe_at + Duration::from_secs(3_600);
    let probe = service.admit(0, 0, later).expect("a probe");
    assert!(probe.pass.is_probe());
    service.settle(probe, FAILURE, later);
    assert_eq!(service.service.state(later), State::Open);
}

#[test]
fn slow_calls_are_weighed_as_failures_are() {
    let service = service(5);
    for call in 0..200u64 {
        let (endpoint, now) = (call as usize % 5, at(call));
        let Ok(pass) = service.admit(endpoint, 0, now) else { continue };
        let took = if endpoint == 2 { 6 } else { 0 };
        service.settle(pass, Outcome::Success, now + Duration::from_secs(took));
    }
    assert_eq!(tripped(&service, at(210)), (vec![2], vec![], false));
    let slow = service.service.snapshot(at(210)).totals.slow;
    assert_eq!((slow, service.blamed(Scope::Service)), (0, 0));
}

#[test]
fn an_overdue_call_speaks_against_one_circuit_and_only_once() {
    let service = service(3);
    let mut passes: Vec<_> = (0..10).map(|_| service.admit(1, 0, at(0)).expect("closed")).collect();
    for pass in &mut passes {
        service.overdue(pass, at(5));
        service.overdue(pass, at(5));
    }
    assert_eq!(tripped(&service, at(5)), (vec![1], vec![], false), "ten hung calls");
    assert_eq!(service.blamed(Scope::Endpoint), 10);
    passes.into_iter().for_each(|pass| service.settle(pass, FAILURE, at(6)));
    assert_eq!(service.blamed(Scope::Endpoint), 10);
}

#[test]
fn a_call_that_was_never_made_says_nothing_of_anybody() {
    let service = service(3);
    let pass = Pass::enter(&service.scopes, 5, &Sees(&service, 5), at(1)).expect("closed");
    pass.settle(0, FAILURE, 0, &Sees(&service, 5), at(1));
    assert_eq!(service.scopes.snapshot().blamed, super::Blamed { endpoint: 0, tenant: 0, service: 0 });
    assert!(service.seen(at(1)).iter().all(|circuit| circuit.totals.failure == 0));
}

#[test]
fn what_is_known_of_endpoints_that_stay_is_kept() {
    let old = service(3);
    traffic(&old, 0..20, &[0], |_, _| true);
    // Two endpoints that fail and one that is new: the next failure is still the service's.
    let scopes = old.scopes.with_endpoints([Some(0), Some(1), None].into_iter());
    let new = Service { scopes: Arc::new(scopes), ..service(3) };
    let before = new.blamed(Scope::Service);
    let call = new.admit(0, 0, at(20)).expect("closed");
    new.settle(call, FAILURE, at(20));
    assert_eq!(
        (new.blamed(Scope::Service), new.blamed(Scope::Endpoint)),
        (before, old.blamed(Scope::Endpoint))
    );
    let call = new.admit(2, 0, at(20)).expect("closed");
    new.settle(call, FAILURE, at(20));
    assert_eq!(new.blamed(Scope::Service), before + 1);
}

/// What fails in a random run.
#[derive(Clone, Copy, Debug)]
enum Culprit {
    Endpoint(usize),
    Tenant(u64),
    Service,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Call(usize, u64),
    Begin(usize, u64),
    End(usize),
    Drop(usize),
}

fn op(endpoints: usize) -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..endpoints, 0u64..6).prop_map(|(endpoint, tenant)| Op::Call(endpoint, tenant)),
        3 => (0..endpoints, 0u64..6).prop_map(|(endpoint, tenant)| Op::Begin(endpoint, tenant)),
        3 => any::<usize>().prop_map(Op::End),
        1 => any::<usize>().prop_map(Op::Drop),
    ]
}

fn culprit() -> impl Strategy<Value = Culprit> {
    prop_oneof![
        (0usize..6).prop_map(Culprit::Endpoint),
        (1u64..6).prop_map(Culprit::Tenant),
        Just(Culprit::Service),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_random_traffic_only_the_culprit_s_circuit_opens_and_everything_taken_is_given_back(
        culprit in culprit(),
        ops in prop::collection::vec(op(6), 300..1_500),
    ) {
        let service = service(6);
        traffic(&service, 0..60, &[0, 1, 2, 3, 4, 5], |_, _| false);
        let outcome = |endpoint, tenant| {
            let fails = match culprit {
                Culprit::Endpoint(bad) => endpoint == bad,
                Culprit::Tenant(bad) => tenant == bad,
                Culprit::Service => true,
            };
            if fails { FAILURE } else { Outcome::Success }
        };
        let mut flying: Vec<(Call, Outcome)> = Vec::new();
        let mut now = at(60);
        for op in ops {
            now = now + Duration::from_millis(20);
            match op {
                Op::Call(endpoint, tenant) => {
                    if let Ok(pass) = service.admit(endpoint, tenant, now) {
                        service.settle(pass, outcome(endpoint, tenant), now);
                    }
                }
                Op::Begin(endpoint, tenant) => {
                    let pass = service.admit(endpoint, tenant, now);
                    flying.extend(pass.ok().map(|pass| (pass, outcome(endpoint, tenant))));
                }
                Op::End(any) if !flying.is_empty() => {
                    let (pass, outcome) = flying.swap_remove(any % flying.len());
                    service.settle(pass, outcome, now);
                }
                Op::Drop(any) if !flying.is_empty() => {
                    let (pass, _) = flying.swap_remove(any % flying.len());
                    service.settle(pass, Outcome::Cancelled, now);
                }
                Op::End(_) | Op::Drop(_) => {}
            }
            // Calls in flight are short: none is slow.
            if flying.len() > 30 {
                let (pass, outcome) = flying.remove(0);
                service.settle(pass, outcome, now);
            }
        }
        for (pass, outcome) in flying {
            service.settle(pass, outcome, now);
        }
        for circuit in service.seen(now) {
            prop_assert_eq!((circuit.probes.in_flight, circuit.hung), (0, 0));
        }
        let (endpoints, tenants, whole) = tripped(&service, now);
        match culprit {
            Culprit::Endpoint(bad) => {
                prop_assert!(endpoints.iter().all(|i| *i == bad) && tenants.is_empty() && !whole, "{:?}", (endpoints, tenants, whole));
            }
            Culprit::Tenant(bad) => {
                prop_assert!(endpoints.is_empty() && tenants.iter().all(|key| *key == bad) && !whole, "{:?}", (endpoints, tenants, whole));
            }
            // Where nearly all calls go to one endpoint, or are one tenant's, its own circuit explains the failures as well.
            Culprit::Service => {
                prop_assert!(whole || !endpoints.is_empty() || !tenants.is_empty(), "all stay closed");
            }
        }
    }
}
