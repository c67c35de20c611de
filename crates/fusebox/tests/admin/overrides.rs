//! Holds, resets and releases over the interface.

use crate::scene::{Scene, ask, header, post, told, trip};
use fusebox::admin::{Answer, Asked};
use fusebox::breaker::{Mode, State};
use serde_json::{Value, json};
use std::time::Duration;

fn order(action: &str) -> Value {
    json!({ "action": action, "actor": "ann", "reason": "maintenance" })
}

fn send(scene: &Scene, order: &Value) -> Answer {
    ask(&scene.admin, post("/overrides/pay", &order.to_string()))
}

fn with(order: Value, field: &str, value: impl Into<Value>) -> Value {
    let mut order = order;
    order[field] = value.into();
    order
}

#[test]
fn a_hold_is_imposed_shown_and_ends_by_itself() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let answer = send(&scene, &with(order("force_open"), "ttl_seconds", 60));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let done = told(&answer);
    assert_eq!(
        (&done["circuit"], &done["action"], &done["dry_run"]),
        (&json!("pay"), &json!("force_open"), &json!(false))
    );
    assert_eq!(done["before"], json!({ "state": "closed", "revision": "0", "hold": null }));
    assert_eq!(
        ["mode", "actor", "reason", "expires_in_seconds"].map(|field| done["after"]["hold"][field].clone()),
        [json!("forced_open"), json!("ann"), json!("maintenance"), json!(60.0)]
    );
    assert_eq!((circuit.state(), &done["after"]["state"]), (State::Open, &json!("open")));
    let shown = scene.get("/circuits/pay");
    assert_eq!(header(&answer, "etag"), header(&shown, "etag"));
    assert_eq!(told(&shown)["revision"], done["after"]["revision"]);
    assert_eq!(scene.json("/overrides")["overrides"][0]["circuit"], "pay");
    scene.wait(60);
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(scene.json("/overrides")["overrides"], json!([]));
}

#[test]
fn a_hold_lasts_fifteen_minutes_unless_said_otherwise() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    assert_eq!(told(&send(&scene, &order("shadow")))["after"]["hold"]["expires_in_seconds"], 900.0);
    let half = told(&send(&scene, &with(order("disable"), "ttl_seconds", 1.5)));
    assert_eq!(half["after"]["hold"]["expires_in_seconds"], 1.5);
    scene.hand.advance(Duration::from_millis(1_500));
    assert_eq!(scene.json("/circuits/pay")["hold"], Value::Null);
    assert_eq!(circuit.state(), State::Closed);
}

/// Brings the circuit into one of the states that orders are tried in.
fn bring(scene: &Scene, standing: &str) {
    let circuit = scene.circuit("pay");
    let hold = |mode| circuit.hold_for(mode, "bob", "before", Duration::from_secs(3_600));
    match standing {
        "open" => trip(&circuit),
        "half open" => {
            trip(&circuit);
            scene.wait(30);
        }
        "forced open" => hold(Mode::ForcedOpen),
        "forced open while open" => {
            trip(&circuit);
            hold(Mode::ForcedOpen);
        }
        "forced open past its wait" => {
            trip(&circuit);
            hold(Mode::ForcedOpen);
            scene.wait(31);
        }
        "forced closed" => hold(Mode::ForcedClosed),
        "disabled" => hold(Mode::Disabled),
        "shadow" => hold(Mode::Shadow),
        "shadow that is open" => {
            hold(Mode::Shadow);
            trip(&circuit);
        }
        _ => {}
    }
}

#[test]
fn a_dry_run_touches_nothing_and_foresees_what_happens_whatever_the_circuit_is_in() {
    for standing in [
        "closed",
        "open",
        "half open",
        "forced open",
        "forced open while open",
        "forced open past its wait",
        "forced closed",
        "disabled",
        "shadow",
        "shadow that is open",
    ] {
        for action in ["force_open", "force_closed", "disable", "shadow", "reset", "release"] {
            let scene = Scene::new(10);
            bring(&scene, standing);
            let before = scene.json("/circuits/pay");
            let dry = send(&scene, &with(order(action), "dry_run", true));
            let untouched = scene.json("/circuits/pay");
            for field in ["state", "revision", "epoch"] {
                assert_eq!(before[field], untouched[field], "{action} while {standing}: {field}");
            }
            assert_eq!(
                header(&dry, "etag"),
                Some(&*format!("\"{}\"", before["revision"].as_str().expect("text")))
            );
            let (dry, real) = (told(&dry), told(&send(&scene, &order(action))));
            assert_eq!((&dry["dry_run"], &real["dry_run"]), (&json!(true), &json!(false)));
            let after = scene.json("/circuits/pay");
            for (field, told) in [("state", &real), ("state", &dry), ("revision", &real)] {
                assert_eq!(told["after"][field], after[field], "{action} while {standing}: {field}");
            }
            let mode = |told: &Value| told["after"]["hold"]["mode"].clone();
            assert_eq!(
                (mode(&dry), mode(&real)),
                (after["hold"]["mode"].clone(), after["hold"]["mode"].clone())
            );
            assert_eq!(dry["before"]["state"], before["state"]);
        }
    }
}

