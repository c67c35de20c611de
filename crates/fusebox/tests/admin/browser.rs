//! The dashboard in a real browser: what it makes of a real server, read from the document it ends up with.

use crate::scene::trip;
use fusebox::Registry;
use fusebox::admin::{Admin, Peer};
use fusebox::breaker::Mode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceBuilder;

/// Runs what stands in it wherever it is taken for markup, and then the title tells.
const HOSTILE: &str = "<img src=x onerror=document.title='hostile'>";

/// A server for as long as it is held.
struct Served {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Served {
    fn new(admin: &Admin) -> Served {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let service = admin.service();
        runtime.spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let service = ServiceBuilder::new()
                    .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
                        request.extensions_mut().insert(Peer::Address(peer.ip()));
                        request
                    })
                    .service(service.clone());
                let served = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
                tokio::spawn(served);
            }
        });
        Served { address, _runtime: runtime }
    }

    /// The document at `hash`, some seconds after it was opened.
    fn seen(&self, hash: &str) -> String {
        let profile = tempfile::tempdir().expect("a folder");
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{}/{hash}", self.address))
            .output()
            .unwrap_or_else(|error| {
                panic!("chromium could not be started ({error}); on Debian: apt-get install chromium")
            });
        String::from_utf8(output.stdout).expect("a document is text")
    }
}

/// What there is to read: without tags, with single spaces.
fn words(document: &str) -> String {
    let (_, body) = document.split_once("<body").expect("a body");
    let texts: Vec<&str> =
        body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
    let text = texts.join(" ").replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One circuit that is open, one that is held, one that is well.
fn three() -> (Registry, Served) {
    let registry = Registry::default();
    let admin = Admin::new(registry.clone());
    registry.circuit("mail");
    let held = registry.circuit("profiles");
    held.hold_for(Mode::ForcedClosed, "ann", "the provider says it is well", Duration::from_secs(600));
    trip(&registry.circuit(HOSTILE));
    let served = Served::new(&admin);
    (registry, served)
}

#[test]
fn whoever_opens_the_page_reads_what_is_open_why_and_who_holds_what() {
    let (_registry, served) = three();
    let document = served.seen("");
    let read = words(&document);
    for told in [
        "1 of 3 circuits OPEN ; no call rejected; since",
        "FORCED CLOSED profiles by ann: the provider says it is well ends in 9 min",
        "OPEN for",
        "tries again in",
        "consecutive_failures 10 ≥ 10 (last: status 503 ×4)",
        "mail",
    ] {
        assert!(read.contains(told), "{told:?} is not among: {read}");
    }
}

#[test]
fn a_circuit_with_a_hostile_name_is_shown_by_its_name_and_does_nothing() {
    let (_registry, served) = three();
    let encoded: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let document = served.seen(&format!("#/circuit/{encoded}"));
    assert!(!document.contains("<img"), "{document}");
    assert!(document.contains("<title>1 OPEN · fusebox</title>"), "{document}");
    let read = words(&document);
    for told in [HOSTILE, "Why consecutive_failures 10 ≥ 10", "opened", "closed → open", "Settings in force"]
    {
        assert!(read.contains(told), "{told:?} is not among: {read}");
    }
}
