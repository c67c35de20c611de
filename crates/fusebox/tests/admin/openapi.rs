//! What the interface says of itself is what it does.

use crate::scene::{Scene, post, queues_replayed, trip};
use boon::{Compiler, SchemaIndex, Schemas};
use bytes::Bytes;
use fusebox::admin::{Access, Admin, Asked, Body, ConfigShown, Controls, Level, Peer, Reloaded};
use fusebox::breaker::Mode;
use fusebox::telemetry::Subjects;
use fusebox_queue::{Limits, Memory, NewItem, QueueStore};
use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const PLACE: &str = "http://localhost/openapi.json";

fn document() -> Value {
    let answer = Scene::new(1).get("/openapi.json");
    assert_eq!(answer.content_type, "application/json");
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The document's schemas.
struct Document(Value, Schemas, Compiler);

impl Document {
    fn new() -> Document {
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource(PLACE, document()).expect("JSON");
        Document(document(), Schemas::new(), compiler)
    }

    fn schema(&mut self, pointer: &str) -> SchemaIndex {
        let place = format!("{PLACE}#{pointer}");
        self.2.compile(&place, &mut self.1).unwrap_or_else(|error| panic!("{pointer}: {error:#}"))
    }

    /// Whether `value` is what stands at `pointer`.
    fn check(&mut self, pointer: &str, value: &Value, of: &str) {
        let schema = self.schema(pointer);
        if let Err(error) = self.1.validate(value, schema) {
            panic!("{of}: {error}\nin {value:#}");
        }
    }

    fn check_named(&mut self, name: &str, value: &Value) {
        self.check(&format!("/components/schemas/{name}"), value, name);
    }

    /// Where the document describes this answer; the answer is looked for by its status and its content type.
    fn answer(&self, method: &str, path: &str, status: u16, kind: &str) -> String {
        let escaped = path.replace('/', "~1");
        let mut pointer = format!("/paths/{escaped}/{}/responses/{status}", method.to_lowercase());
        let described = self.0.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is not described"));
        if let Some(elsewhere) = described["$ref"].as_str() {
            pointer = elsewhere.trim_start_matches('#').into();
        }
        let kind = kind.split(';').next().unwrap_or_default().replace('/', "~1");
        let schema = format!("{pointer}/content/{kind}/schema");
        assert!(self.0.pointer(&schema).is_some(), "{schema} is not described");
        schema
    }
}

#[test]
fn every_path_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, ways)| {
            ways.as_object().expect("ways").keys().map(move |way| format!("{way} {path}"))
        })
        .collect();
    let there: BTreeSet<_> = Admin::routes()
        .iter()
        .flat_map(|route| {
            let read = route.read.map(|_| format!("get {}", route.path));
            read.into_iter().chain(route.change.then(|| format!("post {}", route.path)))
        })
        .collect();
    assert_eq!(described, there);
}

#[test]
fn what_takes_no_token_is_said_to_take_none() {
    let document = document();
    for route in Admin::routes().iter().filter(|route| route.read.is_some()) {
        let described = &document["paths"][route.path]["get"]["security"];
        let open = described.as_array().is_some_and(Vec::is_empty);
        assert_eq!(open, route.read == Some(None), "{}", route.path);
    }
}

#[test]
fn each_schema_is_one_and_each_example_is_an_example() {
    let mut document = Document::new();
    let names: Vec<_> =
        document.0["components"]["schemas"].as_object().expect("schemas").keys().cloned().collect();
    for name in names {
        document.schema(&format!("/components/schemas/{name}"));
    }
    let mut found = Vec::new();
    examples(&document.0, String::new(), &mut found);
    assert!(found.len() > 8, "{}", found.len());
    for (pointer, example) in found {
        document.check(&format!("{pointer}/schema"), &example, &pointer);
    }
}

/// Every example beside a schema, and where.
fn examples(value: &Value, pointer: String, found: &mut Vec<(String, Value)>) {
    if let (Some(example), Some(_)) = (value.get("example"), value.get("schema")) {
        found.push((pointer.clone(), example.clone()));
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D");
            examples(value, format!("{pointer}/{name}"), found);
        }),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .for_each(|(index, value)| examples(value, format!("{pointer}/{index}"), found)),
        _ => {}
    }
}

/// A process that can do everything but read a broken configuration.
struct Capable;

impl Controls for Capable {
    fn config(&self) -> Option<ConfigShown> {
        Some(ConfigShown { source: "fusebox.toml".into(), text: String::new() })
    }

    fn reload(&self, dry_run: bool) -> Option<Result<Reloaded, Vec<String>>> {
        let changed = vec!["service a is new".into()];
        Some(if dry_run {
            Ok(Reloaded { changed, ..Reloaded::default() })
        } else {
            Err(vec!["line 1".into()])
        })
    }

