//! The trail of what operators did.

use crate::scene::{Scene, ask, post, told};
use fusebox::admin::audit::{Audit, Broken, verify};
use fusebox::admin::{Access, Admin, Asked, Peer};
use fusebox::breaker::State;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn trail(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.trail()).expect("there");
        text.lines().map(str::to_owned).collect()
    }
}

fn send(admin: &Admin, action: &str) -> u16 {
    let order = json!({ "action": action, "actor": "ann", "reason": "maintenance" }).to_string();
    ask(admin, post("/overrides/pay", &order)).status
}

fn checked(path: &Path, head: Option<&str>) -> Result<u64, Broken> {
    let file = fs::File::open(path).expect("there");
    verify(BufReader::new(file), head).map(|verified| verified.entries)
}

#[test]
fn a_line_says_who_did_what_to_what_when_why_and_how_it_stood() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    assert_eq!(send(&admin, "force_open"), 200);
    let trail = told(&admin.answer("GET", "/audit"));
    let entry = &trail["entries"][0];
    let line: Value = serde_json::from_str(&folder.lines()[0]).expect("JSON");
    assert_eq!(entry, &line, "what is told is what is in the file");
    for (field, expected) in [
        ("seq", json!(1)),
        ("actor", json!("ann")),
        ("peer", json!("unix")),
        ("scope", json!("operate")),
        ("action", json!("force_open")),
        ("target", json!("pay")),
        ("reason", json!("maintenance")),
        ("before", json!({ "state": "closed", "revision": "0", "hold": null })),
        ("status", json!(200)),
        ("result", json!("done")),
        ("detail", json!(null)),
        ("previous", json!("0".repeat(64))),
    ] {
        assert_eq!(line[field], expected, "{field}");
    }
    assert_eq!((&line["after"]["state"], &line["after"]["hold"]["actor"]), (&json!("open"), &json!("ann")));
    assert!(line["expires_at"].as_str().is_some_and(|date| date.ends_with('Z')));
    assert_eq!(trail["head"], line["hash"]);
}

#[test]
fn the_hash_is_taken_over_the_one_before_and_the_line_without_it() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    send(&admin, "force_open");
    send(&admin, "release");
    let mut previous = "0".repeat(64);
    for line in folder.lines() {
        let (canonical, rest) = line.rsplit_once(",\"hash\":\"").expect("the last field");
        let digest = Sha256::digest(format!("{previous}{canonical}}}"));
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(rest, format!("{hash}\"}}"));
        previous = hash;
    }
    assert_eq!(
        admin.answer("GET", "/audit").body.matches(&previous).count(),
        2,
        "as the hash and as the head"
    );
}

