//! Streams of events, and the histories behind them.

use crate::scene::{Scene, trip};
use bytes::Bytes;
use fusebox::admin::{Body, Peer};
use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

/// A reader of `/events`, and what it has not read yet.
struct Reader(http_body_util::BodyStream<Body>, String);

/// One event of a stream.
#[derive(Debug)]
struct Told {
    id: String,
    event: String,
    data: Value,
}

impl Reader {
    fn open(scene: &Scene, last: Option<&str>) -> Reader {
        let response = ask(scene, last);
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (200.try_into().expect("a status"), &"text/event-stream".parse().expect("a value"))
        );
        Reader(http_body_util::BodyStream::new(response.into_body()), String::new())
    }

    /// What has come, without waiting; `None` at the end of the stream.
    fn read(&mut self) -> Option<Vec<Told>> {
        loop {
            match self.0.next().now_or_never() {
                None => break,
                Some(None) => return None,
                Some(Some(frame)) => {
                    let data = frame.expect("infallible").into_data().expect("data");
                    self.1.push_str(std::str::from_utf8(&data).expect("text"));
                }
            }
        }
        let whole = std::mem::take(&mut self.1);
        Some(whole.split_terminator("\n\n").map(told).collect())
    }
}

fn told(block: &str) -> Told {
    let field =
        |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let data = serde_json::from_str(&field("data: ")).expect("JSON");
    Told { id: field("id: "), event: field("event: "), data }
}

fn ask(scene: &Scene, last: Option<&str>) -> Response<Body> {
    let request = Request::get("/events").header("host", "localhost");
    let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
    block_on(scene.admin.handle(request.body(Bytes::new()).expect("a request"), Peer::Unix))
}

/// Another second passes, and is looked at.
fn second(scene: &Scene) {
    scene.hand.advance(Duration::from_secs(1));
    scene.admin.look();
}

fn events(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| &*told.event).collect()
}

#[test]
fn a_stream_begins_with_how_it_stands_and_goes_on_with_what_changes() {
    let scene = Scene::new(10);
    let (pay, _quiet) = (scene.circuit("pay"), scene.circuit("quiet"));
    let mut reader = Reader::open(&scene, None);
    let first = reader.read().expect("open");
    assert_eq!(events(&first), ["snapshot"]);
    assert_eq!(first[0].data["summary"]["text"], "all 2 circuits closed");
    assert_eq!(first[0].data["circuits"][0]["spark"], json!([]));
    second(&scene);
    assert_eq!(events(&reader.read().expect("open")), ["update"]);

    trip(&pay);
    assert!(pay.admit().is_err() && pay.admit().is_err() && pay.admit().is_err());
    second(&scene);
    let told = reader.read().expect("open");
    assert_eq!(events(&told), ["log", "update"]);
    let change = &told[0].data;
    assert_eq!(
        (&change["circuit"], &change["from"], &change["to"]),
        (&json!("pay"), &json!("closed"), &json!("open"))
    );
    assert_eq!(change["cause"], "consecutive_failures 10 ≥ 10 (last: status 503 ×4)");
    let update = &told[1].data;
    assert_eq!((&update["seq"], &update["tick"]), (&change["seq"], &json!(true)));
    let rows = update["circuits"].as_array().expect("rows");
    assert_eq!(
        rows.iter().map(|row| &row["name"]).collect::<Vec<_>>(),
        ["pay"],
        "what has not changed is not told"
    );
    assert_eq!(rows[0]["last"], json!({ "ok": 0, "failed": 10, "rejected": 3 }));
    assert_eq!((&rows[0]["rejected_per_second"], &rows[0]["retry_after_ms"]), (&json!(3.0), &json!(29_000)));
    assert_eq!(rows[0]["marks"][0]["to"], "open");
    let text = update["summary"]["text"].as_str().expect("text");
    assert!(text.starts_with("1 of 2 circuits OPEN; 3 calls/s rejected; since "), "{text}");
}

#[test]
fn a_stream_is_resumed_without_losing_a_change() {
    let scene = Scene::new(10);
    let pay = scene.circuit("pay");
    let mut reader = Reader::open(&scene, None);
    trip(&pay);
    second(&scene);
    let last = reader.read().expect("open").pop().expect("an update").id;
    drop(reader);
    // While nobody reads, it recovers and trips again.
    scene.wait(30);
    scene.admin.look();
    (0..3).for_each(|_| pay.admit().expect("a probe").success());
    trip(&pay);
    second(&scene);
    let first = Reader::open(&scene, Some(&last)).read().expect("open");
    let missed = first[0].data["missed"].as_array().expect("a list");
    let changes: Vec<_> = missed.iter().map(|event| (event["from"].clone(), event["to"].clone())).collect();
    let expected = [("open", "half_open"), ("half_open", "closed"), ("closed", "open")];
    assert_eq!(changes, expected.map(|(from, to)| (json!(from), json!(to))));
    assert_eq!(first[0].data["lost"], 0);
    // Another run of the process counts anew: nothing can be said of what was missed.
    let first = Reader::open(&scene, Some("00000000-1")).read().expect("open");
    assert_eq!(first[0].data["missed"], json!([]));
}

