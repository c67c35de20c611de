//! Screens as they are drawn, at several sizes, beside those in `tests/screens`; `BLESS=1` writes these anew.

use super::draw::{Paint, screen};
use super::keys::{Effect, press};
use super::model::{Detail, Model, View};
use super::{Came, ordered, take};
use crate::admin::shapes::{Snapshot, Update};
use crate::operate::one::All;
use fusebox_core::Time;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use serde_json::{Value, json};
use std::path::Path;

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (40, 10)];
const START: Time = Time::from_secs(100);
const LATER: Time = Time::from_millis(100_400);

fn circuit(name: &str, more: Value) -> Value {
    let mut row = json!({
        "name": name, "service": name.split('/').next(), "state": "closed", "shadow": null, "ramp": null,
        "hold": null, "revision": "b7-3", "since_seconds_ago": 3725.0, "not_closed_seconds": 0.0,
        "retry_after_ms": null, "reason": null, "failure_rate": 0.01, "slow_rate": 0.0, "window_calls": 240,
        "failure_threshold": 0.5, "slow_threshold": 0.9, "minimum_calls": 20, "hung": 0,
        "consecutive_failures": 0, "consecutive_threshold": 10, "rejected_per_second": 0.0,
        "probes": {"in_flight": 0, "good": 0, "bad": 0, "needed": 3},
        "calls_per_second": 40.0, "failures_per_second": 0.4, "severity": 0,
        "spark": vec![json!({"ok": 80, "failed": 0, "rejected": 0}); 60], "marks": [],
    });
    row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    row
}

/// Two minutes of which the last ones went wrong.
fn failing(calls: u64) -> Value {
    let point = |at: u64| match at {
        0..30 => json!({"ok": calls, "failed": 0, "rejected": 0}),
        30..36 => json!({"ok": calls / 2, "failed": calls / 2, "rejected": 0}),
        _ => json!({"ok": 0, "failed": 0, "rejected": calls}),
    };
    (0..60).map(point).collect()
}

fn snapshot() -> Snapshot {
    let open = json!({
        "state": "open", "since_seconds_ago": 48.0, "not_closed_seconds": 48.0, "retry_after_ms": 12_400,
        "reason": "failure_rate 54 % ≥ 50 % of 240 calls in 10 s (last: status 503 ×2, timeout, status 503)",
        "window_calls": 0, "failure_rate": 0.0, "rejected_per_second": 312.0, "calls_per_second": 312.0,
        "severity": 4, "spark": failing(600), "marks": [{"at_seconds_ago": 48.0, "to": "open"}],
    });
    let probing = json!({
        "state": "half_open", "since_seconds_ago": 2.0, "not_closed_seconds": 62.0, "severity": 3,
        "reason": "slow_call_rate 95 % ≥ 90 % of 40 calls in 10 s", "rejected_per_second": 4.2,
        "probes": {"in_flight": 1, "good": 1, "bad": 0, "needed": 3}, "window_calls": 0,
        "marks": [{"at_seconds_ago": 2.0, "to": "half_open"}, {"at_seconds_ago": 62.0, "to": "open"}],
    });
    let held = json!({
        "severity": 2, "reason": "disabled by ann: load test",
        "hold": {"mode": "disabled", "actor": "ann", "reason": "load test", "expires_at": "2026-03-01T14:17:00.000Z", "expires_in_seconds": 840.0},
    });
    let near = json!({ "severity": 1, "failure_rate": 0.31, "slow_rate": 0.5, "hung": 2 });
    serde_json::from_value(json!({
        "generated_at": "2026-03-01T14:03:00.000Z", "instance": "edge-1", "version": "0.1.0", "boot": "b", "seq": 9,
        "summary": {"circuits": 6, "open": 1, "half_open": 1, "held": 1,
            "text": "1 of 6 circuits OPEN, 1 HALF-OPEN; 1 held by operators; 317 calls/s rejected; since 14:01:58"},
        "circuits": [
            circuit("catalogue", json!({})),
            circuit("inventory/10.0.0.7:8080", near),
            circuit("payments/10.0.0.5:7001", open),
            circuit("profiles", json!({"ramp": 0.25, "severity": 1})),
            circuit("search", held),
            circuit("shipping/parcels.example:443", probing),
        ],
        "overrides": [{"circuit": "search", "service": "search", "mode": "disabled", "actor": "ann", "reason": "load test",
            "expires_at": "2026-03-01T14:17:00.000Z", "expires_in_seconds": 840.0}],
        "queue": {"depth": 17, "oldest_age_seconds": 95.0, "dead": 1, "leased": 0, "needs_check": 0, "fill": 0.02, "paused": false, "queues": 1},
        "missed": [], "lost": 0,
    }))
    .expect("a snapshot")
}

fn model() -> Model {
    let mut model = Model::new("127.0.0.1:9900".into(), START);
    model.snapshot(snapshot(), START);
    model
}

