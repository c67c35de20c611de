//! `fusebox queue`, as an operator uses it: beside a running proxy, and on the file when there is none.

use super::child::{Running, fusebox, response, serve, text};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A proxy that defers, before a provider whose status is set.
struct Shop {
    proxy: Running,
    front: SocketAddr,
    admin: SocketAddr,
    file: PathBuf,
    provider: Arc<AtomicU16>,
    _folder: tempfile::TempDir,
}

fn shop() -> Shop {
    let (folder, provider) = (tempfile::tempdir().expect("a folder"), Arc::new(AtomicU16::new(503)));
    let says = provider.clone();
    let upstream = serve(move |_| response(says.load(Relaxed), "said"));
    let (file, config) = (folder.path().join("calls.queue"), folder.path().join("fusebox.toml"));
    let text = format!(
        "[queue]\nfile = \"{}\"\n[[service]]\nname = \"payments\"\nendpoints = [\"http://{upstream}\"]\nretry = false\n\
         fallback = [{{ queue = {{ check = false, backoff = \"20ms\" }} }}]\n\
         breaker = {{ consecutive_failures = 1, wait_in_open = {{ fixed = \"50ms\" }} }}\n",
        file.display()
    );
    std::fs::write(&config, text).expect("written");
    let arguments = format!("run --config {} --listen 127.0.0.1:0 --admin 127.0.0.1:0", config.display());
    let mut proxy = Running::start(&arguments);
    let (front, admin) = (proxy.address("listens"), proxy.address("circuits"));
    Shop { proxy, front, admin, file, provider, _folder: folder }
}

impl Shop {
    fn pay(&self, key: &str) {
        let mut stream = TcpStream::connect(self.front).expect("a connection");
        let head =
            format!("POST /pay HTTP/1.1\r\nhost: test\r\nidempotency-key: {key}\r\ncontent-length: 6\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n20 EUR").as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }

    /// Runs `fusebox queue ...` against the proxy; its exit code and both outputs.
    fn queue(&self, arguments: &str) -> (i32, String, String) {
        queue(&format!("{arguments} --admin {}", self.admin))
    }

    /// Waits until the list of calls shows this.
    fn shows(&self, words: &str) -> String {
        let mut seen = String::new();
        for _ in 0..500 {
            seen = self.queue("list").1;
            if seen.contains(words) {
                return seen;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        panic!("waited for {words:?} in\n{seen}");
    }
}

fn queue(arguments: &str) -> (i32, String, String) {
    let output = fusebox(&format!("queue {arguments}")).output().expect("the program starts");
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_operator_finds_understands_and_redrives_a_dead_call_with_the_program_alone() {
    let shop = shop();
    shop.pay("order-17");
    shop.provider.store(402, Relaxed);
    let list = shop.shows("dead: refused");
    assert!(
        list.contains("order-17") && list.contains("the dependency answered 402 Payment Required"),
        "{list}"
    );
    let (_, stats, _) = shop.queue("stats");
    let row = stats.lines().find(|line| line.starts_with("payments")).expect("the queue");
    assert_eq!(row.split_whitespace().nth(5), Some("1"), "one dead: {stats}");
    let (_, one, _) = shop.queue("show 1");
    assert!(one.contains("why         the dependency answered 402 Payment Required"), "{one}");
    assert!(one.contains("fusebox queue redrive 1"), "it says what can be done:\n{one}");

    shop.provider.store(200, Relaxed);
    let (code, dry, _) = shop.queue("redrive --death refused --dry-run --reason corrected");
    assert_eq!((code, &*dry), (0, "would redrive 1 call (1)\n"));
    let (code, said, err) = shop.queue("redrive 1 --reason corrected --actor ann");
    assert_eq!((code, &*said, &*err), (0, "redrive: 1 call (1)\n", ""));
    shop.shows("done");
    let (code, _, err) = shop.queue("redrive 1 --reason again");
    assert_eq!((code, &*err), (1, "error: call 1 is done; redrive is for calls that are: dead\n"));
    let (_, trail, _) = shop.queue("audit --json");
    let trail: Value = serde_json::from_str(&trail).expect("JSON");
    let done: Vec<_> = trail
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["act"], &row["actor"], &row["items"], &row["reason"]))
        .collect();
    assert_eq!(done[1], (&"redrive".into(), &"ann".into(), &1.into(), &"corrected".into()), "{done:?}");
}

#[test]
fn a_file_is_read_while_its_proxy_runs_and_changed_when_it_does_not() {
    let mut shop = shop();
    shop.pay("a");
    shop.pay("b");
    let file = shop.file.display().to_string();
    let (code, paused, _) = shop.queue("pause payments --reason maintenance");
    assert_eq!((code, &*paused), (0, "paused payments\n"));
    let (code, list, _) = queue(&format!("list --file {file}"));
    assert!(code == 0 && list.lines().count() == 3, "{list}");
    let (code, _, err) = queue(&format!("bury --all --reason x --file {file}"));
    assert!(code == 1 && err.contains("another process has it"), "{err}");
    shop.proxy.signal("TERM");
    shop.proxy.wait();
    let (code, said, err) = queue(&format!("cancel --key a --reason called --file {file}"));
    assert_eq!((code, &*said, &*err), (0, "cancel: 1 call (1)\n", ""));
    let (_, lines, _) = queue(&format!("export --payloads --file {file}"));
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = rows.iter().map(|row| (&row["key"], &row["state"])).collect();
    assert_eq!(told, [(&"a".into(), &"cancelled".into()), (&"b".into(), &"ready".into())]);
    assert!(rows.iter().all(|row| row["payload_base64"].as_str().is_some_and(|text| text.len() > 20)));
}

#[test]
fn what_cannot_be_done_is_said_with_what_can() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no such.queue");
    let nowhere = file.display().to_string().replace(' ', "-");
    for (arguments, code, words) in [
        ("bury --reason x --admin 127.0.0.1:1".to_owned(), 2, "which calls to bury?"),
        ("bury 1 --admin 127.0.0.1:1".to_owned(), 2, "--reason <TEXT>"),
        (
            "list --state ded --admin 127.0.0.1:1".to_owned(),
            2,
            "--state: found \"ded\", accepted: ready, leased",
        ),
        (
            "stats --admin 127.0.0.1:1".to_owned(),
            1,
            "cannot reach the admin interface of a proxy at 127.0.0.1:1",
        ),
        (format!("list --file {nowhere}"), 2, "No such file"),
        (format!("purge --all --reason x --file {nowhere}"), 2, "No such file"),
        ("redrive 1 --all --reason x".to_owned(), 2, "cannot be used with"),
        ("export --payloads --admin 127.0.0.1:1".to_owned(), 2, "cannot be used with"),
        ("stats --postgres postgres://u:secret@127.0.0.1:1/d".to_owned(), 1, "reach the database"),
    ] {
        let (found, out, err) = queue(&arguments);
        assert_eq!((found, &*out), (code, ""), "{arguments}: {err}");
        assert!(err.contains(words), "{arguments}: {err}");
    }
    assert!(!Path::new(&nowhere).exists(), "nothing is begun");
}
