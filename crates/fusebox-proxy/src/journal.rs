//! Lines about what happens, for every change of a circuit among them.
//!
//! Changes are told on whatever thread makes them, which may be a worker's. Lines are written by a thread of their
//! own, so that a terminal or a pipe that takes nothing holds no call up; when too many wait, they are dropped and
//! counted.

use fusebox::event::{Event, Transition};
use fusebox::{Clock, Registry, Time};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING: usize = 1024;
/// How long the end of the proxy waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes a line, without its newline.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Writes lines in their order, in the background, and holds nobody up. Copies write to the same sink.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    /// Everything before it is to be written when this is answered.
    Flush(SyncSender<()>),
}

impl Journal {
    /// Starts writing to `sink`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// Where the system has no thread to give.
    pub fn start(sink: Sink) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let journal = Journal { lines, dropped: Arc::default() };
        let dropped = journal.dropped.clone();
        let run = move || write(&waiting, &sink, &dropped);
        std::thread::Builder::new().name("fusebox-journal".into()).spawn(run)?;
        Ok(journal)
    }

    /// Writes `line`, unless too many wait already.
    pub fn say(&self, line: impl Into<String>) {
        if self.lines.try_send(Entry::Line(line.into())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes every change of every circuit.
    pub(crate) fn follow(&self, registry: &Registry) {
        let (clock, journal) = (registry.clock().clone(), self.clone());
        registry.subscribe(Arc::new(move |circuit, event| {
            if let Some(line) = line(circuit, event, &clock) {
                journal.say(line);
            }
        }));
    }

    /// Waits, not for ever, until everything so far is written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Entry::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

fn write(waiting: &Receiver<Entry>, sink: &Sink, dropped: &AtomicU64) {
    for entry in waiting {
        match entry {
            Entry::Line(line) => sink(&line),
            Entry::Flush(done) => drop(done.send(())),
        }
        match dropped.swap(0, Relaxed) {
            0 => {}
            some => sink(&format!("fusebox: {some} lines were dropped here")),
        }
    }
}

fn line(circuit: &str, event: &Event, clock: &Clock) -> Option<String> {
    let told = match event {
        Event::Transition(change) => transition(change, clock),
        Event::Held(hold) => format!("held {} by {}: {}", hold.mode.as_str(), hold.actor, hold.reason),
        Event::Released(_) => "released".into(),
        Event::Reconfigured { .. } => "runs on new settings".into(),
        Event::InternalFault { total, .. } => {
            format!("met a fault inside fusebox ({total} so far); the call went through")
        }
        _ => return None,
    };
    Some(format!("fusebox: circuit {circuit} {told}"))
}

fn transition(change: &Transition, clock: &Clock) -> String {
    let told = format!("{} → {}: {}", change.from, change.to, change.cause);
    match change.retry_at {
        Time::NEVER => told,
        at => format!("{told}; probes in {:.1} s", at.since(clock.now()).as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fusebox::breaker::{Hold, Mode};
    use std::sync::Mutex;

    #[test]
    fn a_writer_that_is_stuck_holds_nobody_up_and_what_is_lost_is_counted() {
        let (release, stuck) = sync_channel::<()>(0);
        let (stuck, written) = (Mutex::new(stuck), Arc::new(Mutex::new(Vec::new())));
        let lines = written.clone();
        let journal = Journal::start(Arc::new(move |line: &str| {
            let _ = stuck.lock().expect("not poisoned").recv();
            lines.lock().expect("not poisoned").push(line.to_owned());
        }))
        .expect("a thread");
        let registry = Registry::default();
        journal.follow(&registry);
        let circuit = registry.circuit("c");
        // The writer holds one line and as many wait as may; the others have no place.
        for _ in 0..WAITING + 50 {
            let (actor, reason) = ("test".into(), "to be told".into());
            let hold = Hold { mode: Mode::ForcedOpen, actor, reason, expires: Time::NEVER };
            circuit.core().hold(hold, circuit.clock().now());
        }
        drop(release);
        while !written
            .lock()
            .expect("not poisoned")
            .iter()
            .any(|line| line.ends_with("lines were dropped here"))
        {
            journal.flush();
        }
    }
}
