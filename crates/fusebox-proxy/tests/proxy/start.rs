//! Starting, or not.

use crate::support::{Backend, get, nobody};
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Options, Proxy};
use std::net::{SocketAddr, TcpListener};

fn plan(listen: SocketAddr, admin: &str) -> Plan {
    let service = crate::support::service(&[nobody()], "");
    let text = format!("{admin}\n[[listener]]\nlisten = \"{listen}\"\n{service}");
    Plan::parse("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_taken_port_is_named_with_the_way_to_change_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let error = Proxy::start(plan(address, "admin = false")).expect_err("it is taken").to_string();
    assert_eq!(
        error,
        format!(
            "listen on {address}: the address is taken by another program; change it with --listen or in [[listener]] listen"
        )
    );
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let error =
        Proxy::start(plan(free, &format!("[admin]\nlisten = \"{address}\""))).expect_err("it is taken");
    assert!(error.to_string().contains("--admin"), "{error}");
}

#[test]
fn another_proxy_of_the_same_kind_counts_as_taken_too() {
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let first = Proxy::start(plan(free, "admin = false")).expect("a free port");
    let address = first.addresses()[0];
    assert!(Proxy::start(plan(address, "admin = false")).is_err());
    // Nothing of the second one runs, and the first is unharmed.
    assert_eq!(get(address, "/").status, 503);
    first.shutdown(std::time::Duration::ZERO).expect("no worker failed");
    let again = Proxy::start(plan(address, "admin = false")).expect("the port is free again");
    again.shutdown(std::time::Duration::ZERO).expect("no worker failed");
}

#[test]
fn without_a_file_one_upstream_is_protected_as_it_is() {
    let backend = Backend::status(500);
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut plan =
        Plan::for_upstreams(&[format!("http://{}", backend.address)], free, nobody()).expect("one upstream");
    plan.admin = None;
    let quiet =
        Options { workers: Some(2), journal: Some(std::sync::Arc::new(|_| {})), ..Options::default() };
    let proxy = Proxy::start_with(plan, quiet).expect("a free port");
    let address = proxy.addresses()[0];
    let mut opened_after = 0;
    while get(address, "/").header("fusebox-outcome") != Some("rejected") {
        opened_after += 1;
        assert!(opened_after <= 10, "open by the tenth call");
    }
    let reached = backend.reached();
    for _ in 0..20 {
        assert_eq!(get(address, "/").status, 503);
    }
    assert_eq!(backend.reached(), reached);
    proxy.shutdown(std::time::Duration::ZERO).expect("no worker failed");
}
