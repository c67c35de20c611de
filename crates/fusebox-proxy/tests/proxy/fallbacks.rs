//! What stands in for the dependency, in its written order.

use crate::support::{Answer, Backend, Client, get, nobody, run, run_after, service};
use std::io::Write;
use std::net::SocketAddr;

const ONCE: &str = "retry = false\n";

/// A backend that answers with these headers and this body, until it is turned to something else.
fn says(headers: &str, body: &'static str) -> Backend {
    let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Backend::start(move |stream, _| stream.write_all(answer.as_bytes()).is_ok())
}

fn source(answer: &Answer) -> (u16, Option<&str>, String) {
    (answer.status, answer.header("fusebox-source"), answer.text())
}

fn asks(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    client.read()
}

/// Two services, `s` at `/` and `other`.
fn with_other(first: SocketAddr, other: SocketAddr, fallback: &str) -> String {
    format!(
        "{}[[service]]\nname = \"other\"\nmatch = {{ path_prefix = \"/other\" }}\nendpoints = [\"http://{other}\"]\n",
        service(&[first], &format!("{ONCE}fallback = {fallback}"))
    )
}

#[test]
fn a_kept_answer_stands_in_fresh_and_then_stale() {
    for (cached, expected) in [("{}", "cached"), ("{ fresh = \"0s\" }", "stale")] {
        let backend = says("X-Kept: 1\r\n", "good");
        let proxy = run(&service(&[backend.address], &format!("{ONCE}fallback = {{ cached = {cached} }}")));
        let live = get(proxy.address, "/a?b");
        assert_eq!(source(&live), (200, Some("live"), "good".into()));
        backend.turn_to(500);
        let kept = get(proxy.address, "/a?b");
        assert_eq!(source(&kept), (200, Some(expected), "good".into()));
        assert_eq!((kept.header("x-kept"), kept.header("fusebox-outcome")), (Some("1"), Some("fallback")));
        assert_eq!(kept.header("age").is_some(), expected == "stale");
        assert_eq!(get(proxy.address, "/a?c").status, 500, "another question");
        assert_eq!(Client::connect(proxy.address).post("/a?b", "").status, 500, "not a question");
    }
}

#[test]
fn a_failed_answer_or_a_cut_one_takes_no_kept_ones_place() {
    let backend = says("", "good");
    let proxy = run(&service(&[backend.address], &format!("{ONCE}fallback = {{ cached = {{}} }}")));
    assert_eq!(get(proxy.address, "/").status, 200);
    backend.now_does(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut");
        false
    });
    assert!(!get(proxy.address, "/").whole);
    backend.turn_to(404);
    assert_eq!(get(proxy.address, "/").status, 404, "a live answer");
    backend.turn_to(503);
    assert_eq!(source(&get(proxy.address, "/")), (200, Some("cached"), "good".into()));
}

#[test]
fn nobody_has_another_callers_answer() {
    let backend = says("Cache-Control: private\r\n", "mine");
    let proxy = run(&service(&[backend.address], &format!("{ONCE}fallback = {{ cached = {{}} }}")));
    let (ann, bob) = ("Authorization: ann\r\n", "Authorization: bob\r\n");
    assert_eq!(asks(proxy.address, "/", ann).status, 200);
    assert_eq!(asks(proxy.address, "/", "Cookie: session=ann\r\n").status, 200);
    backend.turn_to(500);
    assert_eq!(source(&asks(proxy.address, "/", ann)).1, Some("cached"));
    for other in [bob, "", "Cookie: session=bob\r\n", "Cookie: session=ann\r\nAuthorization: ann\r\n"] {
        assert_eq!(asks(proxy.address, "/", other).status, 500, "{other:?}");
    }
}

#[test]
fn a_private_answer_to_somebody_whom_the_scope_does_not_know_is_kept_for_nobody() {
    let backend = says("Cache-Control: private\r\n", "mine");
    let proxy = run(&service(&[backend.address], &format!("{ONCE}fallback = {{ cached = {{}} }}")));
    assert_eq!(asks(proxy.address, "/", "X-Api-Key: ann\r\n").status, 200);
    backend.turn_to(500);
    for other in ["X-Api-Key: bob\r\n", "X-Api-Key: ann\r\n", ""] {
        assert_eq!(asks(proxy.address, "/", other).status, 500, "{other:?}");
    }
}

#[test]
fn an_answer_to_a_question_in_a_body_is_not_kept() {
    let backend = says("", "to a");
    let proxy = run(&service(
        &[backend.address],
        &format!("{ONCE}fallback = {{ cached = {{ scope = \"shared\" }} }}"),
    ));
    let ask = |question: &str| {
        let mut client = Client::connect(proxy.address);
        let length = question.len();
        client
            .send(format!("GET /find HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{question}"));
        client.read().status
    };
    assert_eq!(ask("a"), 200);
    backend.turn_to(500);
    assert_eq!((ask("b"), asks(proxy.address, "/find", "").status), (500, 500));
}

