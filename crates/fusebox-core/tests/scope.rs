//! Scopes: the smallest circuit that explains the failures opens, and no other.

use fusebox_core::breaker::{self, State};
use fusebox_core::scope::{Config, Pass, Scope, Scopes};
use fusebox_core::{Failure, Outcome, Reason, Rng, Time};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const FAILURE: Outcome = Outcome::Failure(Failure::Error);

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn circuit() -> Arc<breaker::Settings> {
    let mut config = breaker::Config::default();
    config.wait_in_open.jitter = 0.0;
    Arc::new(config.check(None).expect("works"))
}

fn scopes(endpoints: usize) -> Scopes {
    let config = Config { tenant: Some(circuit()), ..Config::over(circuit()) };
    Scopes::new(config.check().expect("works"), endpoints, Rng::seeded(1), Time::ZERO)
}

/// Calls until `secs`, ten a second, each endpoint and each tenant in turn; `broken` says which cells fail. Answers how
/// many calls were made.
fn traffic(
    scopes: &Scopes,
    secs: core::ops::Range<u64>,
    tenants: &[u64],
    broken: impl Fn(usize, u64) -> bool,
) -> usize {
    let mut made = 0;
    for call in 0..(secs.end - secs.start) * 10 {
        let now = at(secs.start) + Duration::from_millis(100 * call);
        let (endpoint, round) = (call as usize % scopes.endpoints(), call as usize / scopes.endpoints());
        // Each round begins with another tenant, so that each meets each endpoint.
        let tenant = tenants[(endpoint + round) % tenants.len()];
        if let Ok(pass) = scopes.admit(endpoint, tenant, now) {
            made += 1;
            scopes.settle(pass, if broken(endpoint, tenant) { FAILURE } else { Outcome::Success }, now);
        }
    }
    made
}

/// Which circuits have ever opened: endpoints, tenants, the service.
fn tripped(scopes: &Scopes, now: Time) -> (Vec<usize>, Vec<u64>, bool) {
    let seen = scopes.snapshot(now);
    let endpoints = seen.endpoints.iter().enumerate().filter(|(_, circuit)| circuit.totals.trips() > 0);
    let tenants = seen.tenants.iter().filter(|(_, circuit)| circuit.totals.trips() > 0);
    (
        endpoints.map(|(i, _)| i).collect(),
        tenants.map(|(key, _)| *key).collect(),
        seen.service.totals.trips() > 0,
    )
}

#[test]
fn one_endpoint_of_ten_that_fails_everything_opens_its_own_circuit_only() {
    let scopes = scopes(10);
    traffic(&scopes, 0..60, &[1, 2, 3], |endpoint, _| endpoint == 4);
    assert_eq!(tripped(&scopes, at(60)), (vec![4], vec![], false));
}

#[test]
fn an_endpoint_that_gets_all_the_traffic_and_fails_it_does_not_take_the_service_along() {
    let scopes = scopes(10);
    traffic(&scopes, 0..10, &[0], |_, _| false);
    for _ in 0..10 {
        let pass = scopes.admit(4, 0, at(10)).expect("closed");
        scopes.settle(pass, FAILURE, at(10));
    }
    assert_eq!(tripped(&scopes, at(10)), (vec![4], vec![], false), "ten failures in a row, for both");
}

#[test]
fn one_tenant_that_fails_everywhere_opens_its_own_circuit_only() {
    let scopes = scopes(10);
    traffic(&scopes, 0..60, &[1, 2, 3, 4, 5, 6, 7], |_, tenant| tenant == 7);
    assert_eq!(tripped(&scopes, at(60)), (vec![], vec![7], false));
}

#[test]
fn a_tenant_with_most_of_the_traffic_does_not_take_the_endpoints_along() {
    let scopes = scopes(5);
    traffic(&scopes, 0..60, &[9, 9, 9, 9, 1, 2], |_, tenant| tenant == 9);
    assert_eq!(tripped(&scopes, at(60)), (vec![], vec![9], false));
}

#[test]
fn when_every_endpoint_fails_the_service_opens_and_no_endpoint_is_asked() {
    let scopes = scopes(10);
    let made = traffic(&scopes, 0..20, &[1, 2, 3], |_, _| true);
    assert_eq!(tripped(&scopes, at(20)), (vec![], vec![], true));
    assert!(made <= 30, "the service's ten and a round or two to see that all fail: {made}");
    let refusal = scopes.enter(1, at(20)).expect_err("before an endpoint is chosen");
    assert_eq!(refusal.reason, Reason::Open);
}

