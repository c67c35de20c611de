//! The queue of deferred calls over the admin interface.

use crate::scene::{Scene, queues_replayed, told};
use fusebox::admin::{Access, Admin, Answer, Asked, Peer};
use fusebox::telemetry::Subjects;
use fusebox_queue::{Limits, Memory, NewItem, QueueStore};
use futures::executor::block_on;
use serde_json::json;
use std::sync::Arc;

fn admin() -> (Admin, Memory) {
    let store = Memory::new(Limits::default());
    let items = ["a", "b"].map(|key| NewItem::new("payments", key, "the call"));
    block_on(store.enqueue(items.to_vec())).expect("kept");
    (Scene::new(1).admin.with_queue(Arc::new(store.clone())), store)
}

fn ask(admin: &Admin, method: &str, target: &str, body: &str) -> Answer {
    let (peer, json) = (Peer::Unix, Some("application/json"));
    let asked = Asked { method, target, body: body.as_bytes(), content_type: json, peer, ..Asked::default() };
    block_on(admin.respond(asked))
}

#[test]
fn queues_items_and_the_trail_are_read() {
    let (admin, _) = admin();
    let queues = told(&ask(&admin, "GET", "/queue", ""));
    assert_eq!(
        (&queues["queues"][0]["queue"], &queues["queues"][0]["depth"]),
        (&json!("payments"), &json!([0, 2, 0, 0]))
    );
    let items = told(&ask(&admin, "GET", "/queue/items?key=b&limit=10", ""));
    assert_eq!((items["items"].as_array().map(Vec::len), &items["items"][0]["id"]), (Some(1), &json!(2)));
    let one = told(&ask(&admin, "GET", "/queue/items/2", ""));
    assert_eq!((&one["key"], &one["payload_bytes"], one.get("payload")), (&json!("b"), &json!(8), None));
    assert_eq!(told(&ask(&admin, "GET", "/queue/audit", ""))["audit"], json!([]));
}

#[test]
fn a_queue_tells_how_it_is_replayed_and_one_that_is_not_says_so() {
    let (admin, store) = admin();
    let elsewhere = NewItem::new("elsewhere", "c", "the call");
    block_on(store.enqueue(vec![elsewhere])).expect("kept");
    let admin = admin.with(Subjects { queues: vec![queues_replayed(["payments"])], ..Subjects::default() });
    let told = told(&ask(&admin, "GET", "/queue", ""));
    let replays = ["payments", "elsewhere"].map(|name| {
        let queues = told["queues"].as_array().expect("a list");
        queues.iter().find(|queue| queue["queue"] == name).expect("it is there")["replay"].clone()
    });
    let payments = json!({ "gate": "probing", "rate_per_second": 12.5, "ceiling_per_second": 300.0 });
    assert_eq!(replays, [payments, json!(null)]);
    let metrics = ask(&admin, "GET", "/metrics", "").body;
    let rates: Vec<_> =
        metrics.lines().filter(|line| line.starts_with("deferred_queue_replay_rate")).collect();
    assert_eq!(rates, ["deferred_queue_replay_rate{queue=\"payments\"} 12.5"]);
}

#[test]
fn an_order_is_carried_out_and_written_down() {
    let (admin, store) = admin();
    let order = json!({ "act": "bury", "actor": "ann", "reason": "stolen", "filter": { "key": "a" } });
    let dry = json!({ "act": "bury", "actor": "ann", "dry_run": true, "filter": { "limit": 9.0 } });
    assert_eq!(
        told(&ask(&admin, "POST", "/queue/orders", &dry.to_string())),
        json!({ "items": [1, 2], "dry_run": true })
    );
    assert_eq!(
        told(&ask(&admin, "POST", "/queue/orders", &order.to_string())),
        json!({ "items": [1], "dry_run": false })
    );
    assert_eq!(block_on(store.stats("payments")).expect("read").dead(), 1);
    let trail = told(&ask(&admin, "GET", "/queue/audit", ""));
    assert_eq!(
        (&trail["audit"][0]["actor"], trail["audit"].as_array().map(Vec::len)),
        (&json!("ann"), Some(1))
    );
}

