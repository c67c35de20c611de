//! What the process around the interface can do.

use serde::Serialize;
use std::fmt;

/// What the process that mounts the interface can do when an operator asks for it.
///
/// Every method answers `None` unless it is written: a program that has no configuration of its own to read again, say, leaves
/// [`reload`](Self::reload) away, and `POST /reload` answers 501. The methods are called on the thread that serves the interface, one
/// order at a time; none may wait for a call that circuits protect.
///
/// ```
/// use fusebox::admin::{Admin, Controls, Level};
/// use std::sync::Arc;
///
/// struct Program;
///
/// impl Controls for Program {
///     fn log_level(&self) -> Option<Level> {
///         Some(Level::Info)
///     }
/// }
///
/// let admin = Admin::new(fusebox::Registry::default()).with_controls(Arc::new(Program));
/// assert_eq!(admin.answer("GET", "/log-level").status, 200);
/// assert_eq!(admin.answer("GET", "/config").status, 404);
/// ```
pub trait Controls: Send + Sync + 'static {
    /// The configuration in force, secrets masked.
    fn config(&self) -> Option<ConfigShown> {
        None
    }

    /// Reads the configuration again and puts it in force; a dry run says what that would change and changes nothing.
    ///
    /// An order is tried dry first and written down, then carried out. What is wrong with the configuration comes back as sentences, and
    /// nothing has changed then.
    fn reload(&self, dry_run: bool) -> Option<Result<Reloaded, Vec<String>>> {
        let _ = dry_run;
        None
    }

    /// Begins to take no new calls, or takes them again; says which holds now.
    fn drain(&self, drain: bool) -> Option<bool> {
        let _ = drain;
        None
    }

    /// Whether no new calls are taken.
    fn draining(&self) -> Option<bool> {
        None
    }

    /// What is logged.
    fn log_level(&self) -> Option<Level> {
        None
    }

    /// Logs this and what is more important from now on; says what holds now.
    fn set_log_level(&self, level: Level) -> Option<Level> {
        let _ = level;
        None
    }
}

/// A process that can do nothing.
pub(crate) struct Nothing;

impl Controls for Nothing {}

/// A configuration, as operators may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigShown {
    /// Where it comes from: a file, usually.
    pub source: String,
    /// Its text, secrets masked.
    pub text: String,
}

/// What reading the configuration again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// What has changed, or would: a sentence each.
    pub changed: Vec<String>,
    /// What only a restart puts in force.
    pub restart_needed: Vec<String>,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What failed.
    Error,
    /// What may fail.
    Warn,
    /// What an operator wants to have seen.
    Info,
    /// Everything.
    Debug,
}

impl Level {
    /// Every level, the most important first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    /// The level as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level that is written so.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