#[test]
fn most_endpoints_are_not_the_service() {
    let scopes = scopes(10);
    traffic(&scopes, 0..60, &[0], |endpoint, _| endpoint < 6);
    assert_eq!(tripped(&scopes, at(60)), (vec![0, 1, 2, 3, 4, 5], vec![], false));
}

#[test]
fn endpoints_that_fail_one_after_the_other_end_in_the_service() {
    let scopes = scopes(4);
    // An hour apart from each other would be too long to remember their calls; their open circuits are remembered.
    traffic(&scopes, 0..40, &[0], |endpoint, _| endpoint == 0);
    traffic(&scopes, 40..80, &[0], |endpoint, _| endpoint <= 1);
    traffic(&scopes, 80..120, &[0], |endpoint, _| endpoint <= 2);
    assert!(!tripped(&scopes, at(120)).2);
    traffic(&scopes, 120..160, &[0], |_, _| true);
    assert!(tripped(&scopes, at(160)).2, "{:?}", scopes.snapshot(at(160)).blamed);
}

#[test]
fn the_only_endpoint_and_the_only_tenant_are_smaller_than_the_service() {
    let one = scopes(1);
    traffic(&one, 0..20, &[0], |_, _| true);
    assert_eq!(tripped(&one, at(20)), (vec![0], vec![], false));
    let many = scopes(5);
    traffic(&many, 0..20, &[3], |_, _| true);
    assert_eq!(tripped(&many, at(20)), (vec![], vec![3], false));
}

#[test]
fn without_tenants_every_endpoint_failing_is_the_service() {
    let settings = Config::over(circuit()).check().expect("works");
    let scopes = Scopes::new(settings, 3, Rng::seeded(1), Time::ZERO);
    traffic(&scopes, 0..20, &[1, 2], |_, _| true);
    assert_eq!(tripped(&scopes, at(20)), (vec![], vec![], true));
}

#[test]
fn the_service_s_probe_answers_for_the_service_whoever_is_to_blame() {
    let scopes = scopes(3);
    traffic(&scopes, 0..20, &[0], |_, _| true);
    let opened = scopes.service().snapshot(at(20)).since;
    let probe_at = scopes.service().snapshot(at(20)).retry_at;
    assert_eq!(probe_at.since(opened), Duration::from_secs(30));
    // Its endpoints' failures are forgotten by then, so nobody else's failure is known.
    let later = probe_at + Duration::from_secs(3_600);
    let probe = scopes.admit(0, 0, later).expect("a probe");
    assert!(probe.is_probe());
    scopes.settle(probe, FAILURE, later);
    assert_eq!(scopes.service().state(later), State::Open);
}

#[test]
fn slow_calls_are_weighed_as_failures_are() {
    let scopes = scopes(5);
    for call in 0..200u64 {
        let (endpoint, now) = (call as usize % 5, at(call));
        let Ok(pass) = scopes.admit(endpoint, 0, now) else { continue };
        let took = if endpoint == 2 { 6 } else { 0 };
        scopes.settle(pass, Outcome::Success, now + Duration::from_secs(took));
    }
    assert_eq!(tripped(&scopes, at(210)), (vec![2], vec![], false));
    let seen = scopes.snapshot(at(210));
    assert_eq!((seen.service.totals.slow, seen.blamed(Scope::Service)), (0, 0));
}

#[test]
fn an_overdue_call_speaks_against_one_circuit_and_only_once() {
    let scopes = scopes(3);
    let mut passes: Vec<_> = (0..10).map(|_| scopes.admit(1, 0, at(0)).expect("closed")).collect();
    for pass in &mut passes {
        scopes.overdue(pass, at(5));
        scopes.overdue(pass, at(5));
    }
    assert_eq!(tripped(&scopes, at(5)), (vec![1], vec![], false), "ten hung calls");
    assert_eq!(scopes.snapshot(at(5)).blamed(Scope::Endpoint), 10);
    passes.into_iter().for_each(|pass| scopes.settle(pass, FAILURE, at(6)));
    assert_eq!(scopes.snapshot(at(6)).blamed(Scope::Endpoint), 10);
}

