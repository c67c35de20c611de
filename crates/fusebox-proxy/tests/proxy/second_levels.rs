//! Kept answers beside the process's own memory: in a real Redis, in a real file.

use crate::support::{
    Answer, Backend, Client, RedisServer, Running, before, eventually, get, nobody, run_after, service,
};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

fn says(headers: &str, body: &str) -> Backend {
    let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Backend::start(move |stream, _| stream.write_all(answer.as_bytes()).is_ok())
}

/// A proxy whose kept answers are also there.
fn keeping(backend: SocketAddr, cached: &str) -> Running {
    before(backend, &kept(cached))
}

fn kept(cached: &str) -> String {
    format!("retry = false\nfallback = {{ cached = {{ {cached} }} }}\n")
}

/// Patient, for a machine that is busy.
fn shared(redis: &RedisServer) -> String {
    format!("redis = {{ url = \"{}\", timeout = \"1s\" }}", redis.url())
}

fn persisted(path: &Path) -> String {
    format!("persist = \"{}\"", path.display())
}

fn asks(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    client.read()
}

fn source(answer: &Answer) -> (u16, Option<&str>, String) {
    (answer.status, answer.header("fusebox-source"), answer.text())
}

fn good(source: &'static str) -> (u16, Option<&'static str>, String) {
    (200, Some(source), "good".into())
}

/// Waits until Redis has so many entries.
fn has(redis: &RedisServer, entries: usize) -> Vec<String> {
    eventually(&format!("{entries} entries in Redis"), || {
        let keys = redis.keys();
        if keys.len() == entries { Ok(keys) } else { Err(format!("{keys:?}")) }
    })
}

#[test]
fn a_second_instance_that_has_kept_nothing_serves_what_the_first_one_kept() {
    let (redis, backend) = (RedisServer::start(), says("X-Kept: 1\r\nVary: Accept\r\n", "good"));
    let first = keeping(backend.address, &shared(&redis));
    assert_eq!(source(&asks(first.address, "/a?b", "Accept: a/b\r\n")), good("live"));
    let keys = has(&redis, 1);
    assert!(keys[0].starts_with("fusebox:") && keys[0].len() < 64, "{keys:?}");
    let second = keeping(nobody(), &shared(&redis));
    let answer = asks(second.address, "/a?b", "Accept: a/b\r\n");
    assert_eq!(source(&answer), good("cached"));
    assert_eq!((answer.header("x-kept"), answer.header("fusebox-outcome")), (Some("1"), Some("fallback")));
    for (path, headers) in [("/a?c", "Accept: a/b\r\n"), ("/a?b", "Accept: a/c\r\n"), ("/a?b", "")] {
        assert_eq!(asks(second.address, path, headers).status, 503, "{path} {headers}");
    }
    redis.hangs();
    let again = asks(second.address, "/a?b", "Accept: a/b\r\n");
    assert_eq!(source(&again), good("cached"), "from its own memory now");
}

#[test]
fn what_comes_from_elsewhere_is_as_old_as_it_is() {
    let (redis, backend) = (RedisServer::start(), says("", "good"));
    let first = keeping(backend.address, &shared(&redis));
    assert_eq!(get(first.address, "/").status, 200);
    let key = has(&redis, 1).remove(0);
    // The group's token, the mark, the time in nanoseconds.
    let mut value = redis.value(&key);
    let at = 16 + 4..16 + 4 + 8;
    let stored_at = u64::from_be_bytes(value[at.clone()].try_into().expect("eight bytes"));
    value[at].copy_from_slice(&(stored_at - 100 * 1_000_000_000).to_be_bytes());
    let told = value.len() - 4;
    let sum = crc32(&value[16..told]).to_be_bytes();
    value[told..].copy_from_slice(&sum);
    redis.ask(&[b"SET", key.as_bytes(), &value]);
    let second = keeping(nobody(), &shared(&redis));
    let answer = get(second.address, "/");
    assert_eq!(source(&answer), good("stale"));
    let age: u64 = answer.header("age").expect("it says so").parse().expect("a number");
    assert!((100..130).contains(&age), "{age} s");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        let round = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        (0..8).fold(sum ^ u32::from(*byte), round)
    })
}