    fn drain(&self, drain: bool) -> Option<bool> {
        Some(drain)
    }

    fn draining(&self) -> Option<bool> {
        Some(false)
    }

    fn log_level(&self) -> Option<Level> {
        Some(Level::Warn)
    }

    fn set_log_level(&self, level: Level) -> Option<Level> {
        Some(level)
    }
}

/// Circuits in every state and under every hold, pipelines with every policy, calls in a queue.
fn busy() -> (Scene, Admin) {
    let scene = Scene::new(100);
    for (name, mode) in [
        ("forced", Mode::ForcedOpen),
        ("closed", Mode::ForcedClosed),
        ("off", Mode::Disabled),
        ("shadow", Mode::Shadow),
    ] {
        scene.circuit(name).hold(mode, "ann", "a test");
    }
    trip(&scene.circuit("probes"));
    scene.wait(30);
    trip(&scene.circuit("pay"));
    scene.circuit("quiet");
    scene.admin.look();
    scene.wait(1);
    scene.admin.look();
    let store = Memory::new(Limits::default());
    let items = [("payments", "a"), ("payments", "b"), ("elsewhere", "c")];
    let items = items.map(|(queue, key)| NewItem::new(queue, key, "the call"));
    block_on(store.enqueue(items.to_vec())).expect("kept");
    let pipeline = Arc::new(fusebox::pipeline::Pipeline::new(scene.every_policy()));
    let queues = vec![queues_replayed(["payments"])];
    let subjects = Subjects { pipelines: vec![("pay".into(), pipeline)], queues, ..Subjects::default() };
    let admin =
        scene.admin.clone().with(subjects).with_queue(Arc::new(store)).with_controls(Arc::new(Capable));
    (scene, admin)
}

fn handle(admin: &Admin, asked: Asked<'_>, more: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(asked.method).uri(asked.target).header("host", "localhost");
    request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    if let Some(kind) = asked.content_type {
        request = request.header("content-type", kind);
    }
    let body = Bytes::copy_from_slice(asked.body);
    block_on(admin.handle(request.body(body).expect("a request"), asked.peer))
}

/// The status of the answer, which is as it is described.
fn checked(
    document: &mut Document,
    admin: &Admin,
    asked: Asked<'_>,
    path: &str,
    more: &[(&str, &str)],
) -> u16 {
    let response = handle(admin, asked, more);
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(response.headers().contains_key("x-request-id"));
    let body = block_on(response.into_body().collect()).expect("infallible").to_bytes();
    let value = match kind.as_str() {
        "application/json" | "application/problem+json" => serde_json::from_slice(&body).expect("JSON"),
        _ => Value::String(String::from_utf8(body.to_vec()).expect("text")),
    };
    let schema = document.answer(asked.method, path, status, &kind);
    let of = format!("{} {} {status}", asked.method, asked.target);
    document.check(&schema.replace('{', "%7B").replace('}', "%7D"), &value, &of);
    status
}

#[test]
fn what_is_read_is_as_it_is_described() {
    let (_scene, admin) = busy();
    admin.ready(true);
    let mut document = Document::new();
    // Something for the trail to tell.
    let order = json!({ "action": "reset", "actor": "ann", "reason": "a test" }).to_string();
    handle(&admin, post("/overrides/quiet", &order), &[]);
    handle(&admin, post("/overrides/nobody", &order), &[]);
    for route in Admin::routes().iter().filter(|route| route.read.is_some() && route.path != "/events") {
        let names: &[&str] = match route.path.split_once('{') {
            None => &[""],
            Some((_, "id}")) => &["1", "2"],
            Some((_, "file}")) => &["main.js", "base.css"],
            Some(_) => &["pay", "probes", "forced", "closed", "off", "shadow", "quiet"],
        };
        for name in names {
            let target = route.path.replace("{name}", name).replace("{id}", name).replace("{file}", name);
            let asked = Asked { method: "GET", ..post(&target, "") };
            assert_eq!(checked(&mut document, &admin, asked, route.path, &[]), 200, "{target}");
        }
        if route.path.contains('{') {
            let target =
                route.path.replace("{name}", "nobody").replace("{id}", "99").replace("{file}", "none.js");
            let asked = Asked { method: "GET", ..post(&target, "") };
            assert_eq!(checked(&mut document, &admin, asked, route.path, &[]), 404, "{target}");
        }
    }
}

