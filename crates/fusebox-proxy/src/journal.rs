//! Lines about what happens, for every change of a circuit among them.
//!
//! Changes are told on whatever thread makes them, which may be a worker's. Lines are written by a thread of their
//! own, so that a terminal or a pipe that takes nothing holds no call up; when too many wait, they are dropped and
//! counted.
//!
//! Every line has a level, and those below the journal's own are not written: what is not written costs a look at one number.

use fusebox::admin::Level;
use fusebox::breaker::State;
use fusebox::event::{Event, Transition};
use fusebox::{Clock, Registry, Time};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING: usize = 1024;
/// Lines about calls to one circuit in a second, and circuits whose calls are told of in one.
const IN_A_SECOND: u32 = 5;
const MOST_TOLD: usize = 256;
/// How long the end of the proxy waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes a line, without its newline.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;
/// Says what a line tells of an event of the circuit with this name; `None` for events that are not told.
pub type Teller = Arc<dyn Fn(&str, &Event) -> Option<String> + Send + Sync>;

/// Writes lines in their order, in the background, and holds nobody up. Copies write to the same sink.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
    /// The least important level that is written, as a number.
    level: Arc<AtomicU8>,
    calls: Arc<Mutex<Calls>>,
}

/// Lines about calls that there have been in this second.
#[derive(Debug, Default)]
struct Calls {
    second: u64,
    by_circuit: HashMap<Arc<str>, u32>,
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
        let level = Arc::new(AtomicU8::new(Level::Info as u8));
        let journal = Journal { lines, dropped: Arc::default(), level, calls: Arc::default() };
        let dropped = journal.dropped.clone();
        let run = move || write(&waiting, &sink, &dropped);
        std::thread::Builder::new().name("fusebox-journal".into()).spawn(run)?;
        Ok(journal)
    }

    /// What is written: this and what is more important.
    pub fn level(&self) -> Level {
        let level = self.level.load(Relaxed);
        Level::ALL.into_iter().find(|known| *known as u8 == level).unwrap_or(Level::Info)
    }

    /// Writes this and what is more important from now on.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Relaxed);
    }

    /// Whether lines of this level are written.
    #[inline]
    pub fn tells(&self, level: Level) -> bool {
        level as u8 <= self.level.load(Relaxed)
    }

    /// Writes `line`, if lines of its level are, unless too many wait already.
    pub fn say(&self, level: Level, line: impl Into<String>) {
        if self.tells(level) && self.lines.try_send(Entry::Line(line.into())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes a line about a call to this circuit, a few in a second.
    pub(crate) fn say_call(&self, circuit: &Arc<str>, now: Time, line: impl FnOnce() -> String) {
        // Somebody else's line is written now: this one is not worth waiting for.
        let Ok(mut calls) = self.calls.try_lock() else { return };
        let second = now.as_nanos() / 1_000_000_000;
        if calls.second != second {
            (calls.second, calls.by_circuit) = (second, HashMap::new());
        }
        let is_full = calls.by_circuit.len() >= MOST_TOLD;
        let said = match calls.by_circuit.get_mut(circuit) {
            Some(said) => said,
            None if is_full => return,
            None => calls.by_circuit.entry(circuit.clone()).or_default(),
        };
        *said += 1;
        if *said <= IN_A_SECOND {
            drop(calls);
            self.say(Level::Debug, line());
        }
    }

    /// Writes every change of every circuit, as `tell` tells it.
    pub(crate) fn follow(&self, registry: &Registry, tell: Option<Teller>) {
        let (clock, journal) = (registry.clock().clone(), self.clone());
        registry.subscribe(Arc::new(move |circuit, event| {
            let level = level(event);
            if !journal.tells(level) {
                return;
            }
            let told = match &tell {
                Some(tell) => tell(circuit, event),
                None => line(circuit, event, &clock),
            };
            told.into_iter().for_each(|line| journal.say(level, line));
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

/// How important an event is.
fn level(event: &Event) -> Level {
    match event {
        Event::InternalFault { .. } => Level::Error,
        Event::Transition(change) if change.to == State::Open => Level::Warn,
        _ => Level::Info,
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

    #[test]
    fn what_is_less_important_than_the_level_is_not_written_and_calls_are_told_a_few_a_second() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let lines = written.clone();
        let journal = Journal::start(Arc::new(move |line: &str| {
            lines.lock().expect("not poisoned").push(line.to_owned());
        }))
        .expect("a thread");
        let said = || {
            journal.flush();
            std::mem::take(&mut *written.lock().expect("not poisoned"))
        };
        journal.say(Level::Debug, "debug");
        journal.say(Level::Info, "info");
        assert_eq!(said(), ["info"]);
        journal.set_level(Level::Error);
        journal.say(Level::Warn, "warn");
        journal.say(Level::Error, "error");
        assert_eq!((said(), journal.level()), (vec!["error".to_owned()], Level::Error));
        journal.set_level(Level::Debug);
        let (one, other) = (Arc::from("one"), Arc::from("other"));
        (0..50).for_each(|_| journal.say_call(&one, Time::from_secs(1), || "one".into()));
        journal.say_call(&other, Time::from_secs(1), || "other".into());
        journal.say_call(&one, Time::from_secs(2), || "one".into());
        assert_eq!(said().len(), IN_A_SECOND as usize + 2);
    }

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
        journal.follow(&registry, None);
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
