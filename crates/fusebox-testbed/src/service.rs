//! One server of one test.

use crate::patience::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The command of a server that stays, given its port and its folder.
pub type Serve = Box<dyn Fn(u16, &Path) -> Command + Send>;

/// How a server is started, and how one knows that it is there.
pub struct Plan {
    /// What it is called in messages.
    pub name: &'static str,
    /// The command.
    pub command: Serve,
    /// Whether it answers on its port.
    pub answers: fn(u16) -> bool,
    /// What asks it to go at once.
    pub stop: Signal,
}

impl Plan {
    /// A server that is there once it takes connections.
    pub fn new(name: &'static str, command: impl Fn(u16, &Path) -> Command + Send + 'static) -> Self {
        Plan { name, command: Box::new(command), answers: takes_connections, stop: Signal::TERM }
    }
}

/// A server that runs. Dropped, it is stopped, and its folder is gone.
pub struct Service {
    plan: Plan,
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Service {
    /// Starts a server in a folder that is empty; returns once it answers.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not answer within half a minute.
    pub fn start(plan: Plan) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a server");
        Self::start_in(plan, folder)
    }

    /// As [`start`](Self::start), in a folder that has been prepared.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_in(plan: Plan, folder: TempDir) -> Self {
        let port = free_port();
        let child = launch(&plan, port, folder.path());
        let mut service = Service { plan, child, port, folder };
        service.wait();
        service
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it, and every process that it has started, as a power cut would: nobody is told.
    pub fn kill9(&mut self) {
        let children = children(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        children.into_iter().for_each(|child| signal(child, Signal::KILL));
    }

    /// Starts it again, where it was and with what it has written.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) {
        self.kill9();
        self.child = launch(&self.plan, self.port, self.folder.path());
        self.wait();
    }

    fn wait(&mut self) {
        let up = wait_until(|| {
            // What the last one has left may have to go first.
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                self.child = launch(&self.plan, self.port, self.folder.path());
            }
            (self.plan.answers)(self.port)
        });
        let said = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(up, "{} does not answer; it says:\n{}", self.plan.name, said());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let children = children(self.child.id());
        signal(self.child.id(), self.plan.stop);
        if !wait_until(|| !matches!(self.child.try_wait(), Ok(None))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            children.into_iter().for_each(|child| signal(child, Signal::KILL));
        }
    }
}

/// A port that nobody listens on.
///
/// # Panics
///
/// If there is none.
pub fn free_port() -> u16 {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    any.expect("a free port").port()
}

pub(crate) fn takes_connections(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn launch(plan: &Plan, port: u16, folder: &Path) -> Child {
    let mut command = (plan.command)(port, folder);
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log for a server");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{} cannot be started: {error}", plan.name))
}

fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // Who is gone already needs none.
        let _ = kill_process(process, signal);
    }
}

/// The processes that this one has started, as Linux tells.
fn children(process: u32) -> Vec<u32> {
    let told = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    told.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "nothing cannot be started")]
    fn a_program_that_is_not_there_is_named() {
        Service::start(Plan::new("nothing", |_, _| Command::new("a-program-that-nobody-has")));
    }
}
