//! Open circuits and operators' holds, kept in a file over restarts.
//!
//! A proxy that has just started knows nothing, and would send a dead dependency its first calls again; and what an operator
//! has held would be free. The file is written anew when something in it has changed, looked at every few seconds and at the
//! end. What was over while nobody ran stays over: a hold has ended, and an open circuit whose wait has passed probes at once.
//!
//! Circuits that each key has for itself are not there before their first call, and are not taken up again.

use crate::alarm::pause;
use crate::journal::Journal;
use crate::wall::unix_millis;
use fusebox::admin::Level;
use fusebox::breaker::{Mode, State};
use fusebox::{CircuitBreaker, Registry, Time};
use fusebox_core::breaker::Saved;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_secs(2);
/// Nothing holds a circuit for longer, whatever a file says.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3_600);
/// What is older says nothing of a dependency any more.
const OLDEST: Duration = Duration::from_secs(3_600);
/// A longer file is none of ours.
const LONGEST: u64 = 64 << 20;
const VERSION: u32 = 1;

/// The file.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    registry: Registry,
    journal: Journal,
}

/// What stands in it. Moments are of the wall clock, in milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    version: u32,
    saved_at_ms: u64,
    circuits: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    name: String,
    /// What it was under any hold: `closed`, `open` or `half_open`.
    state: String,
    /// The end of an open circuit's wait.
    retry_at_ms: u64,
    streak: u32,
    last_wait_nanos: u64,
    hold: Option<Held>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    mode: String,
    actor: String,
    reason: String,
    expires_at_ms: u64,
}

impl Memory {
    pub(crate) fn new(path: &Path, registry: &Registry, journal: &Journal) -> Self {
        Memory { path: path.to_owned(), registry: registry.clone(), journal: journal.clone() }
    }

    /// Takes up what is still true of what the file says. A file that cannot be read is told, and no reason not to start.
    pub(crate) fn recall(&self) {
        let page = match self.read() {
            Ok(page) => page,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                let path = self.path.display();
                self.say(Level::Error, format!("failed to read the state of circuits from {path}: {error}"));
                return;
            }
        };
        // By a wall clock that was set back no time has passed: what was left then is left still, and not a moment more.
        let now = unix_millis().max(page.saved_at_ms);
        let age = Duration::from_millis(now.saturating_sub(page.saved_at_ms));
        for entry in &page.circuits {
            match self.registry.find(&entry.name) {
                Some(circuit) => self.take_up(&circuit, entry, (age, now)),
                None => self.say(Level::Info, format!("circuit {} is not here any more", entry.name)),
            }
        }
    }

    fn take_up(&self, circuit: &CircuitBreaker, entry: &Entry, (age, now): (Duration, u64)) {
        let name = &entry.name;
        let left = Duration::from_millis(entry.retry_at_ms.saturating_sub(now)).min(LONGEST_HOLD);
        let state = named(&entry.state);
        if state != State::Closed && age > OLDEST {
            self.say(Level::Info, format!("circuit {name} was open {age:.0?} ago: too long to say anything"));
        } else if state != State::Closed {
            let saved = Saved {
                state,
                left_nanos: left.as_nanos().try_into().unwrap_or(u64::MAX),
                streak: entry.streak,
                last_wait_nanos: entry.last_wait_nanos,
            };
            // What is left is worked out already.
            circuit.restore(saved, Duration::ZERO, Duration::MAX);
            let line = match left.is_zero() {
                true => "was open, and its wait ended while nobody ran: probes at once".to_owned(),
                false => format!("is open still; probes in {:.1} s", left.as_secs_f64()),
            };
            self.say(Level::Info, format!("circuit {name} {line}"));
        }
        let Some(held) = &entry.hold else { return };
        let left = Duration::from_millis(held.expires_at_ms.saturating_sub(now)).min(LONGEST_HOLD);
        let mode = [Mode::ForcedOpen, Mode::ForcedClosed, Mode::Disabled, Mode::Shadow]
            .into_iter()
            .find(|mode| mode.as_str() == held.mode);
        match mode {
            Some(mode) if !left.is_zero() => {
                circuit.hold_for(mode, held.actor.clone(), held.reason.clone(), left);
            }
            _ => {
                let (mode, actor) = (&held.mode, &held.actor);
                self.say(Level::Info, format!("circuit {name}: the hold {mode} of {actor} ended meanwhile"));
            }
        }
    }

    /// Writes what changes, until told to stop.
    pub(crate) fn keep(&self, mut stop: watch::Receiver<Option<Duration>>) -> io::Result<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut written = None;
            loop {
                let entries = self.entries();
                if written.as_ref() != Some(&entries) && self.write(&entries) {
                    written = Some(entries);
                }
                tokio::select! {
                    () = pause(LOOK) => {}
                    _ = stop.wait_for(Option::is_some) => return,
                }
            }
        });
        Ok(0)
    }

    /// Writes how it stands now.
    pub(crate) fn save(&self) {
        self.write(&self.entries());
    }

    fn entries(&self) -> Vec<Entry> {
        let (now, wall) = (self.registry.clock().now(), unix_millis());
        // To a tenth of a second: a moment that is worked out anew is a little another each time.
        let at = |time: Time| (wall + time.since(now).as_millis() as u64) / 100 * 100;
        let entry = |circuit: &CircuitBreaker| {
            let hold = circuit.snapshot().hold;
            let saved = circuit.save();
            let retry_at = now.plus_nanos(saved.left_nanos);
            let is_told = saved.state != State::Closed || hold.is_some();
            is_told.then(|| Entry {
                name: circuit.name().to_string(),
                state: saved.state.as_str().into(),
                // A wait that is over has no moment any more: one would be another at every look.
                retry_at_ms: if saved.left_nanos == 0 { 0 } else { at(retry_at) },
                streak: saved.streak,
                last_wait_nanos: saved.last_wait_nanos,
                hold: hold.map(|hold| Held {
                    mode: hold.mode.as_str().into(),
                    actor: hold.actor.clone(),
                    reason: hold.reason.clone(),
                    expires_at_ms: if hold.expires == Time::NEVER { u64::MAX } else { at(hold.expires) },
                }),
            })
        };
        self.registry.all().iter().filter_map(entry).collect()
    }

    fn read(&self) -> io::Result<Page> {
        let file = File::open(&self.path)?;
        if file.metadata()?.len() > LONGEST {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is too long"));
        }
        let page: Page = serde_json::from_reader(io::BufReader::new(file))?;
        match page.version {
            VERSION => Ok(page),
            other => Err(io::Error::new(ErrorKind::InvalidData, format!("it is of version {other}"))),
        }
    }

    /// Whether it could be written. There is a whole file at any time, the old one or the new one.
    fn write(&self, entries: &[Entry]) -> bool {
        let page = Page { version: VERSION, saved_at_ms: unix_millis(), circuits: entries.to_vec() };
        let written = serde_json::to_vec_pretty(&page).map_err(io::Error::from).and_then(|text| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            let mut file = owners_alone(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        });
        if let Err(error) = &written {
            let path = self.path.display();
            self.say(Level::Error, format!("failed to write the state of circuits to {path}: {error}"));
        }
        written.is_ok()
    }

    fn say(&self, level: Level, line: String) {
        self.journal.say(level, format!("fusebox: {line}"));
    }
}

fn owners_alone(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn named(state: &str) -> State {
    [State::Open, State::HalfOpen].into_iter().find(|known| known.as_str() == state).unwrap_or(State::Closed)
}