#[test]
fn dry_runs_and_refused_attempts_are_written_down_too() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    let dry = json!({ "action": "reset", "actor": "ann", "reason": "a look", "dry_run": true }).to_string();
    let body = json!({ "action": "reset", "actor": "eve", "reason": "mischief" }).to_string();
    let order = |asked| ask(&scene.admin, asked).status;
    assert_eq!(order(post("/overrides/pay", &dry)), 200);
    assert_eq!(order(post("/overrides/nobody", &body)), 404);
    assert_eq!(order(Asked { if_match: Some("\"9\""), ..post("/overrides/pay", &body) }), 412);
    assert_eq!(order(post("/overrides/pay", r#"{"action":"explode","actor":"eve","reason":"x"}"#)), 422);
    assert_eq!(order(Asked { peer: Peer::Unknown, ..post("/overrides/pay", &body) }), 403);
    assert_eq!(order(Asked { origin: Some("http://evil.test"), ..post("/overrides/pay", &body) }), 403);
    assert_eq!(order(post("/reload", r#"{"actor":"eve","reason":"x"}"#)), 501);
    // Looks and what is no change leave nothing.
    assert_eq!(order(Asked { method: "GET", ..post("/circuits/nobody", "") }), 404);
    assert_eq!(order(post("/circuits", "{}")), 405);
    let trail = told(&scene.get("/audit"));
    let entries = trail["entries"].as_array().expect("a list");
    let told: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}",
                text("result"),
                entry["status"],
                text("action"),
                text("target"),
                text("actor")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "dry_run 200 reset pay ann",
            "refused 404 reset nobody eve",
            "refused 412 reset pay eve",
            "refused 422 override pay eve",
            "refused 403 override - -",
            "refused 403 override - -",
            "refused 501 reload - eve",
        ]
    );
    assert!(entries[1]["detail"].as_str().is_some_and(|why| why.contains("evil.test")));
}

#[test]
fn the_name_of_the_token_stands_beside_what_its_bearer_says() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let path = folder.0.path().join("tokens.toml");
    fs::write(
        &path,
        "[[token]]\nname = \"otto\"\nscope = \"operate\"\nsecret = \"a-secret-for-operating\"\n",
    )
    .expect("written");
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permitted");
    let admin = scene.admin.clone().with_access(Access::default().tokens(&path).expect("a file of tokens"));
    for (actor, written) in
        [(json!(null), "otto"), (json!("otto"), "otto"), (json!("ann"), "ann (token otto)")]
    {
        let order = json!({ "action": "shadow", "actor": actor, "reason": "a test" }).to_string();
        let token = Some("Bearer a-secret-for-operating");
        let answer = ask(&admin, Asked { authorization: token, ..post("/overrides/pay", &order) });
        assert_eq!(told(&answer)["after"]["hold"]["actor"], written, "{}", answer.body);
        assert_eq!(told(&admin.answer("GET", "/audit"))["entries"][0]["actor"], written);
    }
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    let circuit = scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    assert_eq!(send(&admin, "shadow"), 200);
    let mut other = fs::OpenOptions::new().append(true).open(folder.trail()).expect("there");
    other.write_all(b"{}\n").expect("written");
    assert_eq!(send(&admin, "force_open"), 503);
    assert_eq!(circuit.state(), State::Closed);
    fs::remove_file(folder.trail()).expect("removed");
    assert_eq!(send(&admin, "force_open"), 503);
    assert_eq!(
        (circuit.state(), told(&admin.answer("GET", "/overrides"))["overrides"][0]["mode"].clone()),
        (State::Closed, json!("shadow"))
    );
}

/// Runs itself with a limit on how long files may become, as a disk has one.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_refuses_orders_and_keeps_the_chain_whole() {
    const NAME: &str = "audit::a_disk_that_is_full_refuses_orders_and_keeps_the_chain_whole";
    if std::env::var_os("FUSEBOX_SMALL_DISK").is_none() {
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
        limited.arg(std::env::current_exe().expect("known")).args([NAME, "--exact", "--nocapture"]);
        let output = limited.env("FUSEBOX_SMALL_DISK", "1").output().expect("sh is there");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let (scene, folder) = (Scene::new(10), Folder::new());
    let circuit = scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    let fits = (0..100).take_while(|n| send(&admin, ["shadow", "release"][n % 2]) == 200).count() as u64;
    assert!((2..100).contains(&fits), "{fits}");
    assert_eq!(send(&admin, "force_open"), 503);
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(checked(&folder.trail(), None), Ok(fits));
    drop(admin);
    assert_eq!(Audit::open(folder.trail()).expect("whole").mended(), None);
}

#[test]
fn a_trail_goes_on_after_a_restart_and_one_process_writes_it() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let first = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    send(&first, "shadow");
    let busy = Audit::open(folder.trail()).expect_err("it is written").to_string();
    assert!(busy.contains("another process writes it"), "{busy}");
    drop(first);
    let audit = Audit::open(folder.trail()).expect("it goes on");
    assert_eq!((audit.mended(), audit.entries(9).len()), (None, 1));
    send(&scene.admin.clone().with_audit(audit), "release");
    assert_eq!(checked(&folder.trail(), None), Ok(2));
}

