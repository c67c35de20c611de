//! Who changed what, when and why, or tried to: lines of JSON that are only ever added, each sealed with the hash of the one before.
//!
//! A line is in the file, and the file on the disk, before what it tells of is done; what cannot be written down is not done. So the trail
//! may tell of an order that a crash came before, and never misses one. Refused attempts are written down too, but only so many in a
//! minute: the others are counted, and the next line that there is room for says how many they were.
//!
//! The chain makes an edit, a deletion and a change of order visible to [`verify`], to everybody who has the file, unless all that follows
//! was sealed anew. That, and that the newest lines were cut off, is visible to who knows a later hash from elsewhere: `GET /audit` tells
//! the newest as `head`.

mod entry;
mod file;
mod verify;

pub use entry::AuditEntry;
pub(super) use entry::Draft;
pub use file::AuditError;
pub use verify::{Broken, Verified, verify};

use crate::Time;
use entry::Chain;
use file::AuditFile;
use fusebox_core::limiter::{Config, RateLimiter};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

/// Lines that are kept at hand.
const AT_HAND: usize = 1_000;
/// Refused attempts that are written down in a minute, and at once after a pause.
const REFUSED: (u32, u32) = (60, 60);

/// The trail of what operators did. A cheap handle: clones write the same one.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    trail: Mutex<Trail>,
    refusals: RateLimiter,
    mended: Option<String>,
}

struct Trail {
    chain: Chain,
    recent: VecDeque<AuditEntry>,
    file: Option<AuditFile>,
    /// Refused attempts that nothing was written of.
    unwritten: u64,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Default for Audit {
    /// [`Audit::in_memory`].
    fn default() -> Self {
        Audit::in_memory()
    }
}

impl Audit {
    /// A trail of the last 1,000 lines that ends with the process.
    pub fn in_memory() -> Audit {
        Audit::new(Trail { chain: Chain::default(), recent: VecDeque::new(), file: None, unwritten: 0 }, None)
    }

    /// Goes on with the trail in the file at `path`, or begins one that its owner alone may read.
    ///
    /// The end of an existing trail is verified. A last line that a crash has torn is cut off, which the next line tells, and
    /// [`mended`](Self::mended): what it told of was never done. One process writes a file at a time.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where the file cannot be read or written, another process writes it, or its end is no chain.
    pub fn open(path: impl AsRef<Path>) -> Result<Audit, AuditError> {
        let opened = AuditFile::open(path.as_ref())?;
        let mut recent: VecDeque<_> = opened.recent.into();
        recent.drain(..recent.len().saturating_sub(AT_HAND));
        let trail = Trail { chain: opened.chain, recent, file: Some(opened.file), unwritten: 0 };
        let mended = opened.torn.as_ref().map(file::Torn::to_string);
        let audit = Audit::new(trail, mended);
        if let Some(torn) = opened.torn {
            audit
                .trail()
                .write(torn.draft())
                .map_err(|error| AuditError::new(path.as_ref(), error.to_string()))?;
        }
        Ok(audit)
    }

    fn new(trail: Trail, mended: Option<String>) -> Audit {
        let config = Config {
            permits: REFUSED.0,
            per: Duration::from_secs(60),
            burst: REFUSED.1,
            ..Config::default()
        };
        let refusals = RateLimiter::new(config.check().expect("the limit above can work"));
        Audit(Arc::new(Shared { trail: Mutex::new(trail), refusals, mended }))
    }

    /// What was cut off when the file was opened, if its last line was torn.
    pub fn mended(&self) -> Option<&str> {
        self.0.mended.as_deref()
    }

    /// The hash of the newest line; 64 zeros while there is none.
    pub fn head(&self) -> String {
        self.trail().chain.head().into()
    }

    /// The newest lines, the newest first.
    pub fn entries(&self, most: usize) -> Vec<AuditEntry> {
        self.trail().recent.iter().rev().take(most).cloned().collect()
    }

    /// The newest hash and the newest lines, of the same moment.
    pub(super) fn newest(&self, most: usize) -> (String, Vec<AuditEntry>) {
        let trail = self.trail();
        (trail.chain.head().into(), trail.recent.iter().rev().take(most).cloned().collect())
    }

    /// Writes down what is about to be done. If that fails, it must not be done.
    pub(super) fn write(&self, draft: Draft) -> io::Result<()> {
        let mut trail = self.trail();
        trail.settle(&draft)?;
        trail.write(draft)
    }

    /// Writes down what was refused, if there is room for it, and counts it otherwise.
    pub(super) fn refuse(&self, draft: Draft, now: Time) {
        let mut trail = self.trail();
        let has_room = self.0.refusals.admit(0, now, Time::NEVER).is_ok();
        if !has_room || trail.settle(&draft).and_then(|()| trail.write(draft)).is_err() {
            trail.unwritten += 1;
        }
    }

    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.0.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trail {
    /// Says how many refused attempts nothing was written of, before the next line.
    fn settle(&mut self, next: &Draft) -> io::Result<()> {
        if self.unwritten > 0 {
            self.write(Draft::unwritten(self.unwritten, next.at.clone()))?;
            self.unwritten = 0;
        }
        Ok(())
    }

    fn write(&mut self, draft: Draft) -> io::Result<()> {
        let (entry, line) = self.chain.seal(draft);
        if let Some(file) = &mut self.file {
            file.append(&line, entry.result != "refused")?;
        }
        self.chain.add(&entry);
        if self.recent.len() >= AT_HAND {
            self.recent.pop_front();
        }
        self.recent.push_back(entry);
        Ok(())
    }
}
