//! Real sockets for the proxy's tests: a proxy, backends that misbehave, a client that says what it likes.

mod backend;
mod client;
mod file;
#[path = "../../../../fusebox/tests/levels/server.rs"]
#[allow(dead_code, reason = "the library's tests ask it for more")]
mod redis_server;

pub(crate) use backend::{Backend, drop_syns, nobody};
pub(crate) use client::{Answer, Client, asked, get};
pub(crate) use file::File;
pub(crate) use redis_server::RedisServer;

use fusebox::breaker::{Snapshot, State};
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Options, Proxy};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A proxy under test; stopped when dropped.
pub(crate) struct Running {
    proxy: Option<Proxy>,
    pub(crate) address: SocketAddr,
    pub(crate) journal: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("running")
    }

    pub(crate) fn circuit(&self, name: &str) -> Snapshot {
        self.proxy().registry().find(name).unwrap_or_else(|| panic!("no circuit {name}")).snapshot()
    }

    /// Success, failure, ignored and cancelled calls of the only service's circuit.
    pub(crate) fn counts(&self) -> (u64, u64, u64, u64) {
        let totals = self.circuit("s").totals;
        (totals.success, totals.failure, totals.ignored, totals.cancelled)
    }

    /// Waits until the circuit has counted so; a verdict may come just after the client has its answer.
    pub(crate) fn settles_at(&self, counts: (u64, u64, u64, u64)) {
        eventually(&format!("success, failure, ignored, cancelled = {counts:?}"), || {
            let found = self.counts();
            if found == counts { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }

    pub(crate) fn state(&self) -> State {
        self.circuit("s").state
    }

    pub(crate) fn take(&mut self) -> Proxy {
        self.proxy.take().expect("running")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            let stopped = proxy.shutdown(Duration::ZERO);
            if !std::thread::panicking() {
                stopped.expect("no worker failed");
            }
        }
    }
}

/// Starts a proxy on a free port from the rest of a configuration.
pub(crate) fn run(config: &str) -> Running {
    run_with(config, 2)
}

pub(crate) fn run_with(config: &str, workers: usize) -> Running {
    start(&format!("admin = false\n{LISTENER}{config}"), workers)
}

/// As [`run`], with this before everything else instead of no admin interface.
pub(crate) fn run_after(admin: &str, config: &str) -> Running {
    start(&format!("{admin}{LISTENER}{config}"), 2)
}

/// Starts a proxy from a whole configuration, which names its listener, without an admin interface.
pub(crate) fn run_whole(config: &str) -> Running {
    start(&format!("admin = false\n{config}"), 2)
}

const LISTENER: &str = "[[listener]]\nlisten = \"127.0.0.1:0\"\n";

fn start(text: &str, workers: usize) -> Running {
    let plan = Plan::parse("test.toml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let journal = Arc::new(Mutex::new(Vec::new()));
    let lines = journal.clone();
    let sink = Arc::new(move |line: &str| lines.lock().expect("not poisoned").push(line.to_owned()));
    let options = Options { workers: Some(workers), journal: Some(sink), ..Options::default() };
    let proxy = Proxy::start_with(plan, options).expect("a free port");
    let address = proxy.addresses()[0];
    Running { proxy: Some(proxy), address, journal }
}

/// A proxy before one service `s`, with `more` in its table.
pub(crate) fn before(backend: SocketAddr, more: &str) -> Running {
    run(&service(&[backend], more))
}

/// One service `s` at these endpoints.
pub(crate) fn service(endpoints: &[SocketAddr], more: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|at| format!("\"http://{at}\"")).collect();
    format!(
        "[[service]]\nname = \"s\"\nmatch = {{ path_prefix = \"/\" }}\nendpoints = [{}]\n{more}\n",
        endpoints.join(", ")
    )
}

/// Waits for what happens soon; fails after some ten seconds.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let mut seen = String::new();
    for _ in 0..1000 {
        match look() {
            Ok(found) => return found,
            Err(other) => seen = other,
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited for {what}, seen: {seen}");
}