#[cfg(unix)]
#[test]
fn a_trail_is_its_owners_alone_and_nobody_else_may_write_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    drop(Audit::open(folder.trail()).expect("a new file"));
    let mode = fs::metadata(folder.trail()).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    fs::set_permissions(folder.trail(), fs::Permissions::from_mode(0o660)).expect("permitted");
    let refused = Audit::open(folder.trail()).expect_err("too open").to_string();
    assert!(refused.contains("permissions: found 660"), "{refused}");
}

#[test]
fn a_line_that_a_crash_has_torn_is_cut_off_told_and_gone_on_from() {
    let folder = Folder::new();
    for cut in [1, 7, 200] {
        let scene = Scene::new(10);
        scene.circuit("pay");
        let _ = fs::remove_file(folder.trail());
        let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
        for action in ["shadow", "release", "reset"] {
            send(&admin, action);
        }
        drop(admin);
        let length = fs::metadata(folder.trail()).expect("there").len();
        fs::OpenOptions::new()
            .write(true)
            .open(folder.trail())
            .and_then(|file| file.set_len(length - cut))
            .expect("cut");
        assert_eq!(checked(&folder.trail(), None).expect_err("torn").line, 3);
        let audit = Audit::open(folder.trail()).expect("mended");
        assert!(audit.mended().is_some_and(|told| told.contains("torn")), "{cut}");
        send(&scene.admin.clone().with_audit(audit), "shadow");
        assert_eq!(checked(&folder.trail(), None), Ok(4), "two whole lines, the mending, the new one");
        let line: Value = serde_json::from_str(&folder.lines()[2]).expect("JSON");
        assert_eq!((&line["action"], &line["actor"]), (&json!("mend"), &json!(null)));
    }
}

#[test]
fn a_trail_whose_end_was_edited_is_not_gone_on_with() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    for action in ["shadow", "release"] {
        send(&admin, action);
    }
    drop(admin);
    let edited = fs::read_to_string(folder.trail()).expect("there").replacen("\"ann\"", "\"bob\"", 1);
    fs::write(folder.trail(), edited).expect("written");
    let refused = Audit::open(folder.trail()).expect_err("edited").to_string();
    assert!(refused.contains("it was edited"), "{refused}");
}

/// A trail of so many lines.
fn written(count: usize) -> Vec<String> {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    for n in 0..count {
        send(&admin, ["shadow", "release"][n % 2]);
    }
    folder.lines()
}

fn read(lines: &[String], head: Option<&str>) -> Result<u64, Broken> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    verify(text.as_bytes(), head).map(|verified| verified.entries)
}

fn hash(line: &str) -> String {
    serde_json::from_str::<Value>(line).expect("JSON")["hash"].as_str().expect("text").into()
}

/// As somebody who knows how would write it.
fn resealed(line: &str, edit: impl Fn(&str) -> String) -> String {
    let (canonical, _) = line.rsplit_once(",\"hash\":\"").expect("the last field");
    let canonical = edit(canonical);
    let previous =
        serde_json::from_str::<Value>(line).expect("JSON")["previous"].as_str().expect("text").to_owned();
    let digest = Sha256::digest(format!("{previous}{canonical}}}"));
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{canonical},\"hash\":\"{hash}\"}}")
}

