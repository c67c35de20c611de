//! `fusebox audit` on trails that the library wrote, and on what somebody has made of them.

use super::child::{fusebox, text};
use fusebox::Registry;
use fusebox::admin::audit::Audit;
use fusebox::admin::{Admin, Asked, Peer};
use std::path::{Path, PathBuf};

/// A trail of three orders, the last of which is refused; its folder, its file and its head.
fn trail() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let registry = Registry::default();
    registry.circuit("pay");
    let audit = Audit::open(&path).expect("a new trail");
    let admin = Admin::new(registry).with_audit(audit.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (target, body) in [
        ("/overrides/pay", r#"{"action": "force_open", "actor": "ann", "reason": "window"}"#),
        ("/overrides/pay", r#"{"action": "release", "actor": "bob", "reason": "over"}"#),
        ("/overrides/none", r#"{"action": "reset", "actor": "bob", "reason": "try"}"#),
    ] {
        let (peer, json) = (Peer::Unix, Some("application/json"));
        let asked = Asked {
            method: "POST",
            target,
            body: body.as_bytes(),
            content_type: json,
            peer,
            ..Asked::default()
        };
        runtime.block_on(admin.respond(asked));
    }
    let head = audit.head();
    (folder, path, head)
}

fn audit(command: &str, file: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = fusebox("audit").arg(command).arg(file).args(more).output().expect("the program starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_trail_as_it_was_written_is_unbroken() {
    let (_folder, path, head) = trail();
    let expected = format!("unbroken: 3 entries\nhead {head}\n");
    assert_eq!(audit("verify", &path, &[]), (Some(0), expected.clone(), String::new()));
    assert_eq!(audit("verify", &path, &["--head", &head]), (Some(0), expected, String::new()));
    let (code, _, err) = audit("verify", &path, &["--head", "5f1c"]);
    assert!(code == Some(2) && err.contains("found \"5f1c\", accepted: 64 hexadecimal digits"), "{err}");
    let (code, _, err) = audit("verify", &path.with_extension("none"), &[]);
    assert!(code == Some(2) && err.contains("No such file"), "{err}");
}

#[test]
fn what_was_changed_taken_out_or_cut_off_is_found() {
    let (_folder, path, head) = trail();
    let whole = std::fs::read_to_string(&path).expect("a trail");
    let lines: Vec<_> = whole.lines().collect();
    let without_the_second = format!("{}\n{}\n", lines[0], lines[2]);
    for (made, line, words) in [
        (whole.replacen("ann", "eve", 1), 1, "edited"),
        (without_the_second, 2, "missing"),
        (whole.trim_end().to_owned(), 3, "torn"),
    ] {
        std::fs::write(&path, made).expect("written");
        let (code, out, err) = audit("verify", &path, &[]);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(
            err.contains(&format!("audit.jsonl:{line}: the trail is broken")) && err.contains(words),
            "{err}"
        );
    }
    let cut = format!("{}\n{}\n", lines[0], lines[1]);
    std::fs::write(&path, cut).expect("written");
    assert_eq!(audit("verify", &path, &[]).0, Some(0), "a shorter trail is a trail");
    let (code, _, err) = audit("verify", &path, &["--head", &head]);
    assert!(code == Some(1) && err.contains("the end is missing"), "{err}");
}

#[test]
fn a_trail_is_shown_the_latest_first() {
    let (_folder, path, _) = trail();
    let (code, out, err) = audit("show", &path, &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[1].starts_with("3 ") && lines[1].contains("refused 404"), "{out}");
    assert!(lines[2].contains("bob") && lines[2].contains("release") && lines[2].contains("over"), "{out}");
    assert!(
        lines[3].contains("ann") && lines[3].contains("force open") && lines[3].contains("window"),
        "{out}"
    );
    let (_, out, _) = audit("show", &path, &["--limit", "1", "--output", "json"]);
    assert!(out.starts_with("{\"seq\":3,") && out.lines().count() == 1, "{out}");
    std::fs::write(&path, "not a trail\n").expect("written");
    let (code, _, err) = audit("show", &path, &[]);
    assert!(code == Some(1) && err.contains("audit.jsonl:1: not an entry of a trail"), "{err}");
}
