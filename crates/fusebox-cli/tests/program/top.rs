//! `fusebox top` on a terminal: what `script` makes is one, with a process behind it that thinks so too.

use super::child::{Running, fusebox, get, response, serve, text};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

const ENTER_SCREEN: &str = "\u{1b}[?1049h";
/// Pieces of what is drawn that are waited for.
const PATIENCE: usize = 200;
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";

/// `fusebox top` on a terminal of 100 × 30, and all that it has drawn.
struct Top {
    child: Child,
    keys: ChildStdin,
    drawn: Receiver<Vec<u8>>,
    seen: String,
    /// How far what was seen has been looked through.
    read: usize,
    pid: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Top {
    fn start(admin: SocketAddr) -> Top {
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let inner = format!(
            "echo $$ > {}; stty cols 100 rows 30; exec {} top --admin {admin}",
            pid.display(),
            env!("CARGO_BIN_EXE_fusebox")
        );
        let mut command = Command::new("script");
        command.args(["-qefc", &inner, "/dev/null"]).env("TERM", "xterm").env_remove("FUSEBOX_TOKEN");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("script is there");
        let (keys, mut out) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, drawn) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Top { child, keys, drawn, seen: String::new(), read: 0, pid, _folder: folder }
    }

    /// Waits until this word has been drawn, after the one that was waited for last: between words the cursor may only move. It draws
    /// four times a second, so that this ends.
    fn shows(&mut self, words: &str) {
        for _ in 0..PATIENCE {
            if let Some(at) = self.seen[self.read..].find(words) {
                self.read += at + words.len();
                return;
            }
            match self.drawn.recv_timeout(Duration::from_secs(20)) {
                Ok(bytes) => self.seen += &text(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{words:?} is not drawn:\n{:?}", self.seen),
            }
        }
        panic!("{words:?} is not drawn:\n{:?}", self.seen);
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal that reads");
    }

    fn ends(&mut self) {
        self.shows(LEAVE_SCREEN);
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proxy() -> (Running, SocketAddr, SocketAddr) {
    let upstream = serve(|_| response(503, "down"));
    let mut proxy =
        Running::start(&format!("run --upstream http://{upstream} --listen 127.0.0.1:0 --admin 127.0.0.1:0"));
    let (front, admin) = (proxy.address("listens"), proxy.address("circuits"));
    (proxy, front, admin)
}

#[test]
fn a_failing_dependency_is_seen_and_the_terminal_is_given_back() {
    let (_proxy, front, admin) = proxy();
    (0..12).for_each(|_| drop(get(front, "/")));
    let mut top = Top::start(admin);
    top.shows(ENTER_SCREEN);
    top.shows("OPEN");
    top.shows("503");
    top.press("\r");
    top.shows("TRANSITIONS");
    top.press("\u{1b}");
    // The head of the list is drawn again. Before that, the next key would make one of two with this one.
    top.shows("CIRCUIT");
    top.press("q");
    top.ends();
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    let (_proxy, _, admin) = proxy();
    for signal in ["TERM", "HUP"] {
        let mut top = Top::start(admin);
        top.shows("live");
        let pid = std::fs::read_to_string(&top.pid).expect("a number");
        let sent = Command::new("kill").args(["-s", signal, pid.trim()]).status().expect("kill runs");
        assert!(sent.success());
        top.ends();
    }
}

#[test]
fn without_a_proxy_it_says_so_on_the_terminal_as_it_is() {
    let mut top = Top::start("127.0.0.1:1".parse().expect("an address"));
    top.shows("is it running");
    assert!(!top.seen.contains(ENTER_SCREEN), "{:?}", top.seen);
    let without = fusebox("top").output().expect("the program starts");
    assert_eq!(without.status.code(), Some(2));
}