#[test]
fn whoever_has_a_hand_in_a_trail_is_found_out() {
    let lines = written(6);
    let broken = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        read(&changed, Some(&hash(&lines[5]))).map_err(|broken| (broken.line, broken.why))
    };
    assert_eq!(broken(&|_| {}), Ok(6));
    let found = |change: &dyn Fn(&mut Vec<String>), line, words: &str| {
        let (at, why) = broken(change).expect_err(words);
        assert!(at == line && why.contains(words), "{at}: {why}, not {line}: {words}");
    };
    found(&|lines| lines[2] = lines[2].replace("ann", "bob"), 3, "edited");
    found(&|lines| lines[2] = lines[2].replace("\"seq\":3", "\"seq\": 3"), 3, "edited");
    found(
        &|lines| lines[2] = resealed(&lines[2], |line| line.replace("ann", "bob")),
        4,
        "one of the two was replaced",
    );
    found(&|lines| drop(lines.remove(2)), 3, "lines are missing before it: found seq 4, expected 3");
    found(&|lines| drop(lines.remove(0)), 1, "lines are missing before it: found seq 2, expected 1");
    found(&|lines| lines.insert(3, lines[1].clone()), 4, "out of order: found seq 2, expected 4");
    found(&|lines| lines.swap(2, 3), 3, "lines are missing");
    found(&|lines| lines.insert(3, String::new()), 4, "no line of a trail");
    found(&|lines| lines.insert(3, "{}".into()), 4, "no line of a trail");
    found(&|lines| lines.truncate(4), 5, "the end is missing");
    found(&|lines| lines.clear(), 1, "the end is missing");
    found(
        &|lines| lines[5] = resealed(&lines[5], |line| line.replace("ann", "bob")),
        7,
        "the end is missing",
    );
    let cut = read(&lines[..4], None);
    assert_eq!(cut, Ok(4), "without the head the end is whatever it is");
}

#[test]
fn a_head_that_was_noted_earlier_is_found_on_the_way() {
    let lines = written(6);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let verified = verify(text.as_bytes(), Some(&hash(&lines[3]))).expect("whole");
    assert_eq!((verified.entries, verified.since_expected, verified.head), (6, 2, hash(&lines[5])));
    let nothing = verify(&b""[..], None).expect("whole");
    assert_eq!((nothing.entries, nothing.head), (0, "0".repeat(64)));
    assert!(verify(text.trim_end().as_bytes(), None).expect_err("torn").why.contains("torn"));
}

#[test]
fn refused_attempts_can_not_fill_the_disk() {
    let (scene, folder) = (Scene::new(10), Folder::new());
    scene.circuit("pay");
    let admin = scene.admin.clone().with_audit(Audit::open(folder.trail()).expect("a new file"));
    let long = format!("/overrides/{}", "x".repeat(5_000));
    for n in 0..300_u32 {
        let peer = Peer::Address(std::net::Ipv4Addr::from(0x0a00_0000 + n).into());
        assert_eq!(ask(&admin, Asked { peer, ..post(&long, "{}") }).status, 403);
    }
    assert_eq!(folder.lines().len(), 60);
    assert_eq!(send(&admin, "shadow"), 200, "orders are written whatever was refused");
    let lines = folder.lines();
    assert_eq!(lines.len(), 62);
    let many: Value = serde_json::from_str(&lines[60]).expect("JSON");
    assert_eq!((&many["action"], &many["result"]), (&json!("many"), &json!("refused")));
    assert!(
        many["detail"].as_str().is_some_and(|told| told.starts_with("240 more refused attempts")),
        "{many}"
    );
    assert!(lines.iter().all(|line| line.len() < 2_000));
    assert_eq!(checked(&folder.trail(), None), Ok(62));
    scene.wait(60);
    assert_eq!(ask(&admin, Asked { peer: Peer::Unknown, ..post("/overrides/pay", "{}") }).status, 403);
    assert_eq!(folder.lines().len(), 63);
}

#[test]
fn without_a_file_the_last_thousand_lines_are_kept() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    for n in 0..1_010 {
        assert_eq!(send(&scene.admin, ["shadow", "release"][n % 2]), 200);
        scene.wait(1);
    }
    let trail = told(&scene.get("/audit?limit=5000"));
    let entries = trail["entries"].as_array().expect("a list");
    assert_eq!((entries.len(), &entries[0]["seq"], &entries[999]["seq"]), (1_000, &json!(1_010), &json!(11)));
    assert_eq!(trail["head"], entries[0]["hash"]);
    for pair in entries.windows(2) {
        assert_eq!(pair[0]["previous"], pair[1]["hash"]);
    }
    assert_eq!(told(&scene.get("/audit?limit=2"))["entries"].as_array().map(Vec::len), Some(2));
    assert_eq!(scene.get("/audit?limt=2").status, 400);
}
