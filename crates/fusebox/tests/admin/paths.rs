//! Which paths and methods there are.

use crate::scene::Scene;
use serde_json::Value;

#[test]
fn the_process_is_alive_always_and_ready_when_it_says_so() {
    let scene = Scene::new(1);
    let clone = scene.admin.clone().with(fusebox::telemetry::Subjects::default());
    let ready = || (scene.get("/healthz").status, scene.get("/readyz").status);
    assert_eq!(ready(), (200, 503));
    clone.ready(true);
    assert_eq!(ready(), (200, 200));
    clone.ready(false);
    assert_eq!(ready(), (200, 503));
}

#[test]
fn the_index_names_every_path_and_each_answers() {
    let scene = Scene::new(1);
    scene.admin.ready(true);
    let index = scene.get("/");
    assert_eq!((index.status, index.content_type), (200, "text/plain; charset=utf-8"));
    for path in ["/circuits", "/pipelines", "/metrics", "/healthz", "/readyz"] {
        assert!(index.body.contains(path), "{path}");
        assert_eq!(scene.get(path).status, 200, "{path}");
        assert_eq!(scene.get(&format!("{path}?query")).status, 200, "{path}");
    }
}

#[test]
fn head_is_answered_as_get() {
    let scene = Scene::new(1);
    assert_eq!(scene.admin.answer("HEAD", "/healthz"), scene.get("/healthz"));
}

#[test]
fn other_methods_are_refused_with_those_there_are() {
    let scene = Scene::new(1);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
        let answer = scene.admin.answer(method, "/circuits");
        assert_eq!((answer.status, answer.allow), (405, Some("GET, HEAD")), "{method}");
        assert_eq!(problem(&answer.body)["status"], 405);
    }
}

#[test]
fn an_unknown_path_is_told_what_there_is() {
    let scene = Scene::new(1);
    for path in ["/nothing", "", "circuits", "/metrics/", "/circuits/", "/circuits/%ff", "*"] {
        let answer = scene.get(path);
        assert_eq!((answer.status, answer.content_type), (404, "application/problem+json"), "{path}");
        let problem = problem(&answer.body);
        assert_eq!((&problem["title"], &problem["status"]), (&"Not Found".into(), &404.into()));
        let paths = problem["paths"].as_array().expect("a list");
        assert!(paths.contains(&"/metrics".into()) && paths.contains(&"/circuits".into()));
    }
}

fn problem(body: &str) -> Value {
    serde_json::from_str(body).expect("JSON")
}
