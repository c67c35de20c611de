//! Another configuration while calls are made.

use crate::support::{Backend, Client, File, eventually, get, service};
use fusebox::breaker::State;
use fusebox::queue::sqlite::Sqlite;
use fusebox::queue::{ItemId, QueueStore};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const LONG: &str = "wait_in_open = { base = \"1h\", max = \"1h\", jitter = 0.0 }\n";

fn reads(file: &File) -> Vec<String> {
    let read = file.helm().reload(false).expect("it has a file");
    read.unwrap_or_else(|errors| panic!("{errors:?}")).changed
}

#[test]
fn twenty_reloads_under_load_fail_no_call() {
    let (a, b) = (Backend::status(200), Backend::status(200));
    let text = |turn: usize| {
        let endpoints: &[SocketAddr] = match turn % 3 {
            0 => &[a.address],
            1 => &[a.address, b.address],
            _ => &[b.address],
        };
        let most = 3 + turn % 2;
        let more = [
            "balancer = { strategy = \"p2c\" }",
            "rate_limiter = { permits = 900000, per = \"1s\", burst = 10000 }",
            "bulkhead = { max_concurrent = 900 }\nscopes = { tenant = \"header:x-tenant\" }",
            "hedge = { after = { percentile = 0.95 } }\nthrottle = {}",
        ][turn % 4];
        let breaker = format!("[service.breaker]\nminimum_calls = {}\n", 20 + turn);
        service(endpoints, &format!("retry = {{ max_attempts = {most} }}\n{more}\n{breaker}"))
    };
    let file = File::run(&text(0));
    let (over, calls, address) = (AtomicBool::new(false), AtomicUsize::new(0), file.address);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                // A test that fails ends the load, too.
                while !over.load(Relaxed) {
                    let answer = client.get("/");
                    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{}", answer.head);
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
        let _over = Sets(&over);
        for turn in 1..=20 {
            let before = calls.load(Relaxed);
            eventually("calls between reloads", || match calls.load(Relaxed) - before {
                enough if enough > 20 => Ok(()),
                few => Err(format!("{few}")),
            });
            file.write(&text(turn));
            let changed = reads(&file);
            let settings = format!("service s: breaker.minimum_calls {} → {}", 19 + turn, 20 + turn);
            assert!(changed.contains(&settings), "{changed:?}");
        }
    });
    assert!(a.reached() > 0 && b.reached() > 0);
    assert_eq!(a.reached() + b.reached(), calls.load(Relaxed), "no call was made twice");
}

#[test]
fn an_open_circuit_stays_open_with_its_wait_also_beside_a_new_endpoint() {
    let backend = Backend::status(500);
    let text = |rate: &str| {
        service(
            &[backend.address],
            &format!("retry = false\n[service.breaker]\nfailure_rate = {rate}\n{LONG}"),
        )
    };
    let file = File::run(&text("0.5"));
    (0..10).for_each(|_| drop(get(file.address, "/")));
    let before = file.circuit("s");
    assert_eq!(before.state, State::Open);

    file.write(&text("0.3"));
    assert_eq!(reads(&file), ["service s: breaker.failure_rate 0.5 → 0.3"]);
    let after = file.circuit("s");
    assert_eq!((after.state, after.retry_at, after.since), (State::Open, before.retry_at, before.since));
    assert_eq!(after.totals.failure, before.totals.failure);
    assert_eq!(get(file.address, "/").status, 503);

    let healthy = Backend::status(200);
    let both =
        service(&[backend.address, healthy.address], &format!("retry = false\n[service.breaker]\n{LONG}"));
    file.write(&both);
    reads(&file);
    let moved = file.circuit(&format!("s/{}", backend.address));
    assert_eq!(moved.state, State::Open);
    let late = moved.retry_at.as_nanos().abs_diff(before.retry_at.as_nanos());
    assert!(late < 1_000_000_000, "its wait goes on: {late} ns");
    assert!(file.proxy().registry().find("s").is_none(), "nobody needs it any more");
    let reached = backend.reached();
    (0..10).for_each(|_| assert_eq!(get(file.address, "/").status, 200));
    assert_eq!((backend.reached(), healthy.reached()), (reached, 10));
}

