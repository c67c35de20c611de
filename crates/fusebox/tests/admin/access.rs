//! Who may ask for what.

use crate::scene::{Scene, ask, header, post, told};
use bytes::Bytes;
use fusebox::admin::{Access, Admin, Asked, Controls, Level, Peer, Reloaded};
use fusebox_queue::{Limits, Memory};
use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use http::Request;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const READ: &str = "a-secret-for-reading";
const OPERATE: &str = "a-secret-for-operating";
const LOCAL: &str = "127.0.0.1";
const REMOTE: &str = "10.0.0.7";

/// A file of tokens, and the folder it is in.
struct Tokens(tempfile::TempDir);

impl Tokens {
    fn new() -> Tokens {
        let tokens = Tokens(tempfile::tempdir().expect("a folder"));
        tokens.write(&format!(
            "[[token]]\nname = \"rita\"\nscope = \"read\"\nsecret = \"{READ}\"\n\
             [[token]]\nname = \"otto\"\nscope = \"operate\"\nsha256 = \"{}\"\n",
            // printf %s a-secret-for-operating | sha256sum
            "f11bc4e1962731b5d9ed27fe1b85f3b75299e6a53daee38173393de6abab7974"
        ));
        tokens
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tokens.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("written");
        #[cfg(unix)]
        self.permit(0o600);
    }

    #[cfg(unix)]
    fn permit(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).expect("permitted");
    }

    fn access(&self) -> Access {
        Access::default().tokens(self.path()).expect("a file that can be used")
    }
}

/// A process that can do everything.
struct Capable;

impl Controls for Capable {
    fn reload(&self, _: bool) -> Option<Result<Reloaded, Vec<String>>> {
        Some(Ok(Reloaded::default()))
    }

    fn drain(&self, drain: bool) -> Option<bool> {
        Some(drain)
    }

    fn draining(&self) -> Option<bool> {
        Some(false)
    }

    fn log_level(&self) -> Option<Level> {
        Some(Level::Info)
    }

    fn set_log_level(&self, level: Level) -> Option<Level> {
        Some(level)
    }
}

fn capable(scene: &Scene) -> Admin {
    scene.circuit("pay");
    scene.admin.ready(true);
    let admin = scene.admin.clone().with_queue(Arc::new(Memory::new(Limits::default())));
    admin.with_controls(Arc::new(Capable))
}

fn address(peer: &str) -> Peer {
    Peer::Address(peer.parse().expect("an address"))
}

