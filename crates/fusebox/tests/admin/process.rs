//! What is asked of the process around the interface.

use crate::scene::{Scene, ask, post, told};
use fusebox::admin::{Admin, Answer, ConfigShown, Controls, Level, Reloaded};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A process, and what it was told to do.
#[derive(Default)]
struct Process {
    drains: AtomicBool,
    broken: AtomicBool,
    did: Mutex<Vec<String>>,
}

impl Process {
    fn note(&self, what: String) {
        self.did.lock().expect("not poisoned").push(what);
    }

    fn did(&self) -> Vec<String> {
        std::mem::take(&mut *self.did.lock().expect("not poisoned"))
    }
}

impl Controls for Process {
    fn config(&self) -> Option<ConfigShown> {
        Some(ConfigShown { source: "fusebox.toml".into(), text: "key = \"***\"\n".into() })
    }

    fn reload(&self, dry_run: bool) -> Option<Result<Reloaded, Vec<String>>> {
        self.note(format!("reload, dry: {dry_run}"));
        if self.broken.load(Relaxed) {
            return Some(Err(vec!["line 1: wrong".into(), "line 2: wrong, too".into()]));
        }
        let restart_needed = vec!["listen".into()];
        Some(Ok(Reloaded { changed: vec!["service a is new".into()], restart_needed }))
    }

    fn drain(&self, drain: bool) -> Option<bool> {
        self.note(format!("drain {drain}"));
        self.drains.store(drain, Relaxed);
        Some(drain)
    }

    fn draining(&self) -> Option<bool> {
        Some(self.drains.load(Relaxed))
    }

    fn log_level(&self) -> Option<Level> {
        Some(Level::Info)
    }

    fn set_log_level(&self, level: Level) -> Option<Level> {
        self.note(format!("log {level}"));
        Some(level)
    }
}

fn process() -> (Admin, Arc<Process>) {
    let process = Arc::new(Process::default());
    (Scene::new(1).admin.with_controls(process.clone()), process)
}

fn order(admin: &Admin, target: &str, field: &str, value: impl Into<serde_json::Value>) -> Answer {
    let mut order = json!({ "actor": "ann", "reason": "a test" });
    order[field] = value.into();
    ask(admin, post(target, &order.to_string()))
}

#[test]
fn a_configuration_is_tried_first_and_then_put_in_force() {
    let (admin, process) = process();
    let changes = json!(["service a is new"]);
    let dry = told(&order(&admin, "/reload", "dry_run", true));
    assert_eq!(dry, json!({ "dry_run": true, "changed": changes, "restart_needed": ["listen"] }));
    assert_eq!(process.did(), ["reload, dry: true"]);
    let real = told(&order(&admin, "/reload", "dry_run", false));
    assert_eq!((&real["dry_run"], &real["changed"]), (&json!(false), &changes));
    assert_eq!(process.did(), ["reload, dry: true", "reload, dry: false"]);
    let trail = told(&admin.answer("GET", "/audit"));
    assert_eq!(
        (&trail["entries"][0]["result"], &trail["entries"][1]["result"]),
        (&json!("done"), &json!("dry_run"))
    );
    assert_eq!(trail["entries"][0]["after"]["changed"], changes);
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing_and_all_of_it_is_told() {
    let (admin, process) = process();
    process.broken.store(true, Relaxed);
    let answer = order(&admin, "/reload", "dry_run", false);
    assert_eq!(answer.status, 422);
    assert_eq!(told(&answer)["errors"], json!(["line 1: wrong", "line 2: wrong, too"]));
    assert_eq!(process.did(), ["reload, dry: true"]);
    assert_eq!(told(&admin.answer("GET", "/audit"))["entries"][0]["result"], "refused");
}

#[test]
fn a_process_is_drained_and_takes_calls_again() {
    let (admin, process) = process();
    for drain in [true, false] {
        assert_eq!(told(&order(&admin, "/drain", "drain", drain)), json!({ "draining": drain }));
        let line = told(&admin.answer("GET", "/audit"))["entries"][0].clone();
        assert_eq!(
            (&line["before"], &line["after"]),
            (&json!({ "draining": !drain }), &json!({ "draining": drain }))
        );
    }
    assert_eq!(process.did(), ["drain true", "drain false"]);
    assert_eq!(order(&admin, "/drain", "drain", "yes").status, 422);
    assert_eq!(order(&admin, "/drain", "reason", "nothing said").status, 422);
    assert!(process.did().is_empty());
}

#[test]
fn more_or_less_is_logged() {
    let (admin, process) = process();
    assert_eq!(told(&admin.answer("GET", "/log-level")), json!({ "level": "info" }));
    assert_eq!(told(&order(&admin, "/log-level", "level", "debug")), json!({ "level": "debug" }));
    assert_eq!(process.did(), ["log debug"]);
    let wrong = order(&admin, "/log-level", "level", "loud");
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.body.contains("level: found \\\"loud\\\", accepted: error, warn, info or debug"),
        "{}",
        wrong.body
    );
}

#[test]
fn the_configuration_in_force_is_shown() {
    let (admin, _) = process();
    let shown = told(&admin.answer("GET", "/config"));
    assert_eq!((&shown["source"], &shown["text"]), (&json!("fusebox.toml"), &json!("key = \"***\"\n")));
    assert!(shown["generated_at"].is_string());
}

#[test]
fn a_program_that_can_do_none_of_it_says_so() {
    let admin = Scene::new(1).admin;
    assert_eq!((admin.answer("GET", "/config").status, admin.answer("GET", "/log-level").status), (404, 501));
    for (target, field, value) in [
        ("/reload", "dry_run", json!(true)),
        ("/drain", "drain", json!(true)),
        ("/log-level", "level", json!("debug")),
    ] {
        assert_eq!(order(&admin, target, field, value).status, 501, "{target}");
    }
}