#[test]
fn a_new_endpoint_has_calls_and_one_that_is_gone_loses_its_connections() {
    let (old, new) = (Backend::status(200), Backend::status(200));
    let file = File::run(&service(&[old.address], "max_connections = 5"));
    let mut client = Client::connect(file.address);
    assert_eq!(client.get("/").status, 200);
    file.write(&service(&[new.address], "max_connections = 5"));
    let mut changed = reads(&file);
    changed.sort_by_key(|change| change.ends_with("added"));
    let removed = format!("service s: endpoint http://{} removed", old.address);
    assert_eq!(changed, [removed, format!("service s: endpoint http://{} added", new.address)]);
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((old.reached(), new.reached()), (1, 5));
    eventually("the old connection closed", || match (old.connections(), old.closed()) {
        (opened, closed) if opened == closed => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_each_is_told_with_its_line() {
    let backend = Backend::status(200);
    let good = service(&[backend.address], "");
    let file = File::run(&good);
    file.write(&format!("{good}[service.breaker]\nfailure_rat = 0.5\nwait_in_open = \"soon\"\n"));
    for dry in [true, false] {
        let errors = file.helm().reload(dry).expect("it has a file").expect_err("it cannot work");
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("fusebox.toml:11:1: service.breaker: unknown key"), "{errors:?}");
        assert!(errors[1].contains("fusebox.toml:12:16: service.breaker.wait_in_open: found"), "{errors:?}");
    }
    file.write("[[service]\n");
    file.helm().reload(false).expect("it has a file").expect_err("it is no TOML");
    std::fs::remove_file(file.path()).expect("it is there");
    let errors = file.helm().reload(false).expect("it has a file").expect_err("it is gone");
    assert!(errors[0].contains("fusebox.toml"), "{errors:?}");
    assert_eq!(get(file.address, "/").status, 200);
    file.write(&good);
    assert_eq!(reads(&file), Vec::<String>::new(), "what is in force is what was there first");
}

#[test]
fn a_dry_run_says_what_would_change_and_what_needs_a_restart() {
    let backend = Backend::status(200);
    let file = File::run(&service(&[backend.address], ""));
    file.write(&format!(
        "[limits]\nmax_connections = 7\ndrain = \"3s\"\n{}",
        service(&[backend.address], "retry = false")
    ));
    let dry = file.helm().reload(true).expect("it has a file").expect("it works");
    assert_eq!(dry.changed, ["limits.drain set to \"3s\"", "service s: retry set to false"]);
    assert_eq!(dry.restart_needed, ["limits.max_connections set to 7"]);
    assert_eq!(file.helm().limits().drain, Duration::from_secs(10));
    let read = file.helm().reload(false).expect("it has a file").expect("it works");
    assert_eq!(read, dry);
    let limits = file.helm().limits();
    assert_eq!((limits.drain, limits.max_connections), (Duration::from_secs(3), 10_000));
    // It is not in force, and is told again.
    let again = file.helm().reload(true).expect("it has a file").expect("it works");
    assert_eq!((again.changed, again.restart_needed), (Vec::new(), dry.restart_needed));
}

#[test]
fn a_call_under_way_ends_where_it_began_though_its_service_is_gone() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let slow = Backend::start(move |stream, _| {
        let _ = told.lock().expect("not poisoned").recv();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").is_ok()
    });
    let file = File::run(&service(&[slow.address], ""));
    let mut busy = Client::connect(file.address);
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the request", || if slow.reached() == 1 { Ok(()) } else { Err("nothing".into()) });
    let other = Backend::status(200);
    let text = service(&[other.address], "").replace("\"s\"", "\"other\"").replace("\"/\"", "\"/other\"");
    file.write(&text);
    assert_eq!(reads(&file), ["service other added", "service s removed"]);
    assert_eq!((get(file.address, "/").status, get(file.address, "/other").status), (404, 200));
    assert!(file.proxy().registry().find("s").is_none());
    tell.send(()).expect("the backend waits");
    let answer = busy.read();
    assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
    assert_eq!(busy.get("/other").status, 200, "on the same connection");
    eventually("the connection closed", || if slow.closed() == 1 { Ok(()) } else { Err("open".into()) });
}

#[test]
fn what_is_spent_stays_spent_and_what_is_kept_stays_kept() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nkept");
    let text = |burst: u32, stale: &str| {
        let keeps = format!("fallback = [{{ cached = {{ fresh = \"1m\", stale = \"{stale}\" }} }}]");
        service(
            &[backend.address],
            &format!(
                "retry = false\n{keeps}\nrate_limiter = {{ permits = 1, per = \"1h\", burst = {burst} }}"
            ),
        )
    };
    let file = File::run(&text(3, "1h"));
    let statuses =
        |n: usize| (0..n).map(|_| get(file.address, "/").header("fusebox-source").map(str::to_owned));
    let live = |n| statuses(n).filter(|source| source.as_deref() == Some("live")).count();
    assert_eq!(live(5), 3);
    for (burst, stale, more) in [(3, "1h", 0), (3, "2h", 0), (5, "2h", 2)] {
        file.write(&text(burst, stale));
        reads(&file);
        assert_eq!(live(4), more, "burst {burst}");
        backend.turn_to(500);
        let kept = get(file.address, "/");
        assert_eq!((kept.status, kept.text().as_str()), (200, "kept"), "{}", kept.head);
        backend.now_does(|stream, _| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nkept")
                .is_ok()
        });
    }
}

