//! Who may ask the admin interface for what, over what, and what it does to the proxy.

use crate::support::{Answer, Backend, Client, File, asked, eventually, get, nobody, service};
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Level, Options, Proxy, StartError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "a-long-text-nobody-guesses";

fn tokens(folder: &Path) -> String {
    let path = folder.join("tokens.toml");
    let text = format!("[[token]]\nname = \"ann\"\nscope = \"operate\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(&path, text).expect("the folder is writable");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    format!("tokens = \"{}\"\n", path.display())
}

fn order(admin: SocketAddr, path: &str, fields: Value) -> (u16, Value) {
    let mut fields = fields;
    for (key, value) in [("actor", "ann"), ("reason", "a test")] {
        fields[key] = value.into();
    }
    let answer = asked(admin, "POST", path, "Content-Type: application/json\r\n", &fields.to_string());
    (answer.status, answer.json())
}

/// Starts a proxy with this `[admin]`, before a service that is nowhere.
fn started(admin: &str) -> Result<Proxy, StartError> {
    let text =
        format!("[admin]\n{admin}\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{}", service(&[nobody()], ""));
    let plan = Plan::parse("fusebox.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    Proxy::start_with(
        plan,
        Options { workers: Some(1), journal: Some(Arc::new(|_| {})), ..Options::default() },
    )
}