#[test]
fn what_is_ordered_is_as_it_is_described_and_so_is_every_refusal() {
    let (scene, admin) = busy();
    let mut document = Document::new();
    let with = |fields: Value| {
        let mut order = json!({ "actor": "ann", "reason": "a test" });
        fields.as_object().expect("fields").iter().for_each(|(name, value)| order[name] = value.clone());
        order.to_string()
    };
    let unknown = with(json!({ "more": 1 }));
    let long = format!("\"{}\"", "x".repeat(600));
    let orders = [
        ("/overrides/{name}", "OverrideOrder", with(json!({ "action": "force_open", "ttl_seconds": 60 }))),
        ("/overrides/{name}", "OverrideOrder", with(json!({ "action": "release", "dry_run": true }))),
        ("/reload", "ReloadOrder", with(json!({ "dry_run": true }))),
        ("/drain", "DrainOrder", with(json!({ "drain": true }))),
        ("/log-level", "LogLevelOrder", with(json!({ "level": "debug" }))),
        ("/queue/orders", "QueueOrder", with(json!({ "act": "bury", "filter": { "key": "a" } }))),
    ];
    for (path, schema, order) in orders {
        document.check_named(schema, &serde_json::from_str(&order).expect("JSON"));
        let target = path.replace("{name}", "pay");
        let asked = post(&target, &order);
        let mut status = |asked, more: &[(&str, &str)]| checked(&mut document, &admin, asked, path, more);
        assert_eq!(status(asked, &[]), 200, "{path}");
        assert_eq!(status(post(&target, "{"), &[]), 400);
        assert_eq!(status(Asked { peer: Peer::Unknown, ..asked }, &[]), 403);
        assert_eq!(status(Asked { content_type: None, ..asked }, &[]), 415);
        if path != "/queue/orders" {
            assert_eq!(status(post(&target, &unknown), &[]), 422);
            assert_eq!(status(post(&target, &long), &[]), 422);
        }
        if path == "/overrides/{name}" {
            assert_eq!(status(post("/overrides/nobody", &order), &[]), 404);
            assert_eq!(status(asked, &[("if-match", "\"x\"")]), 412);
        }
    }
    let broken = checked(&mut document, &admin, post("/reload", &with(json!({}))), "/reload", &[]);
    assert_eq!(broken, 422, "the errors of a configuration");
    let bare = scene.admin.clone();
    for (path, fields) in [("/reload", json!({})), ("/drain", json!({ "drain": true }))] {
        assert_eq!(checked(&mut document, &bare, post(path, &with(fields)), path, &[]), 501);
    }
    let asked = Asked { method: "GET", peer: Peer::Unknown, ..post("/whoami", "") };
    while checked(&mut document, &admin, asked, "/whoami", &[]) == 200 {}
    assert_eq!(checked(&mut document, &admin, asked, "/whoami", &[]), 429);
}

#[test]
fn who_has_no_token_is_refused_as_it_is_described() {
    let (_scene, admin) = busy();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    std::fs::write(&path, "[[token]]\nname = \"a\"\nscope = \"read\"\nsecret = \"a-secret-for-reading\"\n")
        .expect("written");
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permitted");
    let admin = admin.with_access(Access::default().tokens(&path).expect("a file of tokens"));
    let mut document = Document::new();
    for route in Admin::routes() {
        let target = route.path.replace("{name}", "pay").replace("{id}", "1");
        if route.read.is_some_and(|scope| scope.is_some()) {
            let asked = Asked { method: "GET", ..post(&target, "") };
            assert_eq!(checked(&mut document, &admin, asked, route.path, &[]), 401, "{target}");
        }
        if route.change {
            let token = [("authorization", "Bearer a-secret-for-reading")];
            assert_eq!(
                checked(&mut document, &admin, post(&target, "{}"), route.path, &token),
                403,
                "{target}"
            );
        }
    }
}

#[test]
fn what_a_stream_tells_is_as_it_is_described() {
    let (scene, admin) = busy();
    let mut document = Document::new();
    let response = handle(&admin, Asked { method: "GET", ..post("/events", "") }, &[]);
    let mut stream = http_body_util::BodyStream::new(response.into_body());
    let circuit = scene.circuit("quiet");
    circuit.hold(Mode::ForcedOpen, "ann", "a test");
    circuit.release();
    trip(&circuit);
    scene.wait(1);
    admin.look();
    let mut told = String::new();
    while let Some(Some(frame)) = stream.next().now_or_never() {
        let data = frame.expect("infallible").into_data().expect("data");
        told.push_str(std::str::from_utf8(&data).expect("text"));
    }
    let mut kinds = BTreeSet::new();
    for block in told.split_terminator("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let data = serde_json::from_str(field("data: ")).expect("JSON");
        let (kind, schema) = match field("event: ") {
            "snapshot" => ("snapshot", "SnapshotEvent"),
            "update" => ("update", "UpdateEvent"),
            "log" => ("log", "LogEvent"),
            other => panic!("{other} is not described"),
        };
        document.check_named(schema, &data);
        kinds.insert(kind);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["log", "snapshot", "update"]);
}