fn detail() -> All {
    let answers = [
        circuit("payments/10.0.0.5:7001", json!({})),
        json!({"generated_at": "2026-03-01T14:03:00.000Z", "lost": 0, "events": [
            {"seq": 8, "at": "2026-03-01T14:02:12.000Z", "circuit": "p", "service": "p", "kind": "transition", "from": "closed",
             "to": "open", "cause": "failure_rate 54 % ≥ 50 % of 240 calls in 10 s", "retry_at": "2026-03-01T14:03:12.400Z"},
            {"seq": 5, "at": "2026-03-01T11:00:00.000Z", "circuit": "p", "service": "p", "kind": "held", "mode": "forced_closed",
             "actor": "bob", "reason": "false alarm", "expires_at": "2026-03-01T11:15:00.000Z"},
        ]}),
        json!({"generated_at": "2026-03-01T14:03:00.000Z", "kinds": [{"kind": "status 503", "count": 412}, {"kind": "timeout", "count": 31}],
        "calls": [
            {"at": "2026-03-01T14:02:12.000Z", "kind": "status 503", "duration_seconds": 0.0123, "what": "POST /charge",
             "endpoint": "10.0.0.5:7001", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"},
            {"at": "2026-03-01T14:02:11.000Z", "kind": "timeout", "duration_seconds": 1.0, "what": "GET /cards", "endpoint": null, "trace_id": null},
        ]}),
        json!({"count": 48211, "p50_seconds": 0.0121, "p90_seconds": 0.044, "p99_seconds": 0.31, "p999_seconds": 1.0, "max_seconds": 1.002}),
    ];
    All::of(answers).expect("a circuit in full")
}

fn draw(model: &Model, now: Time, (width, height): (u16, u16), colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    let paint = Paint { colour };
    terminal.draw(|frame| screen(model, now, paint, frame.buffer_mut())).expect("drawn");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width.max(1));
    let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

/// Compares the screen of `model` with the ones that were looked at.
fn golden(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screens/{name}-{width}x{height}.txt"));
        let drawn = text(&draw(model, LATER, (width, height), true));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &drawn).expect("screens can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(drawn == expected, "{}: drawn is\n{drawn}\nBLESS=1 takes it", path.display());
    }
}

fn key(model: &mut Model, code: KeyCode) -> Option<Effect> {
    press(model, KeyEvent::new(code, KeyModifiers::NONE), "ann")
}

fn write(model: &mut Model, text: &str) {
    text.chars().for_each(|c| drop(key(model, KeyCode::Char(c))));
}

#[test]
fn the_list_is_as_it_was_looked_at() {
    golden("list", &model());
}

#[test]
fn all_about_one_is_as_it_was_looked_at() {
    let mut model = model();
    let Some(Effect::Read(name)) = key(&mut model, KeyCode::Enter) else { panic!("nothing is read") };
    assert_eq!(name, "payments/10.0.0.5:7001");
    model.detail = Some(Detail { name, at: START, all: Ok(Box::new(detail())) });
    golden("detail", &model);
}

#[test]
fn the_question_and_the_help_are_as_they_were_looked_at() {
    let mut model = model();
    key(&mut model, KeyCode::Char('o'));
    golden("question", &model);
    key(&mut model, KeyCode::Esc);
    key(&mut model, KeyCode::Char('?'));
    golden("help", &model);
}

#[test]
fn a_lost_connection_is_said_first_and_for_how_long() {
    let mut model = model();
    model.lost("Connection refused (os error 111)".into());
    golden("lost", &model);
    let later = START + std::time::Duration::from_secs(12);
    assert!(text(&draw(&model, later, (80, 24), false)).contains("DISCONNECTED 12s"));
    model.beat(later);
    assert!(text(&draw(&model, later, (80, 24), false)).contains("live 0.0s ago"));
    let silent = later + std::time::Duration::from_secs(6);
    assert!(text(&draw(&model, silent, (80, 24), false)).contains("STALE 6.0s"));
}

#[test]
fn no_size_is_too_small_to_draw_on() {
    let mut model = model();
    for code in
        [KeyCode::Null, KeyCode::Enter, KeyCode::Esc, KeyCode::Char('o'), KeyCode::Esc, KeyCode::Char('?')]
    {
        key(&mut model, code);
        for size in [(0, 0), (1, 1), (5, 2), (10, 3), (20, 5), (39, 9), (200, 4), (300, 100)] {
            draw(&model, LATER, size, true);
        }
    }
}

#[test]
fn without_colours_every_state_is_still_told_apart() {
    let model = model();
    let buffer = draw(&model, LATER, (120, 40), false);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let screen = text(&buffer);
    for words in ["■ OPEN", "◐ half-open", "● closed", "◆ DISABLED", "◕ ramp 25%"] {
        assert!(screen.contains(words), "{words:?} is not in\n{screen}");
    }
    let coloured = draw(&model, LATER, (120, 40), true);
    let cell = coloured.content.iter().find(|cell| cell.symbol() == "■").expect("an open circuit");
    assert!(cell.fg == Color::Red && cell.modifier.contains(Modifier::BOLD));
}

