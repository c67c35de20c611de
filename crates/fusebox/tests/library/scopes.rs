//! Circuits of the service and of tenants before those of endpoints, through the library's drivers.

use crate::three_strikes;
use fusebox::balancer::Spec;
use fusebox::breaker::State;
use fusebox::{Ask, BlockingFuse, Clock, Error, Fuse, FuseBuilder, ScopesConfig};
use std::time::Duration;

fn builder(endpoints: usize) -> FuseBuilder {
    let names = ["a", "b", "c", "d", "e"];
    Fuse::builder("orders")
        .clock(Clock::manual().0)
        .breaker(three_strikes())
        .endpoints(names.iter().take(endpoints).map(|name| Spec::named(name)))
}

fn with_tenants() -> ScopesConfig {
    ScopesConfig { tenant: Some(three_strikes()), ..ScopesConfig::default() }
}

fn scoped(endpoints: usize) -> BlockingFuse {
    builder(endpoints).scopes(with_tenants()).build_blocking().expect("works")
}

/// Which circuits are open, by name, after calls of three tenants to three endpoints each.
fn opened(fuse: &BlockingFuse, rounds: usize, fails: impl Fn(&str, &str) -> bool) -> Vec<String> {
    for round in 0..rounds {
        // Another tenant begins each round, so that each meets each endpoint.
        for tenant in ["x", "y", "z"].iter().cycle().skip(round).take(3) {
            let call = |endpoint: &str| if fails(endpoint, tenant) { Err("down") } else { Ok(()) };
            let _ = fuse.asking(Ask::default()).tenant(tenant).call_at(call);
        }
    }
    let wide = fuse.service_circuit().cloned().into_iter().chain(fuse.tenant_circuits());
    let all = fuse.circuits().cloned().chain(wide);
    all.filter(|circuit| circuit.state() == State::Open).map(|circuit| circuit.name().to_string()).collect()
}

#[test]
fn the_smallest_circuit_that_explains_the_failures_opens() {
    type Fails<'a> = &'a dyn Fn(&str, &str) -> bool;
    let cases: [(Fails<'_>, &str); 3] = [
        (&|endpoint, _| endpoint == "b", "orders/b"),
        (&|_, tenant| tenant == "y", "orders[y]"),
        (&|_, _| true, "orders"),
    ];
    for (fails, whose) in cases {
        assert_eq!(opened(&scoped(3), 30, fails), [whose]);
    }
}

#[test]
fn a_refusal_names_the_circuit_that_refused() {
    let fuse = scoped(3);
    opened(&fuse, 30, |_, tenant| tenant == "y");
    let refused = fuse.asking(Ask::default()).tenant("y").call(|| Ok::<_, &str>(()));
    let Err(Error::Rejected(rejected)) = refused else { panic!("{refused:?}") };
    assert_eq!(&*rejected.circuit, "orders[y]");
    assert!(fuse.asking(Ask::default()).tenant("x").call(|| Ok::<_, &str>(())).is_ok());
    assert!(fuse.call(|| Ok::<_, &str>(())).is_ok(), "a call without a tenant");
}

#[test]
fn tenants_beyond_the_bound_share_a_circuit() {
    let scopes = ScopesConfig { max_tenants: 2, ..with_tenants() };
    let fuse = builder(0).scopes(scopes).build_blocking().expect("works");
    for tenant in ["x", "y", "z", "w"] {
        // Whoever has failed is not idle, and makes no room.
        let _ = fuse.asking(Ask::default()).tenant(tenant).call(|| Err::<(), _>("down"));
    }
    let mut names: Vec<_> = fuse.tenant_circuits().iter().map(|circuit| circuit.name().to_string()).collect();
    names.sort();
    assert_eq!(names, ["orders[other]", "orders[x]", "orders[y]"]);
    assert!(fuse.service_circuit().is_none(), "one endpoint is smaller than its service");
}

#[test]
fn endpoints_that_come_and_go_leave_the_wider_circuits_as_they_are() {
    let fuse = scoped(3);
    assert_eq!(opened(&fuse, 30, |_, _| true), ["orders"]);
    let other = fuse.with_endpoints([Spec::named("a"), Spec::named("n")]).expect("works");
    assert_eq!(other.service_circuit().expect("as before").state(), State::Open);
    assert_eq!(other.tenant_circuits().len(), 3);
}

#[test]
fn what_can_never_work_is_refused_with_all_of_it() {
    let refused = |fuse: FuseBuilder| fuse.build_blocking().map(drop).expect_err("can not work").to_string();
    let none = refused(builder(0).scopes(ScopesConfig::default()));
    assert!(none.contains("scopes = neither endpoints nor tenants"), "{none}");
    let config = ScopesConfig { max_tenants: 0, breadth: 1.5, memory: Duration::ZERO, ..with_tenants() };
    let text = refused(builder(2).scopes(config));
    for field in ["max_tenants = 0", "breadth = 1.5", "memory = 0ns"] {
        assert!(text.contains(field), "{field}: {text}");
    }
    let bare = Fuse::builder("orders").without_breaker().scopes(with_tenants());
    assert!(refused(bare).contains("scopes"));
}

#[test]
fn explain_says_which_circuits_there_are() {
    let text = scoped(2).explain();
    assert!(text.contains("Scopes"), "{text}");
    assert!(text.contains("circuit orders") && text.contains("circuits orders[tenant]"), "{text}");
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn async_calls_have_scopes_too() {
    let fuse = builder(2).clock(Clock::tokio()).scopes(with_tenants()).build().expect("works");
    for _ in 0..12 {
        let _ = fuse.asking(Ask::default()).tenant("x").run(async || Err::<(), _>("down")).await;
        let _ = fuse.asking(Ask::default()).tenant("y").run(async || Err::<(), _>("down")).await;
    }
    let refused = fuse.asking(Ask::default()).tenant("x").run(async || Ok::<_, &str>(())).await;
    let Err(Error::Rejected(rejected)) = refused else { panic!("{refused:?}") };
    assert_eq!(&*rejected.circuit, "orders");
}