#[test]
fn an_endpoint_that_refuses_leaves_the_pass_good_for_another() {
    let scopes = scopes(3);
    traffic(&scopes, 0..20, &[0], |endpoint, _| endpoint == 0);
    let mut pass = scopes.enter(5, at(20)).expect("the service goes on");
    assert_eq!(scopes.aim(&mut pass, 0, at(20)).expect_err("open").reason, Reason::Open);
    scopes.aim(&mut pass, 1, at(20)).expect("closed");
    scopes.settle(pass, Outcome::Success, at(20));
    assert_eq!(scopes.endpoint(1).snapshot(at(20)).totals.failure, 0);
}

#[test]
fn endpoints_that_stay_keep_their_circuits_and_late_results_go_where_they_belong() {
    let old = scopes(3);
    traffic(&old, 0..20, &[0], |endpoint, _| endpoint == 0);
    let pass = old.admit(2, 0, at(20)).expect("closed");
    let new = old.with_endpoints(&[Some(0), None], at(20));
    assert_eq!((new.endpoint(0).state(at(20)), new.endpoint(1).state(at(20))), (State::Open, State::Closed));
    new.settle(pass, FAILURE, at(20));
    assert_eq!(old.endpoint(2).snapshot(at(20)).totals.failure, 1);
    assert_eq!(new.service().snapshot(at(20)).totals.success, old.service().snapshot(at(20)).totals.success);
}

#[test]
fn tenants_beyond_the_bound_share_a_circuit_and_are_counted() {
    let config = Config { tenant: Some(circuit()), max_tenants: 2, ..Config::over(circuit()) };
    let scopes = Scopes::new(config.check().expect("works"), 1, Rng::seeded(1), Time::ZERO);
    traffic(&scopes, 0..1, &[1, 2, 3], |_, _| false);
    let seen = scopes.snapshot(at(1));
    assert_eq!(seen.tenants.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(seen.turned_away, 3);
    traffic(&scopes, 600..601, &[4], |_, _| false);
    let keys: Vec<_> = scopes.snapshot(at(601)).tenants.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [0, 4], "who has not been seen for long makes room");
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
        let scopes = scopes(6);
        traffic(&scopes, 0..60, &[0, 1, 2, 3, 4, 5], |_, _| false);
        let outcome = |endpoint, tenant| {
            let fails = match culprit {
                Culprit::Endpoint(bad) => endpoint == bad,
                Culprit::Tenant(bad) => tenant == bad,
                Culprit::Service => true,
            };
            if fails { FAILURE } else { Outcome::Success }
        };
        let mut flying: Vec<(Pass, Outcome)> = Vec::new();
        let mut now = at(60);
        for op in ops {
            now = now + Duration::from_millis(20);
            match op {
                Op::Call(endpoint, tenant) => {
                    if let Ok(pass) = scopes.admit(endpoint, tenant, now) {
                        scopes.settle(pass, outcome(endpoint, tenant), now);
                    }
                }
                Op::Begin(endpoint, tenant) => {
                    let pass = scopes.admit(endpoint, tenant, now);
                    flying.extend(pass.ok().map(|pass| (pass, outcome(endpoint, tenant))));
                }
                Op::End(any) if !flying.is_empty() => {
                    let (pass, outcome) = flying.swap_remove(any % flying.len());
                    scopes.settle(pass, outcome, now);
                }
                Op::Drop(any) if !flying.is_empty() => {
                    let (pass, _) = flying.swap_remove(any % flying.len());
                    scopes.settle(pass, Outcome::Cancelled, now);
                }
                Op::End(_) | Op::Drop(_) => {}
            }
            // Calls in flight are short: none is slow.
            if flying.len() > 30 {
                let (pass, outcome) = flying.remove(0);
                scopes.settle(pass, outcome, now);
            }
        }
        for (pass, outcome) in flying {
            scopes.settle(pass, outcome, now);
        }
        let seen = scopes.snapshot(now);
        let tenants = seen.tenants.iter().map(|(_, circuit)| circuit);
        for circuit in seen.endpoints.iter().chain(tenants).chain([&seen.service]) {
            prop_assert_eq!((circuit.probes.in_flight, circuit.hung), (0, 0));
        }
        let (endpoints, tenants, service) = tripped(&scopes, now);
        match culprit {
            Culprit::Endpoint(bad) => {
                prop_assert!(endpoints.iter().all(|i| *i == bad) && tenants.is_empty() && !service, "{:?}", (endpoints, tenants, service));
            }
            Culprit::Tenant(bad) => {
                prop_assert!(endpoints.is_empty() && tenants.iter().all(|key| *key == bad) && !service, "{:?}", (endpoints, tenants, service));
            }
            Culprit::Service => prop_assert!(service),
        }
    }
}