#[test]
fn a_reader_that_does_not_read_is_dropped_and_nobody_else_notices() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    let (mut slow, mut quick) = (Reader::open(&scene, None), Reader::open(&scene, None));
    assert!(slow.read().is_some());
    for _ in 0..200 {
        second(&scene);
        assert!(quick.read().is_some());
    }
    assert!(slow.read().is_none(), "too far behind");
}

#[test]
fn there_is_an_end_to_readers_and_it_says_so() {
    let scene = Scene::new(10);
    let readers: Vec<_> = std::iter::from_fn(|| {
        let response = ask(&scene, None);
        (response.status() == 200).then(|| response.into_body())
    })
    .take(1_000)
    .collect();
    assert!(readers.len() < 1_000);
    let refused = ask(&scene, None);
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &HeaderValue::from_static("5"))
    );
    let body = block_on(refused.into_body().collect()).expect("infallible").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("as many streams of events"));
}

#[test]
fn a_history_tells_the_newest_first_with_holds_among_the_changes() {
    let scene = Scene::new(10);
    let pay = scene.circuit("pay");
    trip(&pay);
    pay.hold(fusebox::breaker::Mode::ForcedClosed, "ann", "they say it works");
    let told = scene.json("/history/pay?limit=2");
    let events = told["events"].as_array().expect("a list");
    assert_eq!(events.iter().map(|event| event["kind"].clone()).collect::<Vec<_>>(), ["transition", "held"]);
    assert_eq!((&events[1]["actor"], &events[1]["mode"]), (&json!("ann"), &json!("forced_closed")));
    assert_eq!(scene.json("/history/pay")["events"].as_array().map(Vec::len), Some(3));
    assert_eq!(scene.get("/history/pay?limit=many").status, 400);
    assert_eq!(scene.get("/history/nobody").status, 404);
    trip(&scene.circuit("other one"));
    let all = scene.json("/history?limit=2");
    assert_eq!(
        (&all["name"], &all["events"][0]["circuit"], &all["events"][1]["circuit"]),
        (&json!(null), &json!("other one"), &json!("pay"))
    );
    let held = scene.json("/overrides");
    assert_eq!(
        (&held["overrides"][0]["circuit"], &held["overrides"][0]["reason"]),
        (&json!("pay"), &json!("they say it works"))
    );
}

#[test]
fn the_rates_of_a_circuit_stand_with_it() {
    let scene = Scene::new(10);
    let pay = scene.circuit("pay");
    scene.admin.look();
    (0..40).for_each(|_| pay.admit().expect("closed").success());
    second(&scene);
    let told = scene.json("/circuits/pay");
    assert_eq!(told["calls_per_second"], 40.0);
    assert_eq!(told["spark"], json!([{ "ok": 40, "failed": 0, "rejected": 0 }]));
}

#[test]
fn a_history_that_is_kept_outlives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.jsonl");
    let first = Scene::new(10);
    first.admin.keep_history(&path).expect("a file");
    let pay = first.circuit("pay");
    trip(&pay);
    first.admin.look();
    let before = first.json("/history/pay")["events"].clone();
    // Killed in the middle of a line.
    let whole = std::fs::read(&path).expect("written");
    std::fs::write(&path, [&whole[..], b"{\"seq\":99"].concat()).expect("written");

    let second = Scene::new(10);
    second.admin.keep_history(&path).expect("a file");
    second.circuit("pay");
    assert_eq!(second.json("/history/pay")["events"], before);
    trip(&second.circuit("pay"));
    let events = second.json("/history/pay")["events"].clone();
    assert_eq!((&events[0]["seq"], &events[1]["seq"]), (&json!(2), &json!(1)));
    second.admin.look();
    assert_eq!(std::fs::read_to_string(&path).expect("a file").lines().count(), 2, "the torn line is gone");
    let nowhere = second.admin.keep_history(std::path::Path::new("/nowhere/history"));
    assert_eq!(nowhere.map_err(|error| error.kind()), Err(std::io::ErrorKind::NotFound));
}
