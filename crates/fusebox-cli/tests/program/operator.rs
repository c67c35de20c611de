//! An operator's evening: a proxy before a dependency that fails, looked at and held with the commands.

use super::child::{Running, fusebox, get, response, serve, text};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A proxy before a provider whose status is set.
struct Evening {
    _proxy: Running,
    front: SocketAddr,
    admin: SocketAddr,
    provider: Arc<AtomicU16>,
}

fn evening() -> Evening {
    let provider = Arc::new(AtomicU16::new(503));
    let says = provider.clone();
    let upstream = serve(move |_| response(says.load(Relaxed), "said"));
    let (proxy, front, admin) = proxy(upstream, "127.0.0.1:0");
    Evening { _proxy: proxy, front, admin, provider }
}

fn proxy(upstream: SocketAddr, admin: &str) -> (Running, SocketAddr, SocketAddr) {
    let mut proxy =
        Running::start(&format!("run --upstream http://{upstream} --listen 127.0.0.1:0 --admin {admin}"));
    let (front, admin) = (proxy.address("listens"), proxy.address("circuits"));
    (proxy, front, admin)
}

impl Evening {
    /// Fails until the circuit is open; its name.
    fn open(&self) -> String {
        for _ in 0..500 {
            get(self.front, "/charge?card=4242");
            let listed: Value =
                serde_json::from_str(&self.done("circuits --output json --state open")).expect("JSON");
            if let Some(name) = listed["circuits"][0]["name"].as_str() {
                return name.to_owned();
            }
        }
        panic!("no circuit opens");
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let admin = self.admin.to_string();
        let output =
            fusebox("").args(arguments).args(["--admin", &admin]).output().expect("the program starts");
        (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
    }

    /// What this says, which must work.
    fn done(&self, arguments: &str) -> String {
        let (code, out, err) = self.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((code, err.as_str()), (0, ""), "{arguments}: {out}");
        out
    }

    /// Asks until the answer has these words.
    fn says(&self, arguments: &str, words: &str) -> String {
        let mut said = String::new();
        for _ in 0..300 {
            said = self.done(arguments);
            if said.contains(words) {
                return said;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        panic!("{arguments} does not say {words:?}, but\n{said}");
    }
}

#[test]
fn a_failing_dependency_is_seen_first_and_in_full() {
    let evening = evening();
    let name = evening.open();
    let table = evening.done("circuits");
    let first = table.lines().nth(1).expect("a row");
    assert!(first.starts_with("■ OPEN ") && first.contains(&name) && first.contains("503"), "{table}");
    assert_eq!(evening.done("circuits --state half_open"), "no such circuit\n");

    let full = evening.done(&format!("circuits {name}"));
    for words in [
        "■ OPEN",
        "because",
        "next try    in ",
        "closed → OPEN",
        "status 503 ×",
        "GET /charge",
        "wait_in_open",
    ] {
        assert!(full.contains(words), "{words:?} is not in\n{full}");
    }
    assert!(!full.contains("4242"), "what stands in a query is nobody's business:\n{full}");
    let (code, _, err) = evening.run(&["circuits", "nobody"]);
    assert!(code == 1 && err.contains("there is no circuit named 'nobody'"), "{err}");
    let events = evening.done("events --since 5m");
    assert!(events.contains(&format!("  {name}  closed → OPEN: ")), "{events}");
    assert!(evening.done(&format!("events --circuit {name}")).contains("closed → OPEN"));
}

#[test]
fn a_circuit_is_held_by_hand_and_let_go_of() {
    let evening = evening();
    evening.provider.store(200, Relaxed);
    get(evening.front, "/");
    let all: Value = serde_json::from_str(&evening.done("circuits --output json")).expect("JSON");
    let name = all["circuits"][0]["name"].as_str().expect("a name").to_owned();
    let revision = all["circuits"][0]["revision"].as_str().expect("a revision").to_owned();

    let hold = format!("override force-open {name} --reason window --for 10m --actor ann");
    let tried = evening.done(&format!("{hold} --dry-run"));
    assert!(tried.contains("● closed → ◆ FORCED OPEN") && tried.contains("nothing was done"), "{tried}");
    assert_eq!(evening.done("override list"), "no circuit is held by hand\n");
    let done = evening.done(&format!("{hold} --if-match {revision}"));
    assert!(done.contains(&format!("ends at once with: fusebox override release {name}")), "{done}");
    assert!(get(evening.front, "/").starts_with("HTTP/1.1 503"));
    let listed = evening.done("override list");
    assert!(
        listed.contains("◆ FORCED OPEN") && listed.contains("ann") && listed.contains("window"),
        "{listed}"
    );
    assert!(evening.done("circuits --state held").contains(&name));

    let stale = format!("override release {name} --reason over --if-match {revision}");
    let (code, _, err) = evening.run(&stale.split(' ').collect::<Vec<_>>());
    assert!(code == 1 && err.contains("nothing was done") && err.contains("now it is FORCED OPEN"), "{err}");
    let released = evening.done(&format!("override release {name} --reason over --actor bob"));
    assert!(released.contains("◆ FORCED OPEN → ● closed"), "{released}");
    assert!(get(evening.front, "/").starts_with("HTTP/1.1 200"));

    let trail = evening.done("audit show");
    let newest: Vec<_> = trail.lines().skip(1).take(2).collect();
    assert!(
        newest[0].contains("bob") && newest[0].contains("release") && newest[0].contains("done"),
        "{trail}"
    );
    assert!(newest[1].contains("refused 412"), "{trail}");
    let story = evening.says("events", "released");
    assert!(story.contains("forced open by ann"), "{story}");
}

#[test]
fn following_goes_on_over_a_restart() {
    let upstream = serve(|_| response(503, "down"));
    let (first, front, admin) = proxy(upstream, "127.0.0.1:0");
    let mut follow = Running::start(&format!("events --follow --since 1h --output json --admin {admin}"));
    let opens = |follow: &mut Running, front| {
        let fail = thread::spawn(move || (0..20).for_each(|_| drop(get(front, "/"))));
        let event: Value = serde_json::from_str(&follow.line_with("\"to\":\"open\"")).expect("JSON");
        fail.join().expect("no panic");
        event["seq"].as_u64().expect("a number")
    };
    assert_eq!(opens(&mut follow, front), 1);
    drop(first);
    let (_second, front, _) = proxy(upstream, &admin.to_string());
    assert_eq!(opens(&mut follow, front), 1, "the new process counts anew");
    follow.signal("INT");
    assert!(follow.wait().success());
    let aside = follow.complaints();
    for words in ["-- disconnected from", "-- connected to"] {
        assert!(aside.contains(words), "{words:?} is not in\n{aside}");
    }
}

#[test]
fn a_proxy_is_drained_and_takes_calls_again() {
    let evening = evening();
    let ready = |evening: &Evening| get(evening.admin, "/readyz");
    assert!(ready(&evening).starts_with("HTTP/1.1 200"));
    assert!(evening.done("drain --reason update").starts_with("draining"));
    assert!(ready(&evening).starts_with("HTTP/1.1 503"));
    assert!(evening.done("drain --undo --reason updated").starts_with("not draining"));
    assert!(ready(&evening).starts_with("HTTP/1.1 200"));
}