#[test]
fn what_is_asked_wrongly_is_a_precise_problem_and_changes_nothing() {
    let (admin, store) = admin();
    for (method, target, body, status, words) in [
        ("GET", "/queue/items?state=ded", "", 400, "state: found \"ded\", accepted: ready"),
        ("GET", "/queue/items?stat=dead", "", 400, "unknown field `stat`"),
        ("GET", "/queue/items/99", "", 404, "no deferred call 99"),
        ("GET", "/queue/items/x", "", 404, "nothing at '/queue/items/x'"),
        ("GET", "/queue/orders", "", 405, "POST"),
        ("DELETE", "/queue/items/1", "", 405, "GET, HEAD"),
        ("POST", "/queue/orders", "{", 400, "EOF"),
        ("POST", "/queue/orders", r#"["bury",{},false,"ann",""]"#, 400, "an object"),
        ("POST", "/queue/orders", r#"{"act":"bury","actor":"ann","filter":[null,"ready"]}"#, 400, "filter"),
        (
            "POST",
            "/queue/orders",
            r#"{"act":"explode","actor":"a"}"#,
            400,
            "act: found \"explode\", accepted: retry",
        ),
        ("POST", "/queue/orders", r#"{"act":"bury","actor":""}"#, 400, "actor"),
        ("POST", "/queue/orders", r#"{"act":"pause","actor":"a"}"#, 400, "queue"),
        ("POST", "/circuits", "{}", 405, "GET, HEAD"),
    ] {
        let answer = ask(&admin, method, target, body);
        assert_eq!(
            (answer.status, answer.content_type),
            (status, "application/problem+json"),
            "{method} {target}: {}",
            answer.body
        );
        assert!(
            told(&answer)["detail"].as_str().is_some_and(|detail| detail.contains(words)),
            "{target}: {}",
            answer.body
        );
    }
    assert_eq!(block_on(store.stats("payments")).expect("read").live(), 2);
    assert!(block_on(store.audit(9)).expect("read").is_empty());
}

#[test]
fn a_page_of_another_site_can_neither_read_nor_order() {
    let (admin, store) = admin();
    let order = br#"{"act":"bury","actor":"evil"}"#;
    let asked = Asked {
        method: "POST",
        target: "/queue/orders",
        body: order,
        host: Some("127.0.0.1:9900"),
        peer: Peer::Unix,
        ..Asked::default()
    };
    let json = Some("application/json");
    for (refused, status) in [
        (Asked { content_type: json, origin: Some("http://evil.test"), ..asked }, 403),
        (Asked { content_type: json, host: Some("evil.test:9900"), ..asked }, 403),
        (Asked { content_type: Some("text/plain"), ..asked }, 415),
        (Asked { method: "GET", target: "/queue/items", host: Some("evil.test"), ..asked }, 403),
    ] {
        assert_eq!(block_on(admin.respond(refused)).status, status, "{refused:?}");
    }
    let monitoring =
        Asked { method: "GET", target: "/metrics", host: Some("fusebox.monitoring.svc"), ..asked };
    assert_eq!(block_on(admin.respond(monitoring)).status, 403);
    let admin = admin.with_access(Access::default().host("fusebox.monitoring.svc"));
    assert_eq!(block_on(admin.respond(monitoring)).status, 200);
    assert_eq!(block_on(store.stats("payments")).expect("read").live(), 2);
}

#[test]
fn an_order_is_in_the_trail_of_the_interface_with_what_it_is_about() {
    let (admin, _) = admin();
    let order = json!({ "act": "bury", "actor": "ann", "reason": "stolen", "filter": { "key": "a" } });
    ask(&admin, "POST", "/queue/orders", &order.to_string());
    ask(&admin, "POST", "/queue/orders", r#"{"act":"explode","actor":"eve"}"#);
    let trail = told(&admin.answer("GET", "/audit"));
    let line = |at: usize, field: &str| trail["entries"][at][field].clone();
    assert_eq!(
        ["action", "actor", "reason", "result"].map(|field| line(1, field)),
        ["queue.bury", "ann", "stolen", "done"].map(serde_json::Value::from)
    );
    assert_eq!((line(1, "after"), line(1, "status")), (json!({ "items": 1 }), json!(200)));
    assert!(line(1, "target").as_str().is_some_and(|target| target.contains("\"key\":\"a\"")));
    assert_eq!(
        (line(0, "action"), line(0, "result"), line(0, "status")),
        (json!("queue.explode"), json!("refused"), json!(400))
    );
}

#[test]
fn without_a_queue_there_is_none() {
    let admin = Scene::new(1).admin;
    assert_eq!(ask(&admin, "GET", "/queue", "").status, 404);
}
