//! Calls that are kept while their dependency is down, and made when it is back.

use crate::support::{Answer, Backend, Client, eventually, get, nobody, run, run_after, service};
use serde_json::Value;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A circuit that opens at once and tries again soon, and calls that come back soon.
const TOUCHY: &str =
    "retry = false\nbreaker = { consecutive_failures = 1, wait_in_open = { fixed = \"50ms\" } }\n";

struct Place {
    _folder: TempDir,
    file: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    Place { file: folder.path().join("calls.queue"), _folder: folder }
}

impl Place {
    /// A queue in this file, with `more` in its table, and a service that defers so.
    fn queue(&self, more: &str, backend: SocketAddr, fallback: &str) -> String {
        let file = self.file.display();
        let route = service(&[backend], &format!("{TOUCHY}fallback = {fallback}\n"));
        format!("[queue]\nfile = \"{file}\"\n{more}\n{route}")
    }
}

const SAME_KEY: &str = "[{ queue = { check = false, backoff = \"20ms\" } }]";
const ASKED: &str = "[{ queue = { check = \"/charges/{key}\", backoff = \"20ms\" } }]";

fn pay(address: SocketAddr, key: &str, body: &str) -> Answer {
    let mut client = Client::connect(address);
    let length = body.len();
    client.send(format!(
        "POST /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: {key}\r\nX-Caller: shop\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.read()
}

fn place_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("location").expect("a place to ask").to_owned()
}

fn status(address: SocketAddr, place: &str) -> Value {
    let answer = get(address, place);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn becomes(address: SocketAddr, place: &str, state: &str) -> Value {
    eventually(&format!("{place} to be {state}"), || {
        let seen = status(address, place);
        if seen["state"] == state { Ok(seen) } else { Err(seen.to_string()) }
    })
}

#[test]
fn a_call_in_an_outage_is_accepted_and_made_when_the_dependency_is_back() {
    let (place, backend) = (place(), Backend::status(503));
    let proxy = run(&place.queue("", backend.address, SAME_KEY));
    let answer = pay(proxy.address, "order-1", "20 EUR");
    assert_eq!(
        (answer.header("fusebox-source"), answer.header("fusebox-outcome")),
        (Some("deferred"), Some("fallback"))
    );
    let (said, at) = (answer.json(), place_of(&answer));
    assert!(at.starts_with("/.fusebox/deferred/1-"), "{at}");
    assert_eq!(
        (&said["state"], &said["attempts"], &said["priority"]),
        (&"ready".into(), &0.into(), &"normal".into())
    );
    assert!(said["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{said}");
    backend.now_does(|stream, _| {
        let charged = "HTTP/1.1 201 Created\r\nX-Charge: c-1\r\nContent-Length: 7\r\n\r\ncharged";
        stream.write_all(charged.as_bytes()).is_ok()
    });
    let done = becomes(proxy.address, &at, "done");
    assert_eq!((&done["result"]["status"], &done["result"]["body"]), (&201.into(), &"charged".into()));
    assert_eq!(done["result"]["headers"]["x-charge"], "c-1");
    let sent = backend.requests().pop().expect("it was sent");
    assert_eq!((sent.line(), &sent.body[..]), ("POST /pay HTTP/1.1", &b"20 EUR"[..]));
    for (name, value) in [
        ("idempotency-key", "order-1"),
        ("x-caller", "shop"),
        ("host", "test"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(sent.values(name), [value], "{name}");
    }
    let circuit = proxy.circuit("s").totals;
    assert_eq!(circuit.success, 1, "it went through the circuit");
}

#[test]
fn the_same_key_has_the_same_place_and_then_the_same_result() {
    let (place, backend) = (place(), Backend::status(500));
    let proxy = run(&place.queue("", backend.address, SAME_KEY));
    let at = place_of(&pay(proxy.address, "k", "20 EUR"));
    assert_eq!(place_of(&pay(proxy.address, "k", "20 EUR")), at);
    backend.turn_to(200);
    becomes(proxy.address, &at, "done");
    backend.turn_to(500);
    let again = pay(proxy.address, "k", "20 EUR");
    assert_eq!(
        (again.status, again.text(), again.header("fusebox-source")),
        (200, "ok".into(), Some("deferred"))
    );
}

#[test]
fn a_key_with_another_body_is_refused_and_another_callers_key_is_another_key() {
    let (place, backend) = (place(), Backend::status(500));
    let proxy = run(&place.queue("", backend.address, SAME_KEY));
    place_of(&pay(proxy.address, "k", "20 EUR"));
    let conflict = pay(proxy.address, "k", "21 EUR");
    assert_eq!((conflict.status, conflict.json()["reason"].as_str()), (422, Some("key_conflict")));
    let mut other = Client::connect(proxy.address);
    other.send("POST /pay HTTP/1.1\r\nHost: test\r\nAuthorization: bob\r\nIdempotency-Key: k\r\nContent-Length: 6\r\n\r\n99 EUR");
    assert_eq!(other.read().status, 202);
}

#[test]
fn what_cannot_be_kept_safely_goes_to_the_next_in_the_list() {
    let (place, backend) = (place(), Backend::status(500));
    let list = "[{ queue = { check = false } }, { status = 418 }]";
    let proxy = run(&place.queue("max_payload = 2000", backend.address, list));
    assert_eq!(Client::connect(proxy.address).post("/pay", "no key").status, 418);
    let mut get = Client::connect(proxy.address);
    get.send("GET /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: k\r\n\r\n");
    assert_eq!(get.read().status, 418, "a question that nobody waits for");
    assert_eq!(pay(proxy.address, "large", &"x".repeat(3_000)).status, 418);
    assert_eq!(pay(proxy.address, &"k".repeat(201), "").status, 418);
    assert_eq!(pay(proxy.address, "kept", "").status, 202);
}

#[test]
fn a_full_queue_says_so_with_a_time_to_come_back() {
    let (place, backend) = (place(), Backend::status(500));
    let proxy = run(&place.queue("max_items = 1", backend.address, SAME_KEY));
    place_of(&pay(proxy.address, "a", ""));
    let full = pay(proxy.address, "b", "");
    assert_eq!((full.status, full.json()["reason"].as_str()), (503, Some("queue_full")));
    assert_eq!(full.header("retry-after"), Some("30"));
}

/// A provider that charges, and loses its first answers.
#[derive(Clone, Default)]
struct Provider {
    charged: Arc<Mutex<Vec<String>>>,
    answers_lost: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl Provider {
    fn start(self) -> Backend {
        Backend::start(move |stream, request| {
            if self.down.load(Relaxed) {
                return stream.write_all(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n").is_ok();
            }
            let mut charged = self.charged.lock().expect("not poisoned");
            if let Some(key) = request.line().strip_prefix("GET /charges/") {
                let key = key.split(' ').next().unwrap_or_default();
                let known = charged.iter().any(|known| known == key);
                let status = if known { "200 OK" } else { "404 Not Found" };
                return stream
                    .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nfound").as_bytes())
                    .is_ok();
            }
            charged.push(request.values("idempotency-key")[0].to_owned());
            if self.answers_lost.load(Relaxed) > 0 {
                self.answers_lost.fetch_sub(1, Relaxed);
                let _ = stream.shutdown(Shutdown::Both);
                return false;
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\ncharged").is_ok()
        })
    }
}

#[test]
fn a_charge_whose_answer_was_lost_is_asked_for_and_not_made_again() {
    let (place, provider) = (place(), Provider::default());
    provider.answers_lost.store(1, Relaxed);
    let backend = provider.clone().start();
    let proxy = run(&place.queue("", backend.address, ASKED));
    let at = place_of(&pay(proxy.address, "order-1", "20 EUR"));
    let done = becomes(proxy.address, &at, "done");
    assert_eq!((&done["result"]["status"], &done["result"]["body"]), (&200.into(), &"found".into()));
    assert_eq!(*provider.charged.lock().expect("not poisoned"), ["order-1"], "once");
}

#[test]
fn a_replay_whose_answer_was_lost_is_asked_for_too() {
    let (place, provider) = (place(), Provider::default());
    provider.down.store(true, Relaxed);
    let backend = provider.clone().start();
    let proxy = run(&place.queue("", backend.address, ASKED));
    let at = place_of(&pay(proxy.address, "order-1", "20 EUR"));
    provider.answers_lost.store(1, Relaxed);
    provider.down.store(false, Relaxed);
    becomes(proxy.address, &at, "done");
    assert_eq!(*provider.charged.lock().expect("not poisoned"), ["order-1"], "once");
}

#[test]
fn a_call_that_an_alternative_may_have_made_is_kept_only_where_that_can_be_asked() {
    for (check, expected) in [("false", 500), ("\"/charges/{key}\"", 202)] {
        let (place, provider) = (place(), Provider::default());
        provider.answers_lost.store(1, Relaxed);
        let (down, other) = (Backend::status(500), provider.clone().start());
        let list =
            format!("[{{ service = \"other\" }}, {{ queue = {{ check = {check}, backoff = \"20ms\" }} }}]");
        let other_service = format!(
            "[[service]]\nname = \"other\"\nmatch = {{ path_prefix = \"/other\" }}\nendpoints = [\"http://{}\"]\nretry = false\n",
            other.address
        );
        let config = format!("{}{other_service}", place.queue("", down.address, &list));
        let proxy = run(&config);
        let answer = pay(proxy.address, "order-1", "");
        assert_eq!(answer.status, expected, "{check}: {}", answer.text());
        if expected == 202 {
            // The first provider says that it does not know the key; the other one has charged.
            down.now_does(|stream, request| {
                assert!(request.line().starts_with("GET /charges/"), "it is never sent to both");
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_ok()
            });
            becomes(proxy.address, &place_of(&answer), "done");
        }
        assert_eq!(*provider.charged.lock().expect("not poisoned"), ["order-1"], "once");
    }
}

#[test]
fn what_the_dependency_will_never_do_is_dead_with_its_reason() {
    let (place, backend) = (place(), Backend::status(503));
    let proxy = run(&place.queue("", backend.address, SAME_KEY));
    let at = place_of(&pay(proxy.address, "k", ""));
    backend.turn_to(402);
    let dead = becomes(proxy.address, &at, "dead");
    assert_eq!(
        (&dead["death"], &dead["reason"]),
        (&"refused".into(), &"the dependency answered 402 Payment Required".into())
    );
    backend.turn_to(500);
    let again = pay(proxy.address, "k", "");
    assert_eq!((again.status, again.json()["reason"].as_str()), (409, Some("not_waiting")));
}

#[test]
fn a_status_is_for_whoever_was_told_its_name_and_can_be_called_off() {
    let place = place();
    let proxy = run(&place.queue("", nobody(), SAME_KEY));
    let at = place_of(&pay(proxy.address, "k", ""));
    let (number, secret) = at.rsplit_once('-').expect("two parts");
    for wrong in [
        number.to_owned(),
        format!("{number}-"),
        format!("{number}-0{secret}"),
        format!("{number}-{}", "0".repeat(32)),
        "/.fusebox/deferred/x".into(),
    ] {
        assert_eq!(get(proxy.address, &wrong).status, 404, "{wrong}");
    }
    let ask = |method: &str| {
        let mut client = Client::connect(proxy.address);
        client.send(format!("{method} {at} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"));
        client.read()
    };
    let refused = ask("POST");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, DELETE")));
    let cancelled = ask("DELETE");
    assert_eq!((cancelled.status, cancelled.json()["state"].as_str()), (200, Some("cancelled")));
    assert_eq!(ask("DELETE").status, 409);
}

#[test]
fn what_is_kept_survives_the_proxy() {
    let (place, backend) = (place(), Backend::status(503));
    let config = place.queue("", backend.address, SAME_KEY);
    let proxy = run(&config);
    let places: Vec<_> = (0..5).map(|i| place_of(&pay(proxy.address, &format!("k{i}"), "20 EUR"))).collect();
    drop(proxy);
    let before = backend.reached();
    backend.turn_to(200);
    let proxy = run(&config);
    for at in &places {
        becomes(proxy.address, at, "done");
    }
    assert_eq!(backend.reached() - before, 5, "each once");
}

#[test]
fn a_body_that_comes_late_is_kept_whole() {
    let place = place();
    let proxy = run(&place.queue("", nobody(), SAME_KEY));
    place_of(&pay(proxy.address, "opens the circuit", ""));
    let mut client = Client::connect(proxy.address);
    client.send("POST /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n20 \r\n");
    std::thread::park_timeout(std::time::Duration::from_millis(50));
    client.send("3\r\nEUR\r\n0\r\n\r\n");
    let at = place_of(&client.read());
    assert_eq!(status(proxy.address, &at)["state"], "ready");
    // The connection is as good as before.
    assert_eq!(client.get(&at).status, 200);
}

#[test]
fn a_webhook_is_told_what_became_of_a_call_and_can_tell_that_it_is_true() {
    let (place, backend, shop) = (place(), Backend::status(503), Backend::status(204));
    let secret = place.file.with_file_name("secret");
    std::fs::write(&secret, "a secret of sixteen bytes or more\n").expect("written");
    let webhook = format!(
        "webhook = {{ service = \"shop\", path = \"/told\", secret_file = \"{}\", events = [\"deferred\", \"done\"] }}",
        secret.display()
    );
    let shop_service = format!(
        "[[service]]\nname = \"shop\"\nmatch = {{ path_prefix = \"/shop\" }}\nendpoints = [\"http://{}\"]\n",
        shop.address
    );
    let list = "[{ queue = { check = false, backoff = \"20ms\", contact = \"x-caller\" } }]";
    let proxy = run(&format!("{}{shop_service}", place.queue(&webhook, backend.address, list)));
    let at = place_of(&pay(proxy.address, "order-1", "20 EUR"));
    backend.turn_to(200);
    becomes(proxy.address, &at, "done");
    let told = eventually("two notices", || {
        let told = shop.requests();
        if told.len() == 2 { Ok(told) } else { Err(format!("{}", told.len())) }
    });
    let said: Vec<Value> =
        told.iter().map(|told| serde_json::from_slice(&told.body).expect("JSON")).collect();
    let mut events: Vec<_> = said.iter().map(|said| said["event"].as_str().expect("an event")).collect();
    events.sort_unstable();
    assert_eq!(events, ["deferred", "done"]);
    let done = said.iter().position(|said| said["event"] == "done").expect("it is there");
    assert_eq!(
        (&said[done]["key"], &said[done]["contact"], &said[done]["result"]["body"]),
        (&"order-1".into(), &"shop".into(), &"ok".into())
    );
    let head = &told[done];
    assert_eq!(head.line(), "POST /told HTTP/1.1");
    let (id, at, signed) = (
        head.values("webhook-id")[0],
        head.values("webhook-timestamp")[0],
        head.values("webhook-signature")[0],
    );
    assert!(
        signed.starts_with("v1,") && at.parse::<u64>().is_ok() && id.contains("done"),
        "{id} {at} {signed}"
    );
}

#[test]
fn the_queue_is_in_the_metrics() {
    let (place, backend) = (place(), Backend::status(503));
    let config = place.queue("", backend.address, SAME_KEY);
    let proxy = run_after("[admin]\nlisten = \"127.0.0.1:0\"\n", &config);
    place_of(&pay(proxy.address, "a", "20 EUR"));
    Client::connect(proxy.address).post("/pay", "no key");
    let admin = proxy.proxy().admin_address().expect("it listens");
    for line in [
        "deferred_queue_depth{queue=\"s\",class=\"normal\"} 1",
        "deferred_queue_enqueued_total{result=\"stored\"} 1",
        "deferred_queue_refused_total{result=\"no_key\"} 1",
        "deferred_queue_dead{queue=\"s\"} 0",
    ] {
        eventually(line, || {
            let text = get(admin, "/metrics").text();
            let queue: Vec<_> = text.lines().filter(|line| line.starts_with("deferred")).collect();
            if queue.contains(&line) { Ok(()) } else { Err(queue.join("\n")) }
        });
    }
}

#[test]
fn a_file_that_cannot_be_had_is_named_when_the_proxy_starts() {
    use fusebox_proxy::config::Plan;
    let place = place();
    std::fs::write(&place.file, "no database").expect("written");
    let config = format!(
        "admin = false\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{}",
        place.queue("", nobody(), SAME_KEY)
    );
    let plan = Plan::parse("test.toml", &config).expect("it is a plan");
    let refused = fusebox_proxy::Proxy::start(plan).expect_err("it is damaged").to_string();
    assert!(refused.contains("calls.queue") && refused.contains("open the queue"), "{refused}");
    assert_eq!(std::fs::read_to_string(&place.file).expect("left as it is"), "no database");
}

#[test]
fn two_proxies_share_a_queue_in_a_database_and_make_each_call_once() {
    let database = fusebox_testbed::postgres::Server::start();
    let backend = Backend::status(503);
    let config = format!(
        "[queue]\npostgres = \"{}\"\n{}",
        database.url(),
        service(&[backend.address], &format!("{TOUCHY}fallback = {SAME_KEY}\n"))
    );
    let (one, other) = (run(&config), run(&config));
    let places: Vec<_> = (0..10).map(|i| place_of(&pay(one.address, &format!("k{i}"), "20 EUR"))).collect();
    let before = backend.reached();
    backend.turn_to(200);
    for at in &places {
        becomes(other.address, at, "done");
    }
    let sent: Vec<_> = backend.requests()[before..]
        .iter()
        .map(|sent| sent.values("idempotency-key")[0].to_owned())
        .collect();
    let good: std::collections::HashSet<_> = sent.iter().collect();
    assert_eq!(good.len(), 10, "{sent:?}");
    assert_eq!(status(one.address, &places[0])["result"]["status"], 200, "whoever is asked knows it");
}

#[test]
fn a_call_that_its_caller_has_repeated_since_is_asked_for_and_not_made_again() {
    let (place, provider) = (place(), Provider::default());
    provider.down.store(true, Relaxed);
    let backend = provider.clone().start();
    let config = place.queue("", backend.address, ASKED);
    let proxy = run_after("[admin]\nlisten = \"127.0.0.1:0\"\n", &config);
    let admin = proxy.proxy().admin_address().expect("it listens");
    let order = |act: &str| {
        let body = format!(r#"{{"act":"{act}","actor":"ann","filter":{{"queue":"s"}}}}"#);
        let mut client = Client::connect(admin);
        let length = body.len();
        client.send(format!("POST /queue/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert_eq!(client.read().status, 200);
    };
    pay(proxy.address, "opens the circuit", "");
    order("pause");
    let at = place_of(&pay(proxy.address, "order-1", "20 EUR"));
    provider.down.store(false, Relaxed);
    let paid = eventually("a live answer", || {
        let answer = pay(proxy.address, "order-1", "20 EUR");
        if answer.status == 201 { Ok(answer) } else { Err(answer.text()) }
    });
    assert_eq!(paid.header("fusebox-source"), Some("live"));
    order("resume");
    let done = becomes(proxy.address, &at, "done");
    assert_eq!(done["result"]["body"], "found");
    let charged = provider.charged.lock().expect("not poisoned").clone();
    assert_eq!(charged.iter().filter(|key| *key == "order-1").count(), 1, "{charged:?}");
}

#[test]
fn a_call_that_may_have_been_made_cannot_be_called_off() {
    let (place, backend) = (place(), Backend::status(500));
    let proxy = run(&place.queue("", backend.address, ASKED));
    let at = place_of(&pay(proxy.address, "k", ""));
    let mut client = Client::connect(proxy.address);
    client.send(format!("DELETE {at} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let refused = client.read();
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (409, Some("may_be_made")));
    assert_ne!(status(proxy.address, &at)["state"], "cancelled");
}

#[test]
fn callers_that_are_told_apart_by_other_headers_have_keys_of_their_own() {
    let place = place();
    let list = "[{ queue = { check = false, scope = [\"x-tenant\"] } }]";
    let proxy = run(&place.queue("", nobody(), list));
    let ask = |tenant: &str| {
        let mut client = Client::connect(proxy.address);
        client.send(format!("POST /pay HTTP/1.1\r\nHost: test\r\nX-Tenant: {tenant}\r\nAuthorization: {tenant}{tenant}\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n"));
        place_of(&client.read())
    };
    let (one, other) = (ask("a"), ask("b"));
    assert_ne!(one, other);
    assert_eq!(ask("a"), one);
}