#[test]
fn an_order_on_what_has_changed_since_is_refused_and_told_how_it_is_now() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let seen = header(&scene.get("/circuits/pay"), "etag").expect("there").to_owned();
    trip(&circuit);
    let body = order("reset").to_string();
    let stale = Asked { if_match: Some(&seen), ..post("/overrides/pay", &body) };
    let answer = ask(&scene.admin, stale);
    assert_eq!(answer.status, 412, "{}", answer.body);
    let now = told(&answer)["revision"].as_str().expect("the present one").to_owned();
    assert_eq!(now, scene.json("/circuits/pay")["revision"].as_str().expect("text"));
    assert_eq!(header(&answer, "etag"), Some(&*format!("\"{now}\"")));
    assert_eq!(circuit.state(), State::Open);
    for wrong in [now.clone(), format!("W/\"{now}\""), "\"\"".into(), String::new()] {
        let stale = Asked { if_match: Some(&wrong), ..post("/overrides/pay", &body) };
        assert_eq!(ask(&scene.admin, stale).status, 412, "{wrong}");
    }
    for right in [format!("\"{now}\""), format!("\"other\", \"{now}\""), "*".into()] {
        let dry = with(order("reset"), "dry_run", true).to_string();
        let fresh = Asked { if_match: Some(&right), ..post("/overrides/pay", &dry) };
        assert_eq!(ask(&scene.admin, fresh).status, 200, "{right}");
    }
}

#[test]
fn a_hold_in_place_of_another_makes_the_first_revision_stale() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    let first = told(&send(&scene, &order("shadow")))["after"]["revision"].clone();
    let second =
        told(&send(&scene, &with(order("shadow"), "reason", "another")))["after"]["revision"].clone();
    assert_ne!(first, second);
}

#[test]
fn names_are_percent_encoded_and_may_hold_slashes() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay/10.0.0.7:80 ä");
    let body = order("force_open").to_string();
    for (target, mode) in
        [("/overrides/pay/10.0.0.7:80%20%C3%A4", 200), ("/overrides/pay%2F10.0.0.7%3A80%20ä", 200)]
    {
        assert_eq!(ask(&scene.admin, post(target, &body)).status, mode, "{target}");
    }
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn what_is_ordered_wrongly_is_a_problem_of_its_own_and_changes_nothing() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let long = "x".repeat(501);
    for (target, body, status, words) in [
        ("/overrides/pya", order("reset").to_string(), 404, "no circuit named 'pya'"),
        ("/overrides/%ff", order("reset").to_string(), 404, "no circuit named"),
        ("/overrides/pay", "{".into(), 400, "no JSON"),
        ("/overrides/pay", String::new(), 400, "no JSON"),
        ("/overrides/pay", "[]".into(), 422, "accepted: an object"),
        (
            "/overrides/pay",
            order("explode").to_string(),
            422,
            "action: found \"explode\", accepted: force_open",
        ),
        ("/overrides/pay", order("").to_string(), 422, "action: found \"\""),
        ("/overrides/pay", json!({ "actor": "a", "reason": "b" }).to_string(), 422, "action: found nothing"),
        (
            "/overrides/pay",
            json!({ "action": "reset", "reason": "b" }).to_string(),
            422,
            "actor: found nothing",
        ),
        (
            "/overrides/pay",
            json!({ "action": "reset", "actor": "b" }).to_string(),
            422,
            "reason: found nothing",
        ),
        (
            "/overrides/pay",
            with(order("reset"), "reason", "a\nb").to_string(),
            422,
            "reason: found \"a\\nb\"",
        ),
        (
            "/overrides/pay",
            with(order("reset"), "reason", long).to_string(),
            422,
            "a text of 1 to 500 characters",
        ),
        ("/overrides/pay", with(order("reset"), "actor", 7).to_string(), 422, "actor: found 7"),
        ("/overrides/pay", with(order("reset"), "actor", "ann (token bob)").to_string(), 422, "(token"),
        ("/overrides/pay", with(order("reset"), "ttl_seconds", 60).to_string(), 422, "ttl_seconds: found 60"),
        (
            "/overrides/pay",
            with(order("shadow"), "ttl_seconds", 0).to_string(),
            422,
            "a number from 1 to 86400",
        ),
        ("/overrides/pay", with(order("shadow"), "ttl_seconds", 86_401).to_string(), 422, "found 86401"),
        ("/overrides/pay", with(order("shadow"), "ttl_seconds", "1h").to_string(), 422, "found \"1h\""),
        (
            "/overrides/pay",
            with(order("shadow"), "dry_run", "yes").to_string(),
            422,
            "dry_run: found \"yes\"",
        ),
        (
            "/overrides/pay",
            with(order("shadow"), "ttl", 60).to_string(),
            422,
            "found the field \"ttl\", accepted: action",
        ),
    ] {
        let answer = ask(&scene.admin, post(target, &body));
        assert_eq!(
            (answer.status, answer.content_type),
            (status, "application/problem+json"),
            "{target} {body}: {}",
            answer.body
        );
        let problem = told(&answer);
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(words), "{body}: {detail}");
        assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:fusebox:problem:")));
        assert_eq!(problem["request_id"].as_str(), header(&answer, "x-request-id"));
    }
    assert_eq!(scene.json("/circuits/pay")["revision"], "0");
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(ask(&scene.admin, Asked { method: "GET", ..post("/overrides/pay", "") }).allow, Some("POST"));
    let form = Asked { content_type: Some("text/plain"), ..post("/overrides/pay", "{}") };
    assert_eq!(ask(&scene.admin, form).status, 415);
}

#[test]
fn two_orders_at_once_are_carried_out_one_after_the_other() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    let orders: Vec<_> = (0..8).map(|n| with(order("force_open"), "reason", format!("order {n}"))).collect();
    let befores = std::thread::scope(|scope| {
        let scene = &scene;
        let threads: Vec<_> =
            orders.iter().map(|order| scope.spawn(move || told(&send(scene, order)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("answered")).collect::<Vec<_>>()
    });
    // Each saw what exactly one other, or nobody, had left.
    let mut seen: Vec<_> = befores.iter().map(|told| told["before"]["hold"]["reason"].to_string()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8, "{seen:?}");
    let trail = told(&scene.get("/audit"));
    assert_eq!(trail["entries"].as_array().map(Vec::len), Some(8));
}