fn over_unix(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn an_order_reads_the_file_again_and_a_mistake_is_answered_with_its_line() {
    let (backend, other) = (Backend::status(200), Backend::status(200));
    let file = File::run(&service(&[backend.address], ""));
    let admin = file.proxy().admin_address().expect("it is on");
    file.write(&service(&[other.address], ""));
    let mut moved = [
        format!("service s: endpoint http://{} removed", backend.address),
        format!("service s: endpoint http://{} added", other.address),
    ];
    moved.sort();
    let moved = json!(moved);
    let (status, told) = order(admin, "/reload", json!({ "dry_run": true }));
    assert_eq!((status, &told["changed"], &told["dry_run"]), (200, &moved, &json!(true)));
    assert_eq!((get(file.address, "/").status, other.reached()), (200, 0));
    let (status, told) = order(admin, "/reload", json!({}));
    assert_eq!((status, &told["changed"], &told["restart_needed"]), (200, &moved, &json!([])));
    assert_eq!((get(file.address, "/").status, other.reached()), (200, 1));

    file.write("[[service]]\nname = 7\n");
    let (status, problem) = order(admin, "/reload", json!({}));
    let errors = problem["errors"].as_array().expect("a list").clone();
    assert_eq!(status, 422, "{problem}");
    assert!(
        errors.iter().any(|error| error
            .as_str()
            .is_some_and(|text| text.starts_with("fusebox.toml:6:8: service.name"))),
        "{errors:?}"
    );
    assert_eq!((get(file.address, "/").status, other.reached()), (200, 2));
}

#[test]
fn while_it_drains_calls_are_served_and_their_clients_sent_elsewhere() {
    let backend = Backend::status(200);
    let file = File::run(&service(&[backend.address], ""));
    let admin = file.proxy().admin_address().expect("it is on");
    let mut client = Client::connect(file.address);
    assert_eq!(client.get("/").header("connection"), None);
    assert_eq!(order(admin, "/drain", json!({ "drain": true })), (200, json!({ "draining": true })));
    assert_eq!((get(admin, "/readyz").status, get(admin, "/healthz").status), (503, 200));
    let answer = client.get("/");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    assert_eq!(get(file.address, "/").header("connection"), Some("close"), "newcomers are served, too");
    assert_eq!(order(admin, "/drain", json!({ "drain": false })), (200, json!({ "draining": false })));
    assert_eq!(get(admin, "/readyz").status, 200);
    let mut client = Client::connect(file.address);
    assert_eq!((client.get("/").header("connection"), client.get("/").status), (None, 200));
}

#[test]
fn calls_that_go_wrong_are_told_where_that_is_asked_for_and_without_their_query() {
    let backend = Backend::status(500);
    let more = "retry = false\n[service.breaker]\nconsecutive_failures = 3\nwait_in_open = \"1h\"";
    let file = File::run(&service(&[backend.address], more));
    let admin = file.proxy().admin_address().expect("it is on");
    let calls = |lines: Vec<String>| {
        lines.into_iter().filter(|line| line.contains("fusebox: call ")).collect::<Vec<_>>()
    };
    get(file.address, "/one?secret=hunter2");
    assert_eq!(calls(file.lines()), Vec::<String>::new());
    assert_eq!(order(admin, "/log-level", json!({ "level": "debug" })), (200, json!({ "level": "debug" })));
    for _ in 0..50 {
        get(file.address, "/charge?secret=hunter2");
    }
    let told = calls(file.lines());
    let failed =
        format!("fusebox: call GET /charge through s at {} failed (status 500) after ", backend.address);
    assert!(told[0].starts_with(&failed), "{told:?}");
    assert!(told.iter().any(|line| line.contains("GET /charge through s was rejected (")), "{told:?}");
    assert!(told.len() < 25 && !told.iter().any(|line| line.contains("hunter2")), "{told:?}");
    order(admin, "/log-level", json!({ "level": "error" }));
    file.proxy().registry().find("s").expect("it is there").reset();
    let before = file.lines().len();
    (0..5).for_each(|_| drop(get(file.address, "/")));
    assert_eq!(file.lines().len(), before, "neither calls nor the circuit");
    assert_eq!(file.proxy().journal().level(), Level::Error);
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let backend = Backend::status(200);
    let head = "fallback = [{ status = 200, headers = { authorization = \"Bearer hunter2\" }, body = \"b\" }] # hunter2\n";
    let file = File::run(&service(&[backend.address], head));
    let admin = file.proxy().admin_address().expect("it is on");
    let shown = get(admin, "/config").json();
    let text = shown["text"].as_str().expect("text");
    assert_eq!(shown["source"], "fusebox.toml");
    assert!(text.contains("[[service]]") && text.contains(&backend.address.to_string()), "{text}");
    assert!(!text.contains("hunter2") && text.contains("\"**************\""), "{text}");
}

#[test]
fn a_socket_is_its_owners_alone_and_goes_with_the_proxy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fusebox.sock");
    // Left by a process that has ended.
    drop(UnixListener::bind(&path).expect("the folder is writable"));
    let listen = format!("listen = \"unix:{}\"", path.display());
    let proxy = started(&listen).expect("the old socket is nobody's");
    assert_eq!(proxy.admin_address(), None);
    let meta = std::fs::symlink_metadata(&path).expect("it is there");
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let answer = over_unix(&path, "GET /whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"operate\""), "{answer}");

    let refused = started(&listen).expect_err("it is listened on").to_string();
    assert!(refused.contains(&format!("unix:{}", path.display())), "{refused}");
    assert!(refused.contains("another process listens there"), "{refused}");
    over_unix(&path, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    proxy.shutdown(Duration::ZERO).expect("no worker failed");
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);

    std::fs::write(&path, "somebody's").expect("the folder is writable");
    let refused = started(&listen).expect_err("it is a file").to_string();
    assert!(refused.contains("a file that is no socket stands there"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "somebody's");
}

