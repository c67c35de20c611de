//! `[log]`: what is worth a line.

use super::keys::LOG;
use super::reader::Table;
use fusebox::admin::Level;

/// The levels, as they are written.
const LEVELS: [(&str, Level); 4] =
    [("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)];

/// The level of the log.
pub(super) fn read(top: &Table<'_>) -> Level {
    let table = top.entry("log").and_then(|entry| entry.table(&LOG, "a table, as [log]"));
    table.and_then(|table| table.entry("level")?.word(&LEVELS)).unwrap_or(Level::Info)
}
