//! Processes of this same program, which never outlive it.
//!
//! Two things see to that. A [`Child`] that is dropped kills its process, by its own id, and a panic drops it too. And
//! a child holds the reading end of a pipe that only its parent can write to: where the parent ends without dropping
//! anything, the pipe ends, and [`leave_with_parent`] ends the child.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{self, ChildStdin, Command, Stdio};
use std::thread;
use thiserror::Error;

/// A process of this program, serving.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    /// Held, not written to.
    _leash: Option<ChildStdin>,
    address: SocketAddr,
}

/// Why a child does not serve. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system refused.
    #[error("start a process: {0}")]
    Spawn(#[from] io::Error),
    /// It ended, or said something else than where it listens.
    #[error("start a process: it should have said where it listens and said {0:?}")]
    Silent(String),
}

impl Child {
    /// Starts this program with `arguments`, and waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Child, StartError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (leash, out) = (process.stdin.take(), process.stdout.take());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        // From here on its process is killed whatever happens.
        let mut child = Child { process, _leash: leash, address: nowhere };
        let mut line = String::new();
        if let Some(out) = out {
            BufReader::new(out).read_line(&mut line)?;
        }
        child.address = line.trim().parse().map_err(|_| StartError::Silent(line))?;
        Ok(child)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In a child: tells the parent where this process listens.
///
/// # Errors
///
/// The parent has gone.
pub fn tell_parent(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}

/// In a child: ends this process as soon as the parent has gone.
pub fn leave_with_parent() {
    thread::spawn(|| {
        // Nothing is ever written: this returns when the other end is closed.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
}
