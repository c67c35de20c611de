//! `fusebox queue ...`

use super::operate::Reach;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where the queue is, and what to do with it.
#[derive(Debug, Args)]
pub(crate) struct Queue {
    #[command(flatten)]
    pub(crate) at: At,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

/// Where the queue is.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The queue's file; while a process has it, it is only read
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["admin", "postgres"])]
    pub(crate) file: Option<PathBuf>,
    /// The database that has the queue, as postgres://user@host/database
    #[arg(long, value_name = "URL", global = true, conflicts_with = "admin")]
    pub(crate) postgres: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// What can be done with a queue.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Show how each queue stands
    #[command(
        after_help = "Examples:\n  fusebox queue stats\n  fusebox queue stats --file calls.queue --json"
    )]
    Stats,
    /// List calls, the oldest first
    #[command(after_help = LIST)]
    List {
        #[command(flatten)]
        filter: Which,
    },
    /// Show one call
    #[command(after_help = "Examples:\n  fusebox queue show 17")]
    Show {
        /// Its number
        id: u64,
    },
    /// Make waiting calls due at once
    #[command(after_help = "Examples:\n  fusebox queue retry 17 --reason \"provider fixed\"")]
    Retry(Orders),
    /// Take dead calls back into the queue
    #[command(after_help = REDRIVE)]
    Redrive(Orders),
    /// Declare waiting calls dead
    #[command(after_help = "Examples:\n  fusebox queue bury 17 --reason \"card stolen\"")]
    Bury(Orders),
    /// Call waiting calls off
    #[command(after_help = "Examples:\n  fusebox queue cancel --key order-17 --reason \"customer called\"")]
    Cancel(Orders),
    /// Erase calls that are dead, expired or cancelled
    #[command(after_help = PURGE)]
    Purge(Orders),
    /// Make nothing more of a queue
    #[command(after_help = "Examples:\n  fusebox queue pause payments --reason \"refunds first\"")]
    Pause(Whole),
    /// Make the calls of a queue again
    #[command(after_help = "Examples:\n  fusebox queue resume payments --reason \"refunds done\"")]
    Resume(Whole),
    /// Show what operators have done, the latest first
    #[command(after_help = "Examples:\n  fusebox queue audit")]
    Audit,
    /// Write every call as a line of JSON
    #[command(after_help = EXPORT)]
    Export {
        #[command(flatten)]
        filter: Which,
        /// With the calls themselves, in base64; not over the admin interface
        #[arg(long, conflicts_with = "admin")]
        payloads: bool,
    },
}

/// Which calls.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Which {
    /// Of this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// In this state: ready, leased, done, dead, expired or cancelled
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Of this class: low, normal, high or critical
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// That died of this: refused, max_attempts, crash_limit, ...
    #[arg(long, value_name = "REASON")]
    pub(crate) death: Option<String>,
    /// With this idempotency key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// So many at most
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// What to do to which calls, and why.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// Their numbers; else those that the options choose
    #[arg(value_name = "ID", conflicts_with_all = ["queue", "state", "class", "death", "key", "all"])]
    pub(crate) ids: Vec<u64>,
    #[command(flatten)]
    pub(crate) filter: Which,
    /// All that it can be done to
    #[arg(long)]
    pub(crate) all: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// A whole queue, and why.
#[derive(Debug, Args)]
pub(crate) struct Whole {
    /// The queue
    #[arg(value_name = "NAME")]
    pub(crate) queue: String,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// Who does it, and why: written down with what was done.
#[derive(Clone, Debug, Args)]
pub(crate) struct Why {
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who you are [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
}

impl Why {
    /// Who does it.
    pub(crate) fn actor(&self) -> String {
        actor(self.actor.as_deref())
    }
}

/// The name that was given, or that of whoever is logged in.
pub(crate) fn actor(named: Option<&str>) -> String {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    named.map(str::to_owned).or_else(user).unwrap_or_else(|| "unknown".into())
}

pub(super) const QUEUE: &str = "\
Deferred calls wait in a queue until their dependency is back; those that cannot
be made are dead, until somebody decides. Every change is written down with who
and why.

Examples:
  fusebox queue stats
  fusebox queue list --state dead
  fusebox queue show 17
  fusebox queue redrive 17 --reason \"card number corrected\"
  fusebox queue list --file calls.queue";

const LIST: &str = "\
Examples:
  fusebox queue list --state dead
  fusebox queue list --queue payments --class critical --json
  fusebox queue list --file calls.queue --key order-17";

const REDRIVE: &str = "\
A call that is taken back begins to count anew, keeps its key, and is asked for
before it is sent, if it may have been made already.

Examples:
  fusebox queue redrive 17 --reason \"card number corrected\"
  fusebox queue redrive --death refused --dry-run --reason \"provider was wrong\"
  fusebox queue redrive --all --reason \"provider fixed\"";

const PURGE: &str = "\
What may have reached its dependency stays for as long as its key matters: its
key would else be taken for a new one.

Examples:
  fusebox queue purge --state expired --dry-run --reason \"cleaning up\"
  fusebox queue purge --all --reason \"cleaning up\"";

const EXPORT: &str = "\
Examples:
  fusebox queue export --state dead > dead.jsonl
  fusebox queue export --file calls.queue --payloads > all.jsonl";
