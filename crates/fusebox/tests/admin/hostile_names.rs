//! Names from user input stay text wherever they are told.

use crate::scene::Scene;

const NAME: &str = "<img onerror=…>\"\n";

#[test]
fn a_hostile_name_is_one_escaped_label() {
    let scene = Scene::new(10);
    scene.circuit(NAME);
    let body = scene.get("/metrics").body;
    let label =
        r#"circuit_breaker_state{circuit_name="<img onerror=…>\"\n",service="<img onerror=…>\"\n"} 0"#;
    assert_eq!(body.lines().filter(|line| *line == label).count(), 1, "{body}");
    for line in body.lines() {
        assert!(
            line.starts_with("# ") || line.starts_with("circuit_breaker_") || line.starts_with("fusebox_")
        );
    }
}

#[test]
fn a_hostile_name_is_one_json_string() {
    let scene = Scene::new(10);
    scene.circuit(NAME);
    let all = scene.json("/circuits");
    assert_eq!(all["circuits"][0]["name"], NAME);
    let one = scene.json("/circuits/%3Cimg%20onerror=%E2%80%A6%3E%22%0A");
    assert_eq!((&one["name"], &one["service"]), (&NAME.into(), &NAME.into()));
}

#[test]
fn a_name_that_is_not_there_is_quoted_in_json_only() {
    let answer = Scene::new(10).get("/circuits/%3Cscript%3E%22%0A");
    assert_eq!((answer.status, answer.content_type), (404, "application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(problem["detail"], "there is no circuit named '<script>\"\n'; /circuits lists them");
}
