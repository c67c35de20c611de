//! `[service.priority]`: where a call's priority stands.

use super::chain::PriorityRule;
use super::header;
use super::keys::PRIORITY;
use super::reader::Entry;
use fusebox_core::Priority;

/// The rule that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<PriorityRule> {
    let t = entry.table(&PRIORITY, "a table, as { header = \"x-priority\" }, or false for off")?;
    if t.entry("header").is_none() {
        t.missing("header", "the name of the request header that has it");
    }
    let header = t.entry("header").and_then(|e| header::name(&e));
    let default = t.or("default", Priority::Normal, |e| e.word(&Priority::ALL));
    Some(PriorityRule { header: header?, default: default? })
}