#[test]
fn with_tokens_nobody_is_let_in_without_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit.jsonl");
    let history = folder.path().join("history.jsonl");
    let more = format!(
        "{}audit = \"{}\"\nhistory = \"{}\"\nhosts = [\"fusebox.internal\"]",
        tokens(folder.path()),
        audit.display(),
        history.display()
    );
    let proxy = started(&format!("listen = \"127.0.0.1:0\"\n{more}")).expect("a free port");
    let admin = proxy.admin_address().expect("it is on");
    let bearer = format!("Authorization: Bearer {SECRET}\r\n");
    let status = |headers: &str| asked(admin, "GET", "/circuits", headers, "").status;
    assert_eq!((status(""), status(&bearer), get(admin, "/readyz").status), (401, 200, 200));
    assert_eq!(status("Authorization: Bearer another-long-text-instead\r\n"), 401);
    let mut client = Client::connect(admin);
    for (host, expected) in [("fusebox.internal", 200), ("evil.example", 403)] {
        client.send(format!("GET /circuits HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n"));
        assert_eq!(client.read().status, expected, "{host}");
    }
    let headers = format!("Content-Type: application/json\r\n{bearer}");
    let held = asked(admin, "POST", "/overrides/s", &headers, r#"{"action":"force_open","reason":"a test"}"#);
    assert_eq!(held.status, 200, "{}", held.text());
    let trail = std::fs::read_to_string(&audit).expect("it is written");
    assert!(trail.contains("\"ann\"") && trail.contains("force_open"), "{trail}");
    eventually("the history", || match std::fs::read_to_string(&history) {
        Ok(text) if text.contains("forced_open") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    proxy.shutdown(Duration::ZERO).expect("no worker failed");

    let trusting =
        started(&format!("listen = \"127.0.0.1:0\"\n{}trust_loopback = true", tokens(folder.path())));
    let trusting = trusting.expect("a free port");
    assert_eq!(get(trusting.admin_address().expect("it is on"), "/circuits").status, 200);
    let unreadable =
        started("listen = \"127.0.0.1:0\"\ntokens = \"/nowhere/tokens.toml\"").expect_err("no file");
    assert!(unreadable.to_string().contains("/nowhere/tokens.toml"), "{unreadable}");
}

/// Writes a certificate for `localhost` and its key; answers the certificate.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("the folder is writable");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("the folder is writable");
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("what was just written")
}

/// The status of an answer over TLS to who trusts this certificate alone; an error where it is another.
fn over_tls(admin: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let mut stream = StreamOwned::new(connection, TcpStream::connect(admin)?);
    write!(
        stream,
        "GET /circuits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // The other side may close without a farewell.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[test]
fn the_interface_speaks_tls_and_takes_a_new_certificate_as_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = certificate(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let tls = format!("tls = {{ cert = \"{}\", key = \"{}\" }}", file("cert.pem"), file("key.pem"));
    let admin = format!("listen = \"0.0.0.0:0\"\n{}{tls}\n", tokens(folder.path()));
    let file = File::run_after(&admin, &service(&[nobody()], ""));
    let at = SocketAddr::from(([127, 0, 0, 1], file.proxy().admin_address().expect("it is on").port()));
    assert_eq!(over_tls(at, &first).expect("it is trusted"), "HTTP/1.1 200 OK");
    assert_eq!(get(at, "/circuits").status, 0, "in the clear there is nothing");

    let second = certificate(folder.path());
    let read = file.helm().reload(false).expect("it has a file").expect("it works");
    assert_eq!(read.changed, ["admin.tls: another certificate"]);
    assert_eq!(over_tls(at, &second).expect("it is trusted"), "HTTP/1.1 200 OK");
    over_tls(at, &first).expect_err("it is another one");

    let key = folder.path().join("key.pem");
    let fits = std::fs::read(&key).expect("it is there");
    for (text, words) in [
        (rcgen::KeyPair::generate().expect("a key").serialize_pem(), "is not that of the certificate"),
        ("no key".to_owned(), "there is none in it"),
    ] {
        std::fs::write(&key, text).expect("the folder is writable");
        let errors = file.helm().reload(false).expect("it has a file").expect_err(words);
        assert!(errors[0].contains(words) && errors[0].contains("key.pem"), "{errors:?}");
        assert_eq!(over_tls(at, &second).expect("the old one stays"), "HTTP/1.1 200 OK");
    }
    std::fs::write(&key, fits).expect("the folder is writable");
    let missing =
        started("listen = \"127.0.0.1:0\"\ntls = { cert = \"/nowhere/c.pem\", key = \"/nowhere/k.pem\" }");
    let missing = missing.expect_err("no file").to_string();
    assert!(missing.contains("/nowhere/c.pem for admin.tls"), "{missing}");
}

#[test]
fn a_thousand_slow_clients_and_a_reader_that_is_stuck_slow_no_call() {
    let backend = Backend::status(200);
    let file = File::run(&service(&[backend.address], ""));
    let admin = file.proxy().admin_address().expect("it is on");
    let mut stuck = TcpStream::connect(admin).expect("it listens");
    stuck.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let slow: Vec<_> = (0..1_000)
        .filter_map(|_| {
            let mut stream = TcpStream::connect_timeout(&admin, Duration::from_millis(50)).ok()?;
            stream.write_all(b"GET /met").ok()?;
            Some(stream)
        })
        .collect();
    assert!(slow.len() > 500, "{} are connected", slow.len());
    let mut client = Client::connect(file.address);
    for _ in 0..2_000 {
        assert_eq!(client.get("/").status, 200);
    }
    (0..50).for_each(|_| assert_eq!(get(file.address, "/").status, 200));
}

#[test]
fn an_open_circuit_and_a_hold_outlive_the_process_unless_they_ended_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let admin = format!("listen = \"127.0.0.1:0\"\nstate = \"{}\"\n", path.display());
    let (broken, held, free) = (Backend::status(500), Backend::status(200), Backend::status(200));
    let one = |name: &str, at: SocketAddr| {
        let more =
            "retry = false\n[service.breaker]\nwait_in_open = { base = \"1h\", max = \"1h\", jitter = 0.0 }";
        service(&[at], more)
            .replace("\"s\"", &format!("\"{name}\""))
            .replace("\"/\"", &format!("\"/{name}\""))
    };
    let text = [one("broken", broken.address), one("held", held.address), one("free", free.address)].concat();
    let run = || File::run_after(&admin, &text);
    let statuses = |file: &File| ["/broken", "/held", "/free"].map(|path| get(file.address, path).status);

    let mut first = run();
    (0..10).for_each(|_| drop(get(first.address, "/broken")));
    let operator = first.proxy().admin_address().expect("it is on");
    for (name, ttl) in [("held", 3_600), ("free", 1)] {
        let hold = json!({ "action": "force_open", "ttl_seconds": ttl });
        assert_eq!(order(operator, &format!("/overrides/{name}"), hold).0, 200);
    }
    eventually("it is written down", || match std::fs::read_to_string(&path) {
        Ok(text) if text.contains("\"broken\"") && text.contains("\"held\"") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let retry_at = first.circuit("broken").retry_at;
    let running = first.take();
    let before = running.registry().clock().now();
    let left = retry_at.since(before);
    running.shutdown(Duration::ZERO).expect("no worker failed");
    // The hold of a second ends, here or before.
    std::thread::park_timeout(Duration::from_millis(1_200));

    let second = run();
    assert_eq!(statuses(&second), [503, 503, 200]);
    assert_eq!(broken.reached(), 10, "it had no call since");
    let now = second.proxy().registry().clock().now();
    let goes_on = second.circuit("broken").retry_at.since(now);
    assert!(goes_on <= left && left - goes_on < Duration::from_secs(30), "{left:?}, {goes_on:?}");
    let hold = second.circuit("held").hold.expect("it is held");
    assert_eq!((hold.actor.as_str(), hold.reason.as_str()), ("ann", "a test"));
    assert!(
        second.lines().iter().any(|line| line.contains("circuit broken is open still")),
        "{:?}",
        second.lines()
    );
    drop(second);

    std::fs::write(&path, "{ no state").expect("the folder is writable");
    let third = run();
    assert_eq!(statuses(&third)[1..], [200, 200]);
    assert!(third.lines().iter().any(|line| line.contains("failed to read the state of circuits")));
}

#[test]
fn what_ended_while_nobody_ran_is_over_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let circuit = |hold: Value| json!({ "name": "s", "state": "open", "retry_at_ms": 1, "streak": 1, "last_wait_nanos": 1, "hold": hold });
    let ended = json!({ "mode": "forced_open", "actor": "ann", "reason": "r", "expires_at_ms": 1 });
    let now = std::process::Command::new("date").arg("+%s").output().expect("date runs").stdout;
    let now: u64 = String::from_utf8_lossy(&now).trim().parse().expect("seconds");
    let backend = Backend::status(200);
    let admin = format!("listen = \"127.0.0.1:0\"\nstate = \"{}\"\n", path.display());
    for (saved_at, said) in [(now, "probes at once"), (now - 7_200, "too long to say anything")] {
        let page =
            json!({ "version": 1, "saved_at_ms": saved_at * 1_000, "circuits": [circuit(ended.clone())] });
        std::fs::write(&path, page.to_string()).expect("the folder is writable");
        let file = File::run_after(&admin, &service(&[backend.address], ""));
        let lines = file.lines();
        assert!(lines.iter().any(|line| line.contains(said)), "{said}: {lines:?}");
        assert!(
            lines.iter().any(|line| line.contains("the hold forced_open of ann ended meanwhile")),
            "{lines:?}"
        );
        let answer: Answer = get(file.address, "/");
        assert_eq!(answer.status, 200);
    }
}
