//! What a scenario plays on: servers with switches, the program before them, and callers.

use super::super::child::{Running, response, serve};
use super::super::tools;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Callers of each path; each waits a moment between two calls.
const CALLERS: usize = 3;

pub(super) struct Setting {
    /// The program's configuration, with `A`, `B` and `C` for the servers' addresses and `FOLDER` for a folder of its own.
    pub(super) config: String,
    /// So many tenants call, each with a circuit of its own.
    pub(super) crowd: usize,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { config: include_str!("shop.toml").into(), crowd: 0 }
    }
}

/// Secrets that [`guarded`] lets in: one that may read, one that may operate.
pub(super) const SECRETS: [&str; 2] = ["look-at-everything", "do-what-is-needed"];

/// The shop, with a file of tokens.
pub(super) fn guarded() -> String {
    format!("[admin]\ntokens = \"FOLDER/tokens.toml\"\n{}", include_str!("shop.toml"))
}

fn tokens() -> String {
    let token = |name: &str, scope: &str, secret: &str| {
        format!("[[token]]\nname = \"{name}\"\nscope = \"{scope}\"\nsecret = \"{secret}\"\n")
    };
    token("wall", "read", SECRETS[0]) + &token("ann", "operate", SECRETS[1])
}

pub(super) fn flaps() -> String {
    include_str!("flaps.toml").into()
}

pub(super) fn tenants() -> String {
    include_str!("tenants.toml").into()
}

/// Sets the scene and plays a scenario in it to the end: the name of its file, and arguments apart by spaces.
pub(super) fn play(scenario: &str, setting: &Setting) {
    let scene = Scene::set(setting);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/page");
    let python = tools::program("Python", [tools::folder().join("bin/python")]);
    let mut words = scenario.split(' ');
    let name = words.next().unwrap_or_default();
    let ended = Command::new(python)
        .arg(beside.join(format!("{name}.py")))
        .args(words)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("ADMIN", scene.admin.to_string())
        .env("FRONT", scene.front.to_string())
        .env("SERVERS", scene.servers.map(|server| server.to_string()).join(" "))
        .env("CROWD", setting.crowd.to_string())
        .env("LEFTOVERS", leftovers())
        .status()
        .expect("Python starts");
    assert!(ended.success(), "{name}.py: {ended}; what it said stands above");
}

/// Where a scenario that fails leaves what it saw.
fn leftovers() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

pub(super) struct Scene {
    pub(super) admin: SocketAddr,
    pub(super) front: SocketAddr,
    pub(super) servers: [SocketAddr; 3],
    // In the order in which they go: callers before whom they call.
    _callers: Callers,
    _fusebox: Running,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(super) fn set(setting: &Setting) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let servers = [switched(), switched(), switched()];
        let mut text = setting.config.replace("FOLDER", &folder.path().display().to_string());
        for (letter, server) in ["//A\"", "//B\"", "//C\""].into_iter().zip(servers) {
            text = text.replace(letter, &format!("//{server}\""));
        }
        let secrets = folder.path().join("tokens.toml");
        std::fs::write(&secrets, tokens()).expect("the file is written");
        // For its owner alone: others are not to read it.
        std::fs::set_permissions(&secrets, Permissions::from_mode(0o600)).expect("it is ours");
        let config = folder.path().join("fusebox.toml");
        std::fs::write(&config, text).expect("the file is written");
        let any = "--listen 127.0.0.1:0 --admin 127.0.0.1:0";
        let mut fusebox = Running::start(&format!("run --config {} {any}", config.display()));
        let front = fusebox.address("listens");
        let admin = fusebox.address("circuits");
        let callers = Callers::start(front, setting.crowd);
        Scene { admin, front, servers, _callers: callers, _fusebox: fusebox, _folder: folder }
    }
}

/// A server that answers what it was last told to: `GET /switch/503/150` has it answer 503 after 150 ms.
fn switched() -> SocketAddr {
    let (status, millis) = (AtomicU16::new(200), AtomicU64::new(0));
    serve(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut told = path.strip_prefix("/switch/").into_iter().flat_map(|rest| rest.split('/'));
        if let (Some(new), Some(wait)) = (told.next(), told.next()) {
            status.store(new.parse().expect("a status"), Relaxed);
            millis.store(wait.parse().expect("milliseconds"), Relaxed);
            return response(200, "switched");
        }
        thread::park_timeout(Duration::from_millis(millis.load(Relaxed)));
        response(status.load(Relaxed), "an answer")
    })
}

/// Threads that call for as long as they are held.
struct Callers {
    on: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Callers {
    fn start(front: SocketAddr, crowd: usize) -> Callers {
        let on = Arc::new(AtomicBool::new(true));
        let call = |pause: u64, request: Box<dyn Fn(usize) -> String + Send>| {
            let on = on.clone();
            thread::spawn(move || {
                for turn in 0.. {
                    if !on.load(Relaxed) {
                        return;
                    }
                    send(front, &request(turn));
                    thread::park_timeout(Duration::from_millis(pause));
                }
            })
        };
        let mut threads = Vec::new();
        if crowd > 0 {
            threads
                .push(call(3, Box::new(move |turn| get(&format!("/tenants/x?{turn}"), tenant(turn, crowd)))));
        } else {
            for path in ["/payments/charge", "/profiles/7", "/search/shoes"] {
                threads.extend((0..CALLERS).map(|_| call(60, Box::new(move |_| get(path, String::new())))));
            }
            threads.push(call(400, Box::new(|turn| post(&format!("/receipts/{turn}")))));
        }
        Callers { on, threads }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.on.store(false, Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // Its end is all that matters.
            let _ = thread.join();
        }
    }
}

fn tenant(turn: usize, crowd: usize) -> String {
    format!("x-tenant: tenant-{:03}\r\n", turn % crowd)
}

fn get(path: &str, header: String) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: shop\r\n{header}connection: close\r\n\r\n")
}

fn post(path: &str) -> String {
    let turn = path.rsplit('/').next().unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\nidempotency-key: receipt-{turn}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

/// What comes back is for nobody, and neither is a proxy that is gone.
fn send(front: SocketAddr, request: &str) {
    let Ok(mut stream) = TcpStream::connect(front) else { return };
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut Vec::new());
}