/// The status of a request, as a server would send it.
fn status(admin: &Admin, method: &str, path: &str, peer: Peer, token: Option<&str>) -> u16 {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    request = request.header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = Bytes::from_static(br#"{"actor":"ann","reason":"a test"}"#);
    block_on(admin.handle(request.body(body).expect("a request"), peer)).status().as_u16()
}

/// What everybody may do, what takes a look, what takes a hand: every path, with what fills its braces.
const OPEN: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/page/main.js"),
    ("GET", "/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
];
const LOOKS: &[(&str, &str)] = &[
    ("GET", "/circuits"),
    ("GET", "/circuits/pay"),
    ("GET", "/history"),
    ("GET", "/history/pay"),
    ("GET", "/latency/pay"),
    ("GET", "/failures/pay"),
    ("GET", "/events"),
    ("GET", "/overrides"),
    ("GET", "/pipelines"),
    ("GET", "/queue"),
    ("GET", "/queue/items"),
    ("GET", "/queue/items/1"),
    ("GET", "/queue/audit"),
    ("GET", "/config"),
    ("GET", "/log-level"),
    ("GET", "/whoami"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
];
const HANDS: &[(&str, &str)] = &[
    ("GET", "/audit"),
    ("POST", "/overrides/pay"),
    ("POST", "/queue/orders"),
    ("POST", "/reload"),
    ("POST", "/drain"),
    ("POST", "/log-level"),
];

#[test]
fn every_path_stands_in_one_of_the_three_lists() {
    let all: Vec<_> = [OPEN, LOOKS, HANDS].concat();
    for route in Admin::routes() {
        let filled = route.path.replace("{name}", "pay").replace("{id}", "1").replace("{file}", "main.js");
        let listed = |method| all.contains(&(method, filled.as_str()));
        assert_eq!(listed("GET"), route.read.is_some(), "GET {}", route.path);
        assert_eq!(listed("POST"), route.change, "POST {}", route.path);
    }
    let ways =
        Admin::routes().iter().map(|route| usize::from(route.read.is_some()) + usize::from(route.change));
    assert_eq!(
        ways.sum::<usize>() + 1,
        all.len(),
        "there is nothing at /nothing, and it is told only to who may look"
    );
}

#[test]
fn each_way_in_leads_as_far_as_it_may_and_no_further() {
    let tokens = Tokens::new();
    let peers = [address(LOCAL), address("::1"), address(REMOTE), Peer::Unknown, Peer::Unix];
    let credentials = [None, Some("a-wrong-secret-that-is-long"), Some(READ), Some(OPERATE)];
    let mut tried = 0;
    for file in [false, true] {
        let scene = Scene::new(10);
        let admin = capable(&scene);
        let admin = if file { admin.with_access(tokens.access()) } else { admin };
        for peer in peers {
            for token in credentials {
                let refusal = |need: &str| match (file, token, need) {
                    (_, _, "nothing") => None,
                    (false, _, "look") => None,
                    (false, _, _) => (!peer.is_local()).then_some(403),
                    (true, Some(READ), "look") | (true, Some(OPERATE), _) => None,
                    (true, Some(READ), _) => Some(403),
                    (true, ..) => Some(401),
                };
                for (need, list) in [("nothing", OPEN), ("look", LOOKS), ("hand", HANDS)] {
                    for (method, path) in list {
                        scene.wait(5);
                        let found = status(&admin, method, path, peer, token);
                        let found = [401, 403, 429].contains(&found).then_some(found);
                        assert_eq!(
                            found,
                            refusal(need),
                            "{method} {path} of {peer} with {token:?}, file: {file}"
                        );
                        tried += 1;
                    }
                }
            }
        }
    }
    assert_eq!(tried, 2 * 5 * 4 * (OPEN.len() + LOOKS.len() + HANDS.len()));
}

#[test]
fn who_is_on_this_machine_may_be_trusted_beside_tokens_unless_they_present_a_wrong_one() {
    let scene = Scene::new(10);
    let admin = capable(&scene).with_access(Tokens::new().access().local_is_trusted(true));
    // The folder is gone: without a token the file is not asked.
    let tries = |peer, token| status(&admin, "POST", "/drain", peer, token);
    assert_eq!(tries(Peer::Unix, None), 422);
    assert_eq!(tries(address(LOCAL), None), 422);
    assert_eq!((tries(address(REMOTE), None), tries(Peer::Unknown, None)), (401, 401));
    let tokens = Tokens::new();
    let admin = capable(&scene).with_access(tokens.access().local_is_trusted(true));
    assert_eq!(status(&admin, "POST", "/drain", Peer::Unix, Some("a-wrong-secret-that-is-long")), 401);
}

#[test]
fn who_asks_for_somebody_else_is_not_on_this_machine() {
    let scene = Scene::new(10);
    let admin = capable(&scene);
    for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "x-real-ip"] {
        let request = Request::post("/drain").header("host", "localhost").header(name, "203.0.113.9");
        let request = request.header("content-type", "application/json");
        let response =
            block_on(admin.handle(request.body(Bytes::from("{}")).expect("a request"), address(LOCAL)));
        assert_eq!(response.status(), 403, "{name}");
    }
}

#[test]
fn a_token_that_is_taken_out_of_the_file_is_out_at_once_and_a_broken_file_lets_nobody_in() {
    let (scene, tokens) = (Scene::new(10), Tokens::new());
    let admin = capable(&scene).with_access(tokens.access());
    let look = |token| status(&admin, "GET", "/circuits", address(REMOTE), Some(token));
    assert_eq!((look(READ), look(OPERATE)), (200, 200));
    tokens.write("[[token]]\nname = \"rita\"\nscope = \"read\"\nsecret = \"a-secret-for-reading\"\n");
    assert_eq!((look(READ), look(OPERATE)), (200, 401));
    tokens.write("[[token]\n");
    assert_eq!((look(READ), look(OPERATE)), (503, 503));
    fs::remove_file(tokens.path()).expect("removed");
    assert_eq!(look(READ), 503);
    tokens.write("[[token]]\nname = \"nina\"\nscope = \"read\"\nsecret = \"another-secret-for-reading\"\n");
    assert_eq!((look(READ), look("another-secret-for-reading")), (401, 200));
}

#[test]
fn a_stream_ends_with_the_token_that_opened_it() {
    let (scene, tokens) = (Scene::new(10), Tokens::new());
    let admin = capable(&scene).with_access(tokens.access());
    let request =
        Request::get("/events").header("host", "localhost").header("authorization", format!("Bearer {READ}"));
    let response = block_on(admin.handle(request.body(Bytes::new()).expect("a request"), address(REMOTE)));
    let mut stream = http_body_util::BodyStream::new(response.into_body());
    let mut second = || {
        scene.wait(1);
        admin.look();
        stream.next().now_or_never().map(|frame| frame.is_some())
    };
    assert_eq!((second(), second()), (Some(true), Some(true)));
    tokens.write("[[token]]\nname = \"nina\"\nscope = \"read\"\nsecret = \"another-secret-for-reading\"\n");
    assert_eq!(second(), Some(false), "the end");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_the_reason_and_without_a_secret() {
    let tokens = Tokens::new();
    let token = |fields: &str| format!("[[token]]\n{fields}\n");
    let good = "name = \"a\"\nscope = \"read\"\nsecret = \"sixteen-letters-x\"";
    for (text, words) in [
        (String::new(), "it holds no token"),
        ("token = 1".into(), "it holds no token"),
        ("tokens = []".into(), "found \"tokens\", accepted: [[token]] tables"),
        ("\n[[token]]\nsecret = \"sixteen-letters-x".into(), "line 3: this is no TOML"),
        (
            token("name = \"a\"\nscope = \"read\"\nsecret = \"short-x\""),
            "secret: found 7 characters, accepted: 16 or more",
        ),
        (token("name = \"a\"\nscope = \"read\"\nsecret = \"sixteen letters x\""), "no spaces"),
        (token("name = \"a\"\nscope = \"read\"\nsecret = 1234567890123456"), "secret: accepted: text"),
        (
            token("name = \"a\"\nscope = \"read\"\nsha256 = \"sixteen-letters-x\""),
            "sha256: accepted: 64 hexadecimal digits",
        ),
        (token("name = \"a\"\nscope = \"read\""), "either secret or sha256"),
        (token(&format!("{good}\nsha256 = \"00\"")), "either secret or sha256"),
        (token(&format!("{good}\nadmin = true")), "found \"admin\", accepted: name, scope"),
        (
            token("name = \"a\"\nscope = \"root\"\nsecret = \"sixteen-letters-x\""),
            "scope: found \"root\", accepted: \"read\"",
        ),
        (token("scope = \"read\"\nsecret = \"sixteen-letters-x\""), "name: found \"\""),
        (token("name = \"a (token b)\"\nscope = \"read\"\nsecret = \"sixteen-letters-x\""), "name: found"),
        (token(good) + &token(&good.replace("letters", "figures")), "token 2: name: another has the same"),
        (token(good) + &token(&good.replace("\"a\"", "\"b\"")), "token 2: secret: another has the same"),
    ] {
        tokens.write(&text);
        let refused = Access::default().tokens(tokens.path()).expect_err(&text).to_string();
        assert!(refused.contains(words), "{text}: {refused}");
        assert!(refused.contains("tokens.toml"), "{refused}");
        for secret in ["sixteen-letters-x", "sixteen letters x", "short-x", "1234567890123456"] {
            assert!(!refused.contains(secret), "{refused}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused() {
    let tokens = Tokens::new();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        tokens.permit(mode);
        let refused = Access::default().tokens(tokens.path()).expect_err("too open").to_string();
        assert!(refused.contains(&format!("permissions: found {mode:o}")), "{refused}");
    }
    tokens.permit(0o400);
    assert!(Access::default().tokens(tokens.path()).is_ok());
}

#[test]
fn refusals_say_how_to_come_in() {
    let (scene, tokens) = (Scene::new(10), Tokens::new());
    let admin = capable(&scene).with_access(tokens.access());
    let asked = Asked { peer: address(REMOTE), ..post("/drain", "{}") };
    let none = ask(&admin, asked);
    assert_eq!((none.status, header(&none, "www-authenticate")), (401, Some("Bearer realm=\"fusebox\"")));
    for wrong in ["Bearer a-wrong-secret-that-is-long", "Basic b3R0bzp4", "Bearer", "Bearer ", "?", ""] {
        let wrong = ask(&admin, Asked { authorization: Some(wrong), ..asked });
        let challenge = header(&wrong, "www-authenticate").expect("a challenge");
        assert_eq!((wrong.status, challenge), (401, "Bearer realm=\"fusebox\", error=\"invalid_token\""));
    }
    let read = format!("bearer {READ}");
    let small = ask(&admin, Asked { authorization: Some(&read), ..asked });
    assert_eq!(small.status, 403);
    assert!(header(&small, "www-authenticate").is_some_and(|it| it.contains("insufficient_scope")));
    assert!(small.body.contains("found read, accepted: operate"), "{}", small.body);
    let foreign = ask(&admin, Asked { host: Some("fusebox.internal"), ..asked });
    assert_eq!(foreign.status, 403);
    assert!(foreign.body.contains("admin.hosts"), "{}", foreign.body);
}

#[test]
fn a_foreign_name_reads_nothing_but_whether_the_process_is_there() {
    let scene = Scene::new(10);
    let admin = capable(&scene);
    for route in Admin::routes() {
        let path = route.path.replace("{name}", "pay").replace("{id}", "1").replace("{file}", "main.js");
        for method in ["GET", "POST"] {
            let request = Request::builder().method(method).uri(&*path).header("host", "evil.test:9900");
            let response = block_on(admin.handle(request.body(Bytes::new()).expect("a request"), Peer::Unix));
            let is_health = ["/healthz", "/readyz"].contains(&&*path);
            assert_eq!(response.status() == 403, !is_health, "{method} {path}");
        }
    }
    let named = admin.with_access(Access::default().host("evil.test"));
    assert_eq!(ask(&named, Asked { host: Some("evil.test:9900"), ..post("/whoami", "") }).status, 405);
}

#[test]
fn two_hosts_are_none() {
    let scene = Scene::new(10);
    let request = Request::get("/circuits").header("host", "localhost").header("host", "evil.test");
    let response = block_on(scene.admin.handle(request.body(Bytes::new()).expect("a request"), Peer::Unix));
    assert_eq!(response.status(), 403);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let scene = Scene::new(10);
    let request = |peer| Asked { method: "GET", peer, ..post("/whoami", "") };
    let mut refused = None;
    for n in 0..1_000 {
        let answer = ask(&scene.admin, request(address(REMOTE)));
        if answer.status == 429 {
            refused = Some((n, answer));
            break;
        }
    }
    let (n, answer) = refused.expect("there is an end");
    assert_eq!((n, header(&answer, "retry-after")), (400, Some("1")));
    assert_eq!(ask(&scene.admin, request(Peer::Unix)).status, 200, "somebody else is not concerned");
    assert_eq!(ask(&scene.admin, Asked { target: "/healthz", ..request(address(REMOTE)) }).status, 200);
    scene.wait(1);
    assert_eq!(ask(&scene.admin, request(address(REMOTE))).status, 200);
}

#[test]
fn wrong_tokens_run_out_and_right_ones_do_not() {
    let (scene, tokens) = (Scene::new(10), Tokens::new());
    let admin = capable(&scene).with_access(tokens.access());
    let look = |token: &str| status(&admin, "GET", "/whoami", address(REMOTE), Some(token));
    for _ in 0..50 {
        assert_eq!(look(READ), 200);
    }
    let wrong: Vec<_> = (0..12).map(|n| look(&format!("a-wrong-secret-{n:04}"))).collect();
    assert_eq!(wrong, [vec![401; 10], vec![429; 2]].concat());
    assert_eq!(look(READ), 429, "whether a guess is right is not told either");
    scene.hand.advance(Duration::from_secs(2));
    assert_eq!(look(READ), 200);
}

#[test]
fn a_caller_is_told_who_they_are() {
    let (scene, tokens) = (Scene::new(10), Tokens::new());
    let who = |admin: &Admin, peer, token: Option<&str>| {
        let asked = Asked { method: "GET", peer, authorization: token, ..post("/whoami", "") };
        let told = told(&ask(admin, asked));
        [told["name"].clone(), told["scope"].clone(), told["authentication"].clone()]
    };
    let open = scene.admin.clone();
    assert_eq!(who(&open, Peer::Unix, None), [json!(null), json!("operate"), json!("none")]);
    assert_eq!(who(&open, address(REMOTE), None), [json!(null), json!("read"), json!("none")]);
    let closed = open.with_access(tokens.access());
    let bearer = format!("Bearer {READ}");
    assert_eq!(who(&closed, Peer::Unix, Some(&bearer)), [json!("rita"), json!("read"), json!("token")]);
}

#[test]
fn a_request_keeps_its_id() {
    let scene = Scene::new(10);
    let asked = Asked { request_id: Some("deploy-17"), ..post("/overrides/pay", "{}") };
    let answer = ask(&scene.admin, asked);
    assert_eq!(
        (header(&answer, "x-request-id"), &told(&answer)["request_id"]),
        (Some("deploy-17"), &json!("deploy-17"))
    );
    assert_eq!(told(&scene.get("/audit"))["entries"][0]["request_id"], "deploy-17");
    let fine = ask(&scene.admin, Asked { method: "GET", request_id: Some("a\nb"), ..post("/whoami", "") });
    assert!(header(&fine, "x-request-id").is_some_and(|id| id.len() == 16));
}
