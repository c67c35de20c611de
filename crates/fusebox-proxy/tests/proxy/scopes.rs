//! `[service.scopes]`: one endpoint, one tenant or the whole service, whoever it is that fails.

use crate::support::{Answer, Backend, Client, Running, run, service};
use fusebox::breaker::State;
use std::io::Write;
use std::net::TcpStream;

const SCOPES: &str = "scopes = { tenant = \"header:x-tenant\" }\nretry = { max_attempts = 1 }\nbreaker = { consecutive_failures = 5 }";

/// Answers 500 to the tenants in `fails`, or to all.
fn picky(fails: &'static [&'static str]) -> Backend {
    Backend::start(move |stream: &mut TcpStream, request| {
        let tenants = request.values("x-tenant");
        let bad = fails.iter().any(|fails| *fails == "all" || tenants.contains(fails));
        let status = if bad { 500 } else { 200 };
        write!(stream, "HTTP/1.1 {status} S\r\nContent-Length: 0\r\n\r\n").is_ok()
    })
}

fn call(proxy: &Running, tenant: Option<&str>) -> Answer {
    let tenant = tenant.map_or(String::new(), |tenant| format!("X-Tenant: {tenant}\r\n"));
    let mut client = Client::connect(proxy.address);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{tenant}\r\n"));
    client.read()
}

/// Calls of three tenants, and which of these circuits are open then.
fn opened(proxy: &Running, backends: &[&Backend]) -> Vec<String> {
    for round in 0..40 {
        let tenant = ["x", "y", "z"][(round + round / 3) % 3];
        call(proxy, Some(tenant));
    }
    let endpoints = backends.iter().map(|backend| format!("s/{}", backend.address));
    let names = endpoints.chain(["s[x]", "s[y]", "s[z]", "s"].map(String::from));
    names.filter(|name| proxy.circuit(name).state == State::Open).collect()
}

#[test]
fn the_smallest_circuit_that_explains_the_failures_opens() {
    let (bad, good, fine) = (picky(&["all"]), picky(&[]), picky(&[]));
    let endpoints = [bad.address, good.address, fine.address];
    let proxy = run(&service(&endpoints, SCOPES));
    assert_eq!(opened(&proxy, &[&bad, &good, &fine]), [format!("s/{}", bad.address)]);

    let backends = [picky(&["y"]), picky(&["y"]), picky(&["y"])];
    let proxy = run(&service(&[0, 1, 2].map(|i: usize| backends[i].address), SCOPES));
    assert_eq!(opened(&proxy, &[&backends[0], &backends[1], &backends[2]]), ["s[y]"]);

    let backends = [picky(&["all"]), picky(&["all"]), picky(&["all"])];
    let proxy = run(&service(&[0, 1, 2].map(|i: usize| backends[i].address), SCOPES));
    assert_eq!(opened(&proxy, &[&backends[0], &backends[1], &backends[2]]), ["s"]);
}

#[test]
fn a_refusal_names_the_tenant_s_circuit_and_leaves_others_alone() {
    let backends = [picky(&["y"]), picky(&["y"])];
    let proxy = run(&service(&[backends[0].address, backends[1].address], SCOPES));
    assert_eq!(opened(&proxy, &[&backends[0], &backends[1]]), ["s[y]"]);
    let refused = call(&proxy, Some("y"));
    assert_eq!((refused.status, refused.header("fusebox-circuit")), (503, Some("s[y]")));
    assert_eq!(call(&proxy, Some("x")).status, 200);
    assert_eq!(call(&proxy, None).status, 200, "a call without a tenant");
}
