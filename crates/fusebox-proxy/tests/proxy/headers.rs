//! What goes on and what ends at the proxy.

use crate::support::{Backend, Client, before};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn hop_by_hop_headers_end_here_both_ways() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nTrailer: x-t\r\nX-Kept: 1\r\n\r\nok",
    );
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\nTrailer: x-t\r\n\
         Upgrade: websocket\r\nHTTP2-Settings: AA\r\nX-Kept: 1\r\n\r\n",
    );
    let answer = client.read();
    let request = backend.requests().remove(0);
    let gone = [
        "connection",
        "x-secret",
        "te",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
        "upgrade",
        "http2-settings",
    ];
    for name in gone {
        assert!(request.values(name).is_empty(), "{name} in {}", request.head);
    }
    assert_eq!(request.values("x-kept"), ["1"]);
    for name in ["x-inner", "keep-alive", "proxy-authenticate", "trailer"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!((answer.header("x-kept"), answer.text().as_str()), (Some("1"), "ok"));
}

#[test]
fn an_upgrade_is_answered_as_if_it_was_not_asked_for() {
    let backend = Backend::answering(OK);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn what_a_client_says_of_itself_is_replaced() {
    let backend = Backend::answering(OK);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send(
        "GET / HTTP/1.1\r\nHost: pay.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\n\r\n",
    );
    assert_eq!(client.read().status, 200);
    let request = backend.requests().remove(0);
    assert_eq!(request.values("host"), ["pay.example"]);
    assert_eq!(request.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.values("x-forwarded-proto"), ["http"]);
    assert_eq!(request.values("x-forwarded-host"), ["pay.example"]);
    assert!(request.values("forwarded").is_empty());
}

#[test]
fn connect_is_405() {
    let backend = Backend::answering(OK);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("CONNECT inside:22 HTTP/1.1\r\nHost: inside:22\r\n\r\n");
    let answer = client.read();
    assert!(answer.status == 405 && answer.header("allow").is_some());
    assert!(client.is_closed());
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_client_of_http_1_0_is_served_and_its_host_made_up_for() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.0\r\n\r\n");
    let answer = client.read();
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("transfer-encoding")),
        (200, "ok", None)
    );
    assert!(client.is_closed());
    assert_eq!(backend.requests()[0].values("host"), [backend.address.to_string()]);
}

#[test]
fn the_proxy_itself_says_continue() {
    let backend = Backend::answering(OK);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.read().status, 100);
    client.send("body");
    assert_eq!(client.read().status, 200);
    let request = backend.requests().remove(0);
    assert!(request.values("expect").is_empty() && request.body == b"body");
}

#[test]
fn an_absolute_target_is_forwarded_as_a_path() {
    let backend = Backend::answering(OK);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("GET http://pay.example/a?b HTTP/1.1\r\nHost: pay.example\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(backend.requests()[0].line(), "GET /a?b HTTP/1.1");
}