#[test]
fn an_unhealthy_endpoint_stays_out_until_it_is_well_or_nobody_asks() {
    let (well, ill) = (Backend::status(200), Backend::status(200));
    let check = |every: &str| {
        format!(
            "health = {{ path = \"/well\", interval = \"{every}\", timeout = \"{every}\", unhealthy_after = 2 }}"
        )
    };
    ill.now_does(|stream, request| {
        let status = if request.line().contains("/well") { 500 } else { 200 };
        write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let text = |more: &str| service(&[well.address, ill.address], more);
    let file = File::run(&text(&check("300ms")));
    let calls = |backend: &Backend| {
        backend.requests().iter().filter(|request| !request.line().contains("/well")).count()
    };
    eventually("the endpoint is out", || {
        let before = calls(&ill);
        (0..4).for_each(|_| assert_eq!(get(file.address, "/").status, 200));
        if calls(&ill) == before { Ok(()) } else { Err("it has calls".into()) }
    });
    // Nobody asks again for a long time: what was found stays.
    file.write(&text(&check("1h")));
    reads(&file);
    let before = calls(&ill);
    (0..6).for_each(|_| assert_eq!(get(file.address, "/").status, 200));
    assert_eq!(calls(&ill), before);
    file.write(&text(""));
    reads(&file);
    eventually("the endpoint is in", || {
        assert_eq!(get(file.address, "/").status, 200);
        if calls(&ill) > before { Ok(()) } else { Err("it has no calls".into()) }
    });
}

#[test]
fn calls_that_were_deferred_are_made_after_a_reload_and_by_its_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let (down, up) = (Backend::status(503), Backend::status(201));
    let text = |at: SocketAddr, backoff: &str| {
        let queue = format!("[queue]\nfile = \"{}\"\n", folder.path().join("calls.queue").display());
        let defers = format!("fallback = [{{ queue = {{ check = false, backoff = \"{backoff}\" }} }}]\n");
        let touchy =
            "retry = false\nbreaker = { consecutive_failures = 1, wait_in_open = { fixed = \"50ms\" } }\n";
        queue + &service(&[at], &(defers + touchy))
    };
    let file = File::run(&text(down.address, "20ms"));
    let pay = |key: &str| {
        let mut client = Client::connect(file.address);
        client.send(format!(
            "POST /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: {key}\r\nContent-Length: 2\r\n\r\nhi"
        ));
        let answer = client.read();
        (answer.status, answer.header("location").unwrap_or_default().to_owned())
    };
    let places: Vec<_> = (0..5).map(|i| pay(&format!("order-{i}"))).collect();
    assert!(places.iter().all(|(status, _)| *status == 202), "{places:?}");
    for backoff in ["30ms", "40ms", "50ms"] {
        file.write(&text(down.address, backoff));
        reads(&file);
    }
    file.write(&text(up.address, "50ms"));
    reads(&file);
    for (_, place) in &places {
        eventually("it is made", || match get(file.address, place).json() {
            told if told["state"] == "done" => Ok(()),
            told => Err(told.to_string()),
        });
    }
    assert_eq!(up.reached(), 5, "each once");
    assert_eq!(pay("another").0, 201, "live");
    // Without a queue in the service there is nothing to replay; with one again there is.
    file.write(&text(up.address, "50ms").replace("fallback", "# fallback"));
    reads(&file);
    file.write(&text(down.address, "20ms"));
    reads(&file);
    let (status, place) = pay("late");
    assert_eq!(status, 202);
    file.write(&text(up.address, "20ms"));
    reads(&file);
    eventually("it is made", || match get(file.address, &place).json() {
        told if told["state"] == "done" => Ok(()),
        told => Err(told.to_string()),
    });
}

#[test]
fn a_replay_keeps_its_pace_over_a_reload_until_what_it_depends_on_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backend::status(503);
    let text = |backoff: &str, other: &str| {
        let queue = format!("[queue]\nfile = \"{}\"\n", folder.path().join("calls.queue").display());
        let defers = format!("fallback = [{{ queue = {{ check = false, backoff = \"{backoff}\" }} }}]\n");
        let touchy =
            "retry = false\nbreaker = { consecutive_failures = 1, wait_in_open = { fixed = \"500ms\" } }\n";
        let other = service(&[backend.address], other).replace("\"s\"", "\"t\"").replace("\"/\"", "\"/t\"");
        queue + &service(&[backend.address], &(defers + touchy)) + &other
    };
    let file = File::run(&text("20ms", ""));
    let admin = file.proxy().admin_address().expect("it listens");
    let seen = || {
        let told = get(admin, "/queue").json();
        let queue = &told["queues"][0];
        let part = |name: &str| queue["replay"][name].as_f64();
        (queue["replay"]["gate"].clone(), part("rate_per_second"), part("ceiling_per_second"), queue.clone())
    };
    let waiting = || seen().3["depth"][1].as_u64().expect("a number");
    let replays_at = |rate: f64| {
        eventually(&format!("it replays {rate}/s"), || match seen() {
            (gate, Some(now), Some(30.0), _) if gate == "closed" && now == rate => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    for key in 0..60 {
        let mut client = Client::connect(file.address);
        client.send(format!(
            "POST /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: {key}\r\nContent-Length: 2\r\n\r\nhi"
        ));
        assert_eq!(client.read().status, 202);
    }
    backend.turn_to(201);
    replays_at(1.5);
    // The same again, and with a change to another service.
    for other in ["", "max_connections = 7\n"] {
        file.write(&text("20ms", other));
        reads(&file);
        let before = waiting();
        eventually("calls are made on", || match waiting() {
            now if now + 2 <= before => Ok(()),
            now => Err(format!("{now} of {before}")),
        });
        let rate = seen().1.expect("it is replayed");
        assert!(rate >= 1.5, "back at its floor: {rate}");
    }
    file.write(&text("30ms", ""));
    reads(&file);
    replays_at(1.0);
}

#[test]
fn a_replay_whose_route_is_gone_is_waited_for_when_the_proxy_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let (place, backend) = (folder.path().join("calls.queue"), Backend::status(503));
    let touchy =
        "retry = false\nbreaker = { consecutive_failures = 1, wait_in_open = { fixed = \"50ms\" } }\n";
    let defers = "fallback = [{ queue = { check = false, backoff = \"20ms\" } }]\n";
    let route = service(&[backend.address], &format!("{defers}{touchy}"));
    let text = format!("[queue]\nfile = \"{}\"\n{route}", place.display());
    let mut file = File::run(&text);
    let mut client = Client::connect(file.address);
    client.send("POST /pay HTTP/1.1\r\nHost: test\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.read().status, 202);
    drop(client);
    let (hangs, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begun, until) = (hangs.clone(), over.clone());
    backend.now_does(move |_, _| {
        begun.store(true, Relaxed);
        while !until.load(Relaxed) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        false
    });
    let _over = Sets(&over);
    eventually("the call is under way", || hangs.load(Relaxed).then_some(()).ok_or_else(String::new));
    file.write(&text.replace("fallback", "# fallback"));
    reads(&file);
    file.take().shutdown(Duration::ZERO).expect("it stops");
    let store = eventually("nobody has the file", || Sqlite::open(&place).map_err(|error| error.to_string()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let entry = runtime.block_on(store.show(ItemId(1))).expect("read").expect("it is kept");
    let record = entry.view.record;
    // A call that was told of has failed; one that was not looks as after a crash.
    assert_eq!((record.state.as_str(), record.lease, record.crashes), ("ready", None, 0), "{record:?}");
}

#[test]
fn memory_does_not_grow_over_two_hundred_reloads() {
    let backend = Backend::status(200);
    let text = |turn: usize| {
        let more = format!(
            "balancer = {{ strategy = \"p2c\" }}\nhealth = {{ path = \"/h\", interval = \"1h\" }}\nscopes = {{ tenant = \"header:x-tenant\" }}\n\
             fallback = [{{ cached = {{ fresh = \"1m\", stale = \"{}m\" }} }}]\nmax_connections = {}",
            2 + turn % 5,
            5 + turn % 7
        );
        let endpoints = [backend.address, ([127, 0, 0, 1], 2 + (turn % 900) as u16).into()];
        let one = service(&endpoints, &more);
        // Another service each time: its circuit, its part and its pool go with it.
        let other = service(&[backend.address], "")
            .replace("\"s\"", &format!("\"t{turn}\""))
            .replace("\"/\"", "\"/t\"");
        format!("{one}{other}")
    };
    let file = File::run(&text(0));
    let turn = |turn: usize| {
        file.write(&text(turn));
        reads(&file);
        get(file.address, "/");
        get(file.address, "/t");
    };
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    (1..100).for_each(turn);
    let before = (resident(), file.proxy().registry().all().len(), threads());
    (100..300).for_each(turn);
    let after = (resident(), file.proxy().registry().all().len(), threads());
    // Each backend connection of the test has a thread of its own.
    assert!(after.2 <= before.2 + 3, "threads: {before:?}, {after:?}");
    assert_eq!(before.1, after.1, "circuits");
    // A reload that left one route behind would leave its cache's 200 KiB and more.
    assert!(after.0 < before.0 + (6 << 20), "bytes: {before:?}, {after:?}");
}

/// Sets a flag at its end, however that comes.
struct Sets<'a>(&'a AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// What of the process is in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
