//! One server for many processes.
//!
//! Its folder, beside other temporary files, has three files to lock. `gate` is held by who starts it, joins it or stops it; `users`
//! is shared by all that use it; `watch` belongs to the watchman, of whom there is one. A server that was killed answers nobody, and
//! who comes next starts another in its place.

use crate::patience::wait_until;
use crate::postgres::url;
use crate::service::free_port;
use rustix::process::getuid;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Stops the server when nobody has used it for a while. Not this program: it must outlive each test.
const WATCHMAN: &str = include_str!("watchman.sh");

/// A server that others use too. It stays for as long as somebody has this.
pub struct Shared {
    port: u16,
    _user: File,
}

impl Shared {
    /// Where it is.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// A name that nobody else has, for what a test makes there.
    pub fn name(&self) -> String {
        format!("test_{:016x}", RandomState::new().build_hasher().finish())
    }
}

#[expect(clippy::zombie_processes, reason = "the server and the watchman stay when this process has ended")]
pub(crate) fn join(
    name: &str,
    initialise: fn(&Path),
    serve: fn(u16, &Path) -> Command,
    answers: fn(u16) -> bool,
) -> Shared {
    let folder = format!("fusebox-testbed-{}", getuid().as_raw());
    let folder = std::env::temp_dir().join(folder).join(name);
    fs::create_dir_all(&folder).expect("a folder to share");
    let gate = lockable(&folder, "gate");
    gate.lock().expect("the gate");

    let known = fs::read_to_string(folder.join("port")).ok().and_then(|port| port.trim().parse().ok());
    let port = known.filter(|port| answers(*port)).unwrap_or_else(|| {
        let home = folder.join("home");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir(&home).expect("a folder for a server");
        initialise(&home);
        let port = free_port();
        let log = File::create(folder.join("log")).expect("a log for a server");
        let mut command = serve(port, &home);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let mut server = command.spawn().expect("a server starts");
        if !wait_until(|| answers(port)) {
            let _ = server.kill();
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the shared {name} does not answer; it says:\n{said}");
        }
        fs::write(folder.join("process"), server.id().to_string()).expect("written");
        fs::write(folder.join("port"), port.to_string()).expect("written");
        port
    });
    let user = lockable(&folder, "users");
    user.lock_shared().expect("to be one of the users");
    let mut watchman = Command::new("sh");
    watchman.arg("-c").arg(WATCHMAN).arg("watchman").arg(&folder).arg(name).process_group(0);
    watchman.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    watchman.spawn().expect("a watchman");
    Shared { port, _user: user }
}

fn lockable(folder: &Path, name: &str) -> File {
    let file = File::options().create(true).append(true).open(folder.join(name));
    file.expect("a file to lock")
}