#[test]
fn countdowns_run_between_two_frames() {
    let model = model();
    let after = |secs| text(&draw(&model, START + std::time::Duration::from_secs(secs), (120, 40), false));
    assert!(after(0).contains("in 12s") && after(0).contains("held 14m00s"));
    assert!(after(3).contains("in 9.4s") && after(3).contains("held 13m57s") && after(3).contains(" 51s "));
}

#[test]
fn an_update_moves_what_has_changed_and_keeps_the_choice() {
    let mut model = model();
    (0..5).for_each(|_| drop(key(&mut model, KeyCode::Char('j'))));
    assert_eq!(model.chosen_name(), Some("catalogue"));
    let mut row = circuit(
        "catalogue",
        json!({"state": "open", "severity": 4, "rejected_per_second": 900.0,
        "last": {"ok": 0, "failed": 1, "rejected": 9}}),
    );
    row.as_object_mut().expect("an object").remove("spark");
    let update: Update = serde_json::from_value(json!({
        "generated_at": "2026-03-01T14:03:01.000Z", "summary": {"text": "2 of 5 circuits OPEN", "open": 2},
        "circuits": [row], "gone": ["search"], "overrides": [], "queue": null,
    }))
    .expect("an update");
    model.update(update, START);
    let names: Vec<_> = model.shown().iter().map(|entry| entry.row.name.as_str()).collect();
    assert_eq!(names[..2], ["catalogue", "payments/10.0.0.5:7001"]);
    assert_eq!((names.len(), model.chosen_name()), (5, Some("catalogue")));
    let screen = text(&draw(&model, START, (80, 24), false));
    assert!(screen.contains("2 of 5 circuits OPEN") && !screen.contains("OVERRIDE"), "{screen}");
}

#[test]
fn a_filter_finds_by_name_and_by_state() {
    let mut model = model();
    key(&mut model, KeyCode::Char('/'));
    write(&mut model, "Half");
    assert_eq!(model.shown().len(), 1);
    assert_eq!(model.chosen_name(), Some("shipping/parcels.example:443"));
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::Char('/'));
    write(&mut model, "x");
    assert!(text(&draw(&model, LATER, (80, 24), false)).contains("none of 6 matches /Halfx"));
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.shown().len(), 6);
}

#[test]
fn an_override_is_tried_at_one_revision_and_done_at_that() {
    let mut model = model();
    key(&mut model, KeyCode::Char('o'));
    assert!(key(&mut model, KeyCode::Enter).is_none(), "a reason is missing");
    assert!(text(&draw(&model, LATER, (80, 24), false)).contains("it is written down"));
    write(&mut model, "q's window");
    let Some(Effect::Order { circuit, order, revision }) = key(&mut model, KeyCode::Enter) else {
        panic!("sent")
    };
    assert_eq!((circuit.as_str(), order.dry_run, revision), ("payments/10.0.0.5:7001", true, None));
    assert_eq!(
        (order.action, order.reason.as_str(), order.ttl_seconds),
        ("force_open", "q's window", Some(900))
    );
    assert!(key(&mut model, KeyCode::Enter).is_none(), "one answer at a time");
    let done = json!({"circuit": circuit, "action": "force_open", "dry_run": true,
        "before": {"state": "open", "revision": "b7-3", "hold": null},
        "after": {"state": "open", "revision": "b7-3", "hold": {"mode": "forced_open", "expires_in_seconds": 900.0}}});
    let done: crate::admin::shapes::Done = serde_json::from_value(done).expect("an answer");
    take(
        &mut model,
        Came::Ordered { circuit: circuit.clone(), dry_run: true, done: Ok(Box::new(done.clone())) },
        LATER,
    )
    .expect("taken");
    let screen = text(&draw(&model, LATER, (80, 24), false));
    assert!(screen.contains("would go ■ OPEN → ◆ FORCED OPEN for 15m00s"), "{screen}");
    let Some(Effect::Order { order, revision, .. }) = key(&mut model, KeyCode::Enter) else { panic!("sent") };
    assert_eq!((order.dry_run, revision.as_deref()), (false, Some("b7-3")));
    let elsewhere =
        Came::Ordered { circuit: "search".into(), dry_run: false, done: Ok(Box::new(done.clone())) };
    take(&mut model, elsewhere, LATER).expect("taken");
    assert!(matches!(model.view, View::Order(_)), "the answer to another question");
    ordered(&mut model, &circuit, (false, Ok(Box::new(done))), LATER);
    assert!(matches!(model.view, View::List));
    assert_eq!(model.notice(LATER), Some("done: force open payments/10.0.0.5:7001"));
}

#[test]
fn what_moves_a_terminal_is_not_drawn() {
    let mut evil = snapshot();
    evil.summary.text = "\u{1b}[2Jgone".into();
    evil.circuits[0].name = "a\u{1b}]0;title\u{7}".into();
    evil.circuits[0].reason = Some("line\none\r".into());
    let mut model = model();
    model.snapshot(evil, START);
    let buffer = draw(&model, LATER, (120, 40), true);
    assert!(!buffer.content.iter().any(|cell| cell.symbol().contains(char::is_control)));
}
