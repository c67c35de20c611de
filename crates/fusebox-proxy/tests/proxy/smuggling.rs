//! Requests that two servers could read in two ways: refused, closed, and not a byte upstream.

use crate::support::{Backend, Client, before};

const AMBIGUOUS: [(&str, &str); 34] = [
    (
        "length and coding",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding and length",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("an empty coding first", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    (
        "another coding first",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    ("identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    (
        "chunked not last",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "a control character in the coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    ("an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("a coding on HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd"),
    ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -4\r\n\r\nabcd"),
    ("an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nabcd"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd"),
    (
        "a length beyond counting",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabcd",
    ),
    ("no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n"),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
    ("a target for another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a dot segment", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an encoded dot segment", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an encoded slash before dots", "GET /a%2f..%2fb HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n folded\r\n\r\n"),
    ("a space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n"),
    ("an empty header name", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"),
    ("a zero byte in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n"),
    ("a bare carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n"),
    ("a method that is none", "G{T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("another protocol", "GET / HTTP/1.32\r\nHost: a\r\n\r\n"),
];

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    for (what, request) in AMBIGUOUS {
        let mut client = Client::connect(proxy.address);
        client.send(request);
        assert_eq!(client.read().status, 400, "{what}");
        assert!(client.is_closed(), "{what}");
        assert_eq!((backend.connections(), backend.bytes()), (0, 0), "{what}");
    }
    assert_eq!(proxy.counts(), (0, 0, 0, 0));
}

#[test]
fn it_is_refused_behind_another_request_too() {
    for (what, request) in AMBIGUOUS {
        let backend = Backend::status(200);
        let proxy = before(backend.address, "");
        let mut client = Client::connect(proxy.address);
        let first = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        client.send(format!("{first}{request}"));
        assert_eq!((client.read().status, client.read().status), (200, 400), "{what}");
        assert!(client.is_closed(), "{what}");
        assert_eq!(backend.reached(), 1, "{what}");
        proxy.settles_at((1, 0, 0, 0));
    }
}

#[test]
fn the_rest_of_a_refused_request_is_not_taken_for_another() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(client.read().status, 400);
    assert!(client.is_closed());
    assert_eq!(backend.bytes(), 0);
}
