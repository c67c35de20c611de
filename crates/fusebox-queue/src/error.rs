//! What can keep a store from doing what it was asked.

use std::path::PathBuf;
use thiserror::Error;

/// Why a store did not do it. Nothing that it has acknowledged before is lost. Reads after "failed to".
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// An item that no store takes.
    #[error("take the item: {field} is {found}, accepted: {accepted}")]
    Invalid {
        /// Which part of the item.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        accepted: &'static str,
    },
    /// There is no space left for a write. The store goes on once there is; nothing acknowledged is lost.
    #[error("write to {0}: the disk is full; free some space, the queue goes on by itself")]
    DiskFull(PathBuf),
    /// The file, or its folder, cannot be written to.
    #[error("write to {path}: {why}")]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system says, and what to do about it.
        why: String,
    },
    /// The file is no queue, or is damaged. It is left as it is.
    #[error(
        "read {path}: {why}; the file is left as it is. Restore it from a backup, or move it away to begin with an empty queue"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file, or the database's schema, was written by a later version.
    #[error("read {path}: its schema is version {found}, this version knows {known}; use a later fusebox")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// The file is on a file system whose locks cannot be relied on.
    #[error(
        "use {path}: it is on a network file system ({kind}), whose locks cannot be relied on; accepted: a local disk"
    )]
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// Which file system.
        kind: &'static str,
    },
    /// Another process has the file.
    #[error("use {0}: another process has it; one file has one owner")]
    Owned(PathBuf),
    /// Another owner has taken the file over. This one writes no more.
    #[error("write to {0}: another owner has taken the file over")]
    Fenced(PathBuf),
    /// The server that has the items does not answer. What was asked may have been done, or not; the store goes on by itself once
    /// the server is back.
    #[error("reach the database: {why}; nothing acknowledged is lost, and the queue goes on once it is back")]
    Unreachable {
        /// What the connection says.
        why: String,
    },
    /// The store does not do this; what it does, its [capabilities](crate::Capabilities) say.
    #[error("use the store for {what}: it does not do this; its capabilities say what it does")]
    Unsupported {
        /// What was wanted.
        what: &'static str,
    },
    /// The store may lose what it has acknowledged, and nobody has accepted that.
    #[error(
        "use the server: {found}, so a power cut takes what was acknowledged since its last sync, minutes of it by default; \
         accepted: `replicas` of 3 or more on a cluster, `server_syncs_always` for a server of 2.10 or later that runs with \
         `sync_interval: always`, or `accept_async_durability` to live with it"
    )]
    NotDurable {
        /// What keeps it from being durable.
        found: String,
    },
    /// The store's server does not answer, or cannot do it now. What was asked may have happened.
    #[error("reach the store's server: {0}")]
    Server(String),
    /// The store has stopped.
    #[error("reach the store: it has stopped")]
    Stopped,
    /// Anything else that the store's own library says.
    #[error("use the store: {0}")]
    Other(String),
}