#[test]
fn nobody_has_another_callers_answer_from_elsewhere() {
    let (redis, backend) = (RedisServer::start(), says("Cache-Control: private\r\n", "good"));
    let first = keeping(backend.address, &shared(&redis));
    let (ann, bob) = ("Authorization: ann\r\n", "Authorization: bob\r\n");
    assert_eq!(asks(first.address, "/", ann).status, 200);
    has(&redis, 1);
    let second = keeping(nobody(), &shared(&redis));
    for other in [bob, "", "Cookie: ann\r\n", "Authorization: ann\r\nCookie: a=b\r\n"] {
        assert_eq!(asks(second.address, "/", other).status, 503, "{other:?}");
    }
    assert_eq!(source(&asks(second.address, "/", ann)), good("cached"));
}

#[test]
fn a_redis_that_hangs_is_a_miss_until_its_circuit_opens_and_is_used_again_when_it_is_back() {
    let (redis, backend) = (RedisServer::start(), says("", "good"));
    let first = keeping(backend.address, &shared(&redis));
    assert_eq!(get(first.address, "/").status, 200);
    has(&redis, 1);
    let cached = format!("redis = {{ url = \"{}\" }}", redis.url());
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let second = run_after(admin, &service(&[nobody()], &kept(&cached)));
    eventually("the first try of Redis", || {
        let totals = second.circuit("cache-redis:s").totals;
        if totals.success + totals.failure > 0 { Ok(()) } else { Err(format!("{totals:?}")) }
    });
    redis.hangs();
    // It hangs until all of these have their answers.
    for page in 0..20 {
        assert_eq!(get(second.address, &format!("/{page}")).status, 503);
    }
    let circuit = second.circuit("cache-redis:s");
    // A machine that is busy may have given it time for another probe.
    assert!((5..=8).contains(&circuit.totals.failure) && circuit.last_trip.is_some(), "{circuit:?}");
    let admin = second.proxy().admin_address().expect("it listens");
    let metrics = get(admin, "/metrics").text();
    assert!(!metrics.contains("cache_l2_errors_total{service=\"s\"} 0"), "{metrics}");
    assert!(metrics.contains("cache_l2_errors_total{service=\"s\"} "), "{metrics}");
    assert!(get(admin, "/circuits").text().contains("cache-redis:s"));
    let lines = second.journal.lock().expect("not poisoned").join("\n");
    assert!(lines.contains("circuit cache-redis:s closed → open"), "{lines}");
    redis.wakes();
    eventually("an answer out of Redis", || {
        let answer = get(second.address, "/");
        if answer.status == 200 { Ok(()) } else { Err(format!("{}", answer.status)) }
    });
}

#[test]
fn without_redis_the_proxy_starts_and_serves_and_says_so_without_the_password() {
    let backend = says("", "good");
    let cached = format!("redis = {{ url = \"redis://ann:s3cret@{}\" }}", nobody());
    let proxy = keeping(backend.address, &cached);
    assert_eq!(source(&get(proxy.address, "/")), good("live"));
    backend.turn_to(500);
    assert_eq!(source(&get(proxy.address, "/")), good("cached"));
    assert_eq!(get(proxy.address, "/other").status, 500);
    let lines = eventually("a word of it", || {
        let lines = proxy.journal.lock().expect("not poisoned").join("\n");
        if lines.contains("goes on without it") { Ok(lines) } else { Err(lines) }
    });
    assert!(lines.contains("cache-redis:s") && !lines.contains("s3cret"), "{lines}");
}