#[test]
fn what_may_not_be_shared_is_not_kept_for_all() {
    for (told, asked, kept) in [
        ("", "", true),
        ("Cache-Control: max-age=60\r\n", "", true),
        ("Cache-Control: no-store\r\n", "", false),
        ("Cache-Control: max-age=60, Private\r\n", "", false),
        ("Cache-Control: no-cache\r\n", "", false),
        ("Cache-Control: max-age=0, must-revalidate\r\n", "", false),
        ("Set-Cookie: a=b\r\n", "", false),
        ("Vary: *\r\n", "", false),
        ("", "Authorization: ann\r\n", false),
        ("Cache-Control: public\r\n", "Authorization: ann\r\n", true),
        ("", "Cache-Control: no-store\r\n", false),
    ] {
        let backend = says(told, "good");
        let fallback = "fallback = { cached = { scope = \"shared\" } }";
        let proxy = run(&service(&[backend.address], &format!("{ONCE}{fallback}")));
        assert_eq!(asks(proxy.address, "/", asked).status, 200);
        backend.turn_to(500);
        assert_eq!(asks(proxy.address, "/", asked).status == 200, kept, "{told:?} {asked:?}");
    }
}

#[test]
fn an_answer_stands_in_only_for_requests_like_its_own() {
    let backend = says("Vary: Accept, x-lang\r\n", "good");
    let proxy = run(&service(&[backend.address], &format!("{ONCE}fallback = {{ cached = {{}} }}")));
    assert_eq!(asks(proxy.address, "/", "Accept: a/b\r\n").status, 200);
    backend.turn_to(500);
    assert_eq!(asks(proxy.address, "/", "Accept: a/b\r\n").status, 200);
    for other in ["", "Accept: a/c\r\n", "Accept: a/b\r\nX-Lang: pt\r\n"] {
        assert_eq!(asks(proxy.address, "/", other).status, 500, "{other:?}");
    }
}

#[test]
fn a_body_that_is_too_long_is_passed_on_and_not_kept() {
    let backend = says("", "12345");
    let fallback = "fallback = { cached = { max_body = 4 } }";
    let proxy = run(&service(&[backend.address], &format!("{ONCE}{fallback}")));
    assert_eq!(get(proxy.address, "/").text(), "12345");
    backend.now_does(|stream, _| {
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
            )
            .is_ok()
    });
    assert_eq!(get(proxy.address, "/").text(), "12345");
    backend.turn_to(500);
    assert_eq!(get(proxy.address, "/").status, 500);
}

#[test]
fn another_service_answers_through_its_own_circuit() {
    let (bad, good) = (Backend::status(500), Backend::status(200));
    let proxy = run(&with_other(bad.address, good.address, "{ service = \"other\" }"));
    let answer = asks(proxy.address, "/path?q", "X-Mine: 1\r\n");
    assert_eq!(source(&answer), (200, Some("alternative"), "ok".into()));
    assert_eq!(answer.header("fusebox-circuit"), Some("s"));
    let request = good.requests().remove(0);
    assert_eq!((request.line(), request.values("x-mine")), ("GET /path?q HTTP/1.1", vec!["1"]));
    assert_eq!((proxy.counts().1, proxy.circuit("other").totals.success), (1, 1));
    good.turn_to(500);
    let answer = get(proxy.address, "/");
    assert_eq!(
        (answer.status, answer.header("fusebox-source")),
        (500, Some("live")),
        "as without a fallback"
    );
    assert_eq!(proxy.circuit("other").totals.failure, 1);
}

#[test]
fn a_call_that_may_be_made_once_goes_elsewhere_only_if_it_was_never_sent() {
    let good = Backend::status(200);
    for (first, expected) in [(Backend::status(500).address, 500), (nobody(), 200)] {
        let proxy = run(&with_other(first, good.address, "{ service = \"other\" }"));
        assert_eq!(Client::connect(proxy.address).post("/", "body").status, expected);
    }
    assert_eq!(good.requests().iter().map(|request| &request.body[..]).collect::<Vec<_>>(), [b"body"]);
    let proxy = run(&with_other(Backend::status(500).address, good.address, "{ service = \"other\" }"));
    let mut client = Client::connect(proxy.address);
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nagain");
    assert_eq!((client.read().status, &good.requests()[1].body[..]), (200, &b"agai"[..]));
}

