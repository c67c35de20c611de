//! What a running proxy says.
//!
//! Circuits tell their changes on the threads that serve calls, and a terminal or a pipe may take nothing for as long
//! as it likes. So lines are written by a thread of their own; when too many wait, they are dropped and counted.

use crate::output::Output;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait.
const WAITING: usize = 1024;
/// How long the end waits for the last lines to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says lines in their order, and holds nobody up.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    /// Everything before it is to be said when this is answered.
    Flush(SyncSender<()>),
}

impl Voice {
    /// Begins to speak to `output`.
    pub(crate) fn start(output: Output) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let voice = Voice { lines, dropped: Arc::default() };
        let dropped = voice.dropped.clone();
        thread::Builder::new()
            .name("fusebox-voice".into())
            .spawn(move || speak(&waiting, output, &dropped))?;
        Ok(voice)
    }

    /// Says `line`, unless too many wait already.
    pub(crate) fn say(&self, line: impl Into<String>) {
        if self.lines.try_send(Entry::Line(line.into())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits, not for ever, until everything so far is said.
    pub(crate) fn finish(&self) {
        let (done, said) = sync_channel(1);
        if self.lines.try_send(Entry::Flush(done)).is_ok() {
            let _ = said.recv_timeout(PATIENCE);
        }
    }
}

fn speak(waiting: &Receiver<Entry>, output: Output, dropped: &AtomicU64) {
    for entry in waiting {
        match entry {
            Entry::Line(line) => drop(output.say(line)),
            Entry::Flush(done) => drop(done.send(())),
        }
        match dropped.swap(0, Relaxed) {
            0 => {}
            some => drop(output.say(format!("{some} lines were dropped here"))),
        }
    }
}