#[test]
fn a_call_that_changes_a_resource_discards_what_is_kept_of_it_elsewhere_for_every_caller() {
    for (method, answer, discards) in [
        ("PUT", "HTTP/1.1 204 No Content\r\n\r\n", true),
        ("PUT", "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", false),
        ("OPTIONS", "HTTP/1.1 204 No Content\r\n\r\n", false),
    ] {
        let (redis, backend) = (RedisServer::start(), says("", "good"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache.db");
        let levels = format!("{}, {}", shared(&redis), persisted(&path));
        let mut first = keeping(backend.address, &levels);
        let all = [("/a", ""), ("/a", "Authorization: ann\r\n"), ("/b", "")];
        for (path, headers) in all {
            assert_eq!(asks(first.address, path, headers).status, 200);
        }
        has(&redis, 3);
        backend.now_does(move |stream, _| stream.write_all(answer.as_bytes()).is_ok());
        let mut client = Client::connect(first.address);
        client.send(format!("{method} /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"));
        client.read();
        backend.turn_to(500);
        let expected = [!discards, !discards, true];
        let seen =
            |proxy: &Running| all.map(|(path, headers)| asks(proxy.address, path, headers).status == 200);
        assert_eq!(seen(&first), expected, "{method}: here, at once");
        // What waits to be written is written when the proxy ends.
        first.take().shutdown(std::time::Duration::ZERO).expect("no worker failed");
        for levels in [shared(&redis), persisted(&path)] {
            assert_eq!(seen(&keeping(nobody(), &levels)), expected, "{method}: elsewhere, {levels}");
        }
    }
}

#[test]
fn a_process_that_is_started_anew_in_an_outage_serves_what_it_kept_before() {
    let (backend, folder) = (says("X-Kept: 1\r\n", "good"), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("cache.db");
    let cached = format!("fresh = \"0s\", {}", persisted(&path));
    let mut before = keeping(backend.address, &cached);
    assert_eq!(source(&get(before.address, "/a?b")), good("live"));
    before.take().shutdown(std::time::Duration::ZERO).expect("no worker failed");
    let after = keeping(nobody(), &cached);
    let answer = get(after.address, "/a?b");
    assert_eq!(source(&answer), good("stale"));
    assert_eq!((answer.header("x-kept"), answer.header("age").is_some()), (Some("1"), true));
    assert_eq!(get(after.address, "/a").status, 503);
}

#[test]
fn a_file_that_is_no_good_is_said_once_and_the_proxy_serves_without_it() {
    let (backend, folder) = (says("", "good"), tempfile::tempdir().expect("a folder"));
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "not a cache").expect("writable");
    for path in [&notes, &folder.path().join("no/such/folder/cache.db")] {
        let proxy = keeping(backend.address, &persisted(path));
        for page in 0..20 {
            assert_eq!(source(&get(proxy.address, &format!("/{page}"))), good("live"));
        }
        let said = || {
            let lines = proxy.journal.lock().expect("not poisoned").clone();
            lines.into_iter().filter(|line| line.contains("goes on without it")).collect::<Vec<_>>()
        };
        let lines =
            eventually("a word of it", || if said().is_empty() { Err("none".into()) } else { Ok(said()) });
        assert!(lines.len() == 1 && lines[0].contains(&*path.to_string_lossy()), "{lines:?}");
    }
    assert_eq!(fs::read(&notes).expect("still there"), b"not a cache");
}

#[test]
fn a_body_that_is_too_long_is_not_written_and_garbage_is_a_miss() {
    let (redis, backend) = (RedisServer::start(), says("", "good"));
    let first = keeping(backend.address, &format!("max_body = 4, {}", shared(&redis)));
    assert_eq!(get(first.address, "/short").status, 200);
    let key = has(&redis, 1).remove(0);
    backend
        .now_does(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345").is_ok());
    assert_eq!(get(first.address, "/long").text(), "12345");
    backend
        .now_does(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").is_ok());
    assert_eq!(get(first.address, "/last").status, 200);
    assert_eq!(has(&redis, 2).len(), 2, "the last, and not the long one before it");
    let value = redis.value(&key);
    redis.ask(&[b"SET", key.as_bytes(), &[&value[..value.len() - 3], b"???"].concat()]);
    let second = keeping(nobody(), &shared(&redis));
    assert_eq!(get(second.address, "/short").status, 503);
    assert_eq!(source(&get(second.address, "/last")), good("cached"));
    assert_eq!(second.circuit("cache-redis:s").totals.failure, 0);
}
