//! `fusebox run` before a real server, from the first line to the last call.

use super::child::{Running, empty_folder, get, output, response, serve, text};
use std::net::TcpListener;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const ANY: &str = "--listen 127.0.0.1:0 --admin 127.0.0.1:0";

/// A server whose answers wait: it says when a call has come, and answers when it is told to.
fn slow_server() -> (std::net::SocketAddr, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (came, comes) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let (came, answers) = (Mutex::new(came), Mutex::new(answers));
    let address = serve(move |_| {
        let _ = came.lock().unwrap_or_else(PoisonError::into_inner).send(());
        let _ = answers.lock().unwrap_or_else(PoisonError::into_inner).recv();
        response(200, "late but whole")
    });
    (address, comes, answer)
}

#[test]
fn a_signal_lets_the_calls_in_flight_end() {
    for signal in ["TERM", "INT"] {
        let (upstream, comes, answer) = slow_server();
        let mut fusebox = Running::start(&format!("run --upstream http://{upstream} {ANY}"));
        let front = fusebox.address("listens");
        let call = thread::spawn(move || get(front, "/"));
        comes.recv().expect("the call reaches the server");

        fusebox.signal(signal);
        fusebox.line_with("stopping: no new calls");
        answer.send(()).expect("the server waits");

        let answered = call.join().expect("an answer");
        assert!(answered.starts_with("HTTP/1.1 200") && answered.ends_with("late but whole"), "{answered}");
        fusebox.line_with("stopped");
        assert_eq!(fusebox.wait().code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, comes, _answer) = slow_server();
    let mut fusebox = Running::start(&format!("run --upstream http://{upstream} {ANY}"));
    let front = fusebox.address("listens");
    let call = thread::spawn(move || get(front, "/"));
    comes.recv().expect("the call reaches the server");
    fusebox.signal("TERM");
    fusebox.line_with("stopping");
    fusebox.signal("TERM");
    assert_eq!(fusebox.wait().code(), Some(1));
    // The call was cut off; what the client saw of it is not the point.
    let _ = call.join();
}

#[test]
fn it_says_what_it_protects_and_why_a_circuit_opens() {
    let upstream = serve(|_| response(500, "broken"));
    let mut fusebox = Running::start(&format!("run --upstream http://{upstream} {ANY}"));
    let front = fusebox.address("listens");
    assert!(fusebox.line_with("  protects ").contains(&format!("upstream / at http://{upstream}")));
    let admin = fusebox.address("circuits");

    for _ in 0..10 {
        assert!(get(front, "/x").starts_with("HTTP/1.1 500"));
    }
    let opened = fusebox.line_with("OPEN");
    for words in ["upstream", "consecutive_failures 10 ≥ 10", "status 500", "probes in "] {
        assert!(opened.contains(words), "{words:?} is not in {opened:?}");
    }
    let rejected = get(front, "/x");
    assert!(rejected.starts_with("HTTP/1.1 503") && rejected.contains("consecutive_failures"), "{rejected}");
    let circuits = get(admin, "/circuits");
    assert!(circuits.starts_with("HTTP/1.1 200") && circuits.contains("\"open\""), "{circuits}");
}

#[test]
fn it_goes_on_when_nobody_reads_what_it_says() {
    let upstream = serve(|_| response(500, "broken"));
    let mut fusebox = Running::start(&format!("run --upstream http://{upstream} {ANY}"));
    let front = fusebox.address("listens");
    let admin = fusebox.address("circuits");
    fusebox.close_output();
    for _ in 0..12 {
        get(front, "/");
    }
    assert!(get(admin, "/circuits").contains("\"open\""));
    fusebox.signal("TERM");
    assert_eq!(fusebox.wait().code(), Some(0));
}

#[test]
fn it_goes_on_when_nobody_takes_what_it_says() {
    let upstream = serve(|_| response(500, "broken"));
    let folder = empty_folder();
    let config = folder.join("flaps.toml");
    let text = format!(
        "[[service]]\nname = \"s\"\nendpoints = [\"http://{upstream}\"]\nretry = false\n[service.breaker]\n\
         consecutive_failures = 1\nwait_in_open = {{ fixed = \"1ms\", jitter = 0 }}\nkey = \"header:host\"\n"
    );
    std::fs::write(&config, text).expect("the file is written");
    let mut fusebox = Running::start(&format!("run --config {} {ANY}", config.display()));
    let front = fusebox.address("listens");
    let admin = fusebox.address("circuits");
    // More lines than a pipe holds (64 KiB), none of which is read.
    for _ in 0..600 {
        get(front, "/");
        thread::park_timeout(Duration::from_millis(2));
    }
    assert!(get(admin, "/healthz").contains("ok"));
    fusebox.signal("TERM");
    assert_eq!(fusebox.wait().code(), Some(0));
}

#[test]
fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr();
    let listener = TcpListener::bind(taken.expect("an address")).expect("the port is still free");
    let taken = listener.local_addr().expect("an address");
    for (addresses, option) in [
        (format!("--listen {taken} --admin 127.0.0.1:0"), "--listen"),
        (format!("--listen 127.0.0.1:0 --admin {taken}"), "--admin"),
    ] {
        let output = output(&format!("run --upstream http://127.0.0.1:9 {addresses}"));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        for words in [&*taken.to_string(), "taken", option] {
            assert!(error.contains(words), "{words:?} is not in {error:?}");
        }
    }
}

#[test]
fn a_hangup_reads_the_file_again_and_a_mistake_in_it_changes_nothing() {
    let (first, second) = (serve(|_| response(200, "first")), serve(|_| response(200, "second")));
    let config = empty_folder().join("reloads.toml");
    let write = |upstream: std::net::SocketAddr, more: &str| {
        let text = format!("[[service]]\nname = \"s\"\nendpoints = [\"http://{upstream}\"]\n{more}");
        std::fs::write(&config, text).expect("the file is written");
    };
    write(first, "");
    let mut fusebox = Running::start(&format!("run --config {} {ANY}", config.display()));
    let front = fusebox.address("listens");
    assert!(get(front, "/").ends_with("first"));

    write(second, "");
    fusebox.signal("HUP");
    fusebox.line_with("configuration read again: 2 changes");
    fusebox.line_with(&format!("service s: endpoint http://{first} removed"));
    assert!(get(front, "/").ends_with("second"));

    write(first, "call_timeout = \"soon\"\n");
    fusebox.signal("HUP");
    fusebox.line_with("configuration not taken: nothing has changed");
    fusebox.line_with("reloads.toml:4:16: service.call_timeout: found \"soon\"");
    assert!(get(front, "/").ends_with("second"));
    fusebox.signal("TERM");
    assert_eq!(fusebox.wait().code(), Some(0));
}

#[test]
fn without_a_file_there_is_nothing_to_read_again() {
    let upstream = serve(|_| response(200, "ok"));
    let mut fusebox = Running::start(&format!("run --upstream http://{upstream} {ANY}"));
    let front = fusebox.address("listens");
    fusebox.signal("HUP");
    fusebox.line_with("nothing to read again");
    assert!(get(front, "/").ends_with("ok"));
    fusebox.signal("TERM");
    assert_eq!(fusebox.wait().code(), Some(0));
}

#[test]
fn an_admin_interface_that_others_reach_is_refused_without_tokens() {
    for arguments in ["--admin 0.0.0.0:0", "--admin [::]:0"] {
        let out = output(&format!("run --upstream http://127.0.0.1:7001 --listen 127.0.0.1:0 {arguments}"));
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains("unless admin.tokens names a file of tokens"), "{said}");
    }
}