#[test]
fn the_written_order_is_the_order() {
    let (bad, good) = (Backend::status(500), Backend::status(200));
    let all = "[{ cached = {} }, { service = \"other\" }, { status = 203, body = \"last\" }]";
    let proxy = run(&with_other(bad.address, good.address, all));
    assert_eq!(source(&get(proxy.address, "/")), (200, Some("alternative"), "ok".into()), "nothing is kept");
    good.turn_to(500);
    assert_eq!(source(&get(proxy.address, "/")), (203, Some("default"), "last".into()));
    bad.turn_to(200);
    assert_eq!(source(&get(proxy.address, "/")).1, Some("live"));
    bad.turn_to(500);
    good.turn_to(200);
    assert_eq!(source(&get(proxy.address, "/")).1, Some("cached"), "before the other service");
}

#[test]
fn other_regions_stand_in_when_ours_fails() {
    let (near, far) = (Backend::status(500), Backend::status(200));
    let config = format!(
        "region = \"eu\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n[[service]]\nname = \"s\"\nendpoints = [\n\
         {{ url = \"http://{}\", region = \"eu\" }}, {{ url = \"http://{}\", region = \"us\" }}]\n\
         {ONCE}fallback = [{{ region = \"other\" }}, {{ status = 503 }}]\n",
        near.address, far.address
    );
    let proxy = crate::support::run_whole(&config);
    assert_eq!(source(&get(proxy.address, "/")), (200, Some("other-region"), "ok".into()));
    assert_eq!((near.reached(), far.reached()), (1, 1));
    let circuit = |backend: &Backend| proxy.circuit(&format!("s/{}", backend.address)).totals;
    assert_eq!((circuit(&near).failure, circuit(&far).success), (1, 1), "one circuit each, the usual ones");
    far.turn_to(500);
    assert_eq!(source(&get(proxy.address, "/")).1, Some("default"));
}

#[test]
fn a_call_that_changes_a_resource_discards_what_was_kept_of_it_for_every_caller() {
    let changed = "HTTP/1.1 201 Created\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    for (method, answer, kept) in [
        ("PUT", changed, [false, false, true]),
        ("POST", changed, [false, false, true]),
        ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n", [false, true, true]),
        ("PUT", "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", [true, true, true]),
        ("OPTIONS", changed, [true, true, true]),
    ] {
        let backend = says("", "old");
        let cached = format!("{ONCE}fallback = {{ cached = {{}} }}");
        let proxy = run(&service(&[backend.address], &cached));
        for (path, headers) in [("/a", ""), ("/a", "Authorization: ann\r\n"), ("/b", ""), ("/c", "")] {
            assert_eq!(asks(proxy.address, path, headers).status, 200);
        }
        backend.now_does(move |stream, _| stream.write_all(answer.as_bytes()).is_ok());
        let mut client = Client::connect(proxy.address);
        client.send(format!("{method} /a HTTP/1.1\r\nHost: TEST\r\nContent-Length: 0\r\n\r\n"));
        client.read();
        backend.turn_to(500);
        let seen = ["/a", "/b", "/c"].map(|path| asks(proxy.address, path, "").status == 200);
        assert_eq!(seen, kept, "{method}");
        let anns = asks(proxy.address, "/a", "Authorization: ann\r\n").status == 200;
        assert_eq!(anns, kept[0], "another caller's copy of it, {method}");
    }
}

#[test]
fn what_came_of_each_fallback_and_what_is_kept_is_counted() {
    let backend = says("", "good");
    let list = format!("{ONCE}fallback = [{{ cached = {{}} }}, {{ status = 503, body = \"later\" }}]");
    let proxy = run_after("[admin]\nlisten = \"127.0.0.1:0\"\n", &service(&[backend.address], &list));
    let admin = proxy.proxy().admin_address().expect("it listens");
    let sample = |series: &str| {
        let text = get(admin, "/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series).map(str::trim).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
    };
    let asked = |kind, result| {
        sample(&format!("fallback_asked_total{{service=\"s\",kind=\"{kind}\",result=\"{result}\"}}"))
    };
    assert_eq!(asked("cached", "answered"), "0", "from the start");
    assert_eq!(get(proxy.address, "/").status, 200);
    backend.turn_to(500);
    assert_eq!(get(proxy.address, "/").text(), "good");
    assert_eq!(get(proxy.address, "/other").text(), "later");
    assert_eq!((asked("cached", "answered"), asked("cached", "nothing")), ("1".into(), "1".into()));
    assert_eq!(asked("default", "answered"), "1");
    assert_eq!(sample("cache_stored_total{service=\"s\"}"), "1");
    assert_eq!(sample("cache_looks_total{service=\"s\",result=\"fresh\"}"), "1");
    let shown = get(admin, "/pipelines").json();
    assert_eq!((&shown["fallbacks"][0]["service"], &shown["caches"][0]["entries"]), (&"s".into(), &1.into()));
}
