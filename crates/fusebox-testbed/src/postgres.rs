//! PostgreSQL. Syncs are on, as in production: what it acknowledges must survive being killed.

use crate::service::{Plan, Service};
use crate::shared;
pub use crate::shared::Shared;
use rustix::process::{Signal, getuid};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian and its children put each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who runs it where root must not.
const USER: &str = "postgres";
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=400",
    "shared_buffers=64MB",
    "max_prepared_transactions=10",
    "lc_messages=C",
];

/// A server of one test's own, which it may kill.
pub struct Server(Service);

impl Server {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed, or does not start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for PostgreSQL");
        initialise(folder.path());
        let plan = Plan::new("PostgreSQL", serve);
        Server(Service::start_in(Plan { answers, stop: Signal::QUIT, ..plan }, folder))
    }

    /// Where it is.
    pub fn url(&self) -> String {
        url(self.0.port())
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        self.0.kill9();
    }

    /// Starts it again, with what it has written.
    pub fn restart(&mut self) {
        self.0.restart();
    }
}

/// The server that all tests share; started, if it is not there. Each test takes a schema of its own.
///
/// # Panics
///
/// As [`Server::start`].
pub fn shared() -> Shared {
    shared::join("postgres", initialise, serve, answers)
}

pub(crate) fn url(port: u16) -> String {
    format!("postgres://{USER}@127.0.0.1:{port}/postgres")
}

/// Makes an empty cluster in `folder`.
fn initialise(folder: &Path) {
    if let Some((user, group)) = other_user() {
        chown(folder, Some(user), Some(group)).expect("a folder of its user's");
    }
    let mut initdb = run_as(Command::new(programs().join("initdb")));
    initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", USER, "-D"]);
    let made = initdb.arg(folder.join("data")).stdin(Stdio::null()).output().expect("initdb runs");
    assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
}

fn serve(port: u16, folder: &Path) -> Command {
    let mut command = run_as(Command::new(programs().join("postgres")));
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
    command
}

fn answers(port: u16) -> bool {
    let mut ready = Command::new(programs().join("pg_isready"));
    ready
        .args(["-q", "-h", "127.0.0.1", "-U", USER, "-d", "postgres", "-p", &port.to_string()])
        .stdin(Stdio::null());
    ready.status().is_ok_and(|status| status.success())
}

/// The folder of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let folders = versions.map(|version| version.path().join("bin"));
    let newest = folders.filter(|folder| folder.join("postgres").is_file()).max_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    newest.expect("PostgreSQL is missing: install it, on Debian `apt-get install postgresql`")
}

/// The server's user, where we are root: PostgreSQL refuses to be.
fn other_user() -> Option<(u32, u32)> {
    if !getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    let line = users.lines().find(|line| line.split(':').next() == Some(USER));
    let line = line.expect("a user `postgres`, as Debian's package makes it");
    let number = |at| line.split(':').nth(at).and_then(|number| number.parse().ok());
    Some((number(2)?, number(3)?))
}

fn run_as(mut command: Command) -> Command {
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env("LC_ALL", "C").process_group(0);
    command
}
