//! A NATS server of the test's own, on a port and in a folder of its own.
#![allow(dead_code, reason = "each test file that has this one uses a part of it")]

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    more: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Server::with(&[])
    }

    /// With more arguments.
    pub(crate) fn with(more: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Somebody else may take the port before the server has it.
        for _ in 0..10 {
            let port = free_port();
            if let Some(child) = spawn(&folder, port, more) {
                return Server { child, folder, port, more: more.to_vec() };
            }
        }
        panic!("the NATS server did not start on any of ten ports");
    }

    pub(crate) fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// `kill -9`, and it begins again with what is in its folder.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("it is gone");
    }

    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.more).expect("it begins again on its port");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it has one").port()
}

/// The server once it is ready; nothing if it ends before.
fn spawn(folder: &TempDir, port: u16, more: &[String]) -> Option<Child> {
    let mut command = Command::new("nats-server");
    command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(folder.path()).args(more);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| {
        panic!("failed to start nats-server: {error}; install it, on Debian `apt-get install nats-server`")
    });
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let is_ready = lines.any(|line| line.contains("Server is ready"));
    // What it says later must go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    if !is_ready {
        let _ = child.wait();
    }
    is_ready.then_some(child)
}

/// Where the client's tasks run.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// Waits for `future` where the client's tasks run.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let _inside = runtime().enter();
    futures_executor::block_on(future)
}
