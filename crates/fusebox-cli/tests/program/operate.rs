//! What the commands that talk to a proxy make of its answers, refusals and silences.

use super::child::{Running, fusebox, response, text};
use super::desk::{Asked, Desk, stream};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Runs the program against this address; its exit code and both outputs.
fn run(arguments: &[&str], admin: &str) -> (i32, String, String) {
    let mut command = fusebox("");
    let output = command.args(arguments).args(["--admin", admin]).output().expect("the program starts");
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

fn problem(status: u16, detail: &str) -> String {
    response(status, &json!({"title": "Refused", "status": status, "detail": detail}).to_string())
}

#[test]
fn what_does_not_answer_is_named_with_what_to_do() {
    for command in ["circuits", "config", "log-level"] {
        let (code, out, err) = run(&[command], "127.0.0.1:1");
        assert_eq!((code, out.as_str()), (1, ""), "{command}");
        for words in ["127.0.0.1:1: Connection refused", "is it running", "FUSEBOX_ADMIN"] {
            assert!(err.contains(words), "{command}: {err}");
        }
    }
    let (code, _, err) = run(&["events", "--follow"], "127.0.0.1:1");
    assert!(code == 1 && err.contains("is it running"), "{err}");
    let (code, _, err) = run(&["circuits"], "unix:/nowhere/fusebox.sock");
    assert!(code == 1 && err.contains("unix:/nowhere/fusebox.sock: No such file"), "{err}");
    let other = Desk::open(|_| response(200, "<html>"));
    let (code, _, err) = run(&["circuits"], &other.address.to_string());
    assert!(code == 1 && err.contains("not in JSON: this is another server"), "{err}");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    for (arguments, words) in [
        (vec!["circuits", "--admin", "ftp://x"], "ftp:// is not spoken here; accepted: 127.0.0.1:9900"),
        (vec!["circuits", "--ca-file", "x.pem"], "--ca-file is for https://"),
        (vec!["circuits", "--token-file", "none.token"], "cannot read none.token"),
        (vec!["circuits", "--state", "ajar"], "[possible values: open, half_open, closed, held]"),
        (vec!["override", "force-open", "a"], "--reason <TEXT>"),
        (vec!["override", "force-open", "a", "--reason", "x", "--for", "2d"], "whole seconds from 1s to 24h"),
        (vec!["override", "release", "a", "--reason", "x", "--for", "1m"], "unexpected argument '--for'"),
        (vec!["log-level", "debug"], "--reason <TEXT>"),
        (vec!["top"], "draws on a terminal, and this is none; `fusebox circuits` prints"),
    ] {
        let output = fusebox("").args(&arguments).output().expect("the program starts");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let output = fusebox("circuits").env("FUSEBOX_ADMIN", "a b").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("FUSEBOX_ADMIN: found \"a b\""), "{}", text(&output.stderr));
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_a_refusal_says_which_is_needed() {
    let desk = Desk::open(|asked| match asked.header("authorization") {
        Some("Bearer good") => response(200, r#"{"level": "info"}"#),
        Some(_) => problem(403, "the token reader has the scope read; this needs operate"),
        None => problem(401, "a token is needed"),
    });
    let admin = desk.address.to_string();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "good\n").expect("written");
    let path = file.path().display().to_string();
    assert_eq!(run(&["log-level", "--token-file", &path], &admin), (0, "info\n".into(), String::new()));
    let (code, _, err) = run(&["log-level"], &admin);
    assert!(code == 1 && err.contains("wants a token: give --token-file or FUSEBOX_TOKEN"), "{err}");
    let mut command = fusebox("log-level");
    let output =
        command.env("FUSEBOX_TOKEN", "weak").env("FUSEBOX_ADMIN", &admin).output().expect("it starts");
    let err = text(&output.stderr);
    assert!(output.status.code() == Some(1) && err.contains("this needs operate"), "{err}");
    assert!(!err.contains("weak"), "{err}");
}

#[test]
fn an_override_is_sent_as_it_was_meant() {
    let desk = Desk::open(|asked| {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let hold = json!({"mode": "forced_open", "actor": "ann", "reason": "window",
            "expires_at": "2026-03-01T09:45:00.000Z", "expires_in_seconds": 600.0});
        let answer = json!({"circuit": "pay/a b", "action": body["action"], "dry_run": body["dry_run"],
            "before": {"state": "closed", "revision": "b-1", "hold": null},
            "after": {"state": "open", "revision": "b-2", "hold": hold}});
        response(200, &answer.to_string())
    });
    let admin = desk.address.to_string();
    let arguments = [
        "override",
        "force-open",
        "pay/a b",
        "--reason",
        "window",
        "--for",
        "10m",
        "--actor",
        "ann",
        "--if-match",
        "b-1",
    ];
    let (code, out, err) = run(&arguments, &admin);
    assert_eq!((code, err.as_str()), (0, ""));
    for words in [
        "pay/a b: ● closed → ◆ FORCED OPEN",
        "is now held for 10m00s, until 09:45:00 UTC",
        "fusebox override release 'pay/a b' --reason",
    ] {
        assert!(out.contains(words), "{out}");
    }
    let (_, out, _) = run(&[&arguments[..], &["--dry-run"]].concat(), &admin);
    assert!(out.contains("would be held for 10m00s") && out.contains("nothing was done"), "{out}");

    let [done, tried] = &desk.asked()[..] else { panic!("two requests") };
    assert_eq!(done.line, "POST /overrides/pay/a%20b");
    assert_eq!(done.header("if-match"), Some("\"b-1\""));
    assert_eq!(done.header("content-type"), Some("application/json"));
    let body = |asked: &Asked| serde_json::from_str::<Value>(&asked.body).expect("JSON");
    let expected = json!({"action": "force_open", "actor": "ann", "reason": "window", "ttl_seconds": 600, "dry_run": false});
    assert_eq!(body(done), expected);
    assert_eq!(body(tried)["dry_run"], true);
}

#[test]
fn what_has_changed_meanwhile_is_shown_as_it_is_now() {
    let desk = Desk::open(|asked| match asked.line.starts_with("POST") {
        true => problem(412, "the revision is b-4"),
        false => response(
            200,
            &json!({"name": "pay", "state": "open", "revision": "b-4", "reason": "failures 5 ≥ 5"})
                .to_string(),
        ),
    });
    let (code, out, err) = run(
        &["override", "reset", "pay", "--reason", "fixed", "--if-match", "b-3"],
        &desk.address.to_string(),
    );
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("nothing was done: pay has changed since revision b-3; now it is OPEN at revision b-4 (failures 5 ≥ 5)"), "{err}");
}

#[test]
fn a_proxy_as_a_whole_is_told_and_says_what_came_of_it() {
    let desk = Desk::open(|asked| match asked.line.as_str() {
        "POST /reload" => response(
            200,
            r#"{"dry_run": true, "changed": ["service payments: timeout 1s → 2s"], "restart_needed": ["admin.listen"]}"#,
        ),
        "POST /drain" => {
            response(200, &json!({"draining": asked.body.contains("\"drain\":true")}).to_string())
        }
        "POST /log-level" => response(200, r#"{"level": "debug"}"#),
        "GET /config" => response(200, &json!({"text": "[proxy]\nkey = \"***\"\u{1b}[2J\n"}).to_string()),
        _ => problem(404, "there is nothing here"),
    });
    let admin = desk.address.to_string();
    let (_, out, _) = run(&["reload", "--dry-run", "--reason", "x"], &admin);
    assert_eq!(
        out,
        "would change:\n  service payments: timeout 1s → 2s\ntakes effect after a restart only:\n  admin.listen\nnothing was done: --dry-run\n"
    );
    assert!(run(&["drain", "--reason", "x"], &admin).1.starts_with("draining: /readyz says no"));
    assert!(run(&["drain", "--undo", "--reason", "x"], &admin).1.starts_with("not draining"));
    assert_eq!(run(&["log-level", "debug", "--reason", "x"], &admin).1, "debug\n");
    assert_eq!(run(&["config"], &admin).1, "[proxy]\nkey = \"***\"\u{fffd}[2J\n");
    let (code, _, err) = run(&["log-level"], &admin);
    assert!(code == 1 && err.contains("there is nothing here"), "{err}");
}

fn log(seq: u64, to: &str) -> Value {
    json!({"seq": seq, "at": format!("2026-03-01T09:30:{seq:02}.000Z"), "circuit": "pay", "service": "pay",
        "kind": "transition", "from": "closed", "to": to, "cause": "failures 5 ≥ 5", "shadow": false})
}

fn frame(boot: &str, seq: u64, name: &str, data: &Value) -> String {
    format!("id: {boot}-{seq}\nevent: {name}\ndata: {data}\n\n")
}

fn snapshot(boot: &str, seq: u64, missed: &[Value], lost: u64) -> String {
    let data = json!({"generated_at": "2026-03-01T09:31:00.000Z", "boot": boot, "seq": seq, "version": "0.1.0",
        "circuits": [], "overrides": [], "missed": missed, "lost": lost});
    frame(boot, seq, "snapshot", &data)
}

/// A connection is lost after each answer; what happens between is told by the next, and a restart in the middle
/// begins to count anew.
#[test]
fn following_loses_nothing_over_lost_connections_and_a_restart() {
    let turn = AtomicUsize::new(0);
    let desk = Desk::open(move |asked| {
        let last = asked.header("last-event-id").unwrap_or("none").to_owned();
        match (turn.fetch_add(1, Relaxed), last.as_str()) {
            (0, "none") => stream(&[snapshot("a", 4, &[], 0), frame("a", 5, "log", &log(5, "open"))]),
            (1, "a-5") => stream(&[
                snapshot("a", 7, &[log(6, "half_open"), log(7, "closed")], 0),
                frame("a", 7, "log", &log(7, "closed")),
                frame("a", 8, "log", &log(8, "open")),
            ]),
            (2, "a-8") => stream(&[snapshot("b", 2, &[], 0)]),
            (3, "b-0") => stream(&[snapshot("b", 2, &[log(1, "open"), log(2, "half_open")], 3)]),
            (4.., "b-2") => stream(&[snapshot("b", 2, &[], 0), frame("b", 3, "log", &log(3, "closed"))]),
            (_, "b-3") => stream(&[snapshot("b", 3, &[], 0)]),
            (turn, last) => problem(400, &format!("connection {turn} came with {last}")),
        }
    });
    let mut follow = Running::start(&format!("events --follow --output json --admin {}", desk.address));
    let mut told = Vec::new();
    for _ in 0..7 {
        let event: Value = serde_json::from_str(&follow.line_with("seq")).expect("JSON");
        told.push((event["seq"].as_u64(), event["to"].as_str().map(str::to_owned)));
    }
    let told: Vec<_> = told
        .iter()
        .map(|(seq, to)| format!("{} {}", seq.unwrap_or(0), to.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(told, ["5 open", "6 half_open", "7 closed", "8 open", "1 open", "2 half_open", "3 closed"]);
    follow.signal("TERM");
    assert!(follow.wait().success());
    let aside = follow.complaints();
    for words in [
        "-- connected to",
        "-- disconnected from",
        "the process has started anew",
        "3 older events no longer known",
    ] {
        assert!(aside.contains(words), "{words:?} is not in\n{aside}");
    }
}

#[test]
fn events_of_the_past_are_those_of_the_span() {
    let desk = Desk::open(|asked| match asked.header("last-event-id") {
        Some("a-0") => stream(&[snapshot("a", 40, &[log(1, "open"), log(40, "closed")], 0)]),
        None => stream(&[snapshot("a", 40, &[], 0)]),
        Some(other) => problem(400, other),
    });
    let (code, out, err) = run(&["events", "--since", "30s"], &desk.address.to_string());
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "2026-03-01T09:30:40.000Z  pay  closed → closed: failures 5 ≥ 5\n", "")
    );
    let (_, out, _) = run(&["events"], &desk.address.to_string());
    assert_eq!(out.lines().count(), 2);
}
