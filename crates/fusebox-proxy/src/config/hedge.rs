//! `[service.hedge]`: a second attempt beside a slow one.

use super::keys::{AFTER, HEDGE, HEDGE_BUDGET};
use super::reader::Entry;
use super::retry;
use fusebox_core::hedge::{After, Config, Settings};
use fusebox_core::retry::BudgetConfig;
use std::time::Duration;

/// The hedge that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<Settings> {
    let t = entry.table(&HEDGE, "a table, as { after = \"50ms\" }, or false for off")?;
    let after = t.or("after", After::default(), after);
    let budget = t.or("budget", BudgetConfig::default(), |e| {
        retry::shares(&e.table(&HEDGE_BUDGET, "a table, as { ratio = 0.1 }: hedges always have a budget")?)
    });
    t.checked(Config { after: after?, budget: budget? }.check(), &[])
}

fn after(e: &Entry<'_>) -> Option<After> {
    if e.is_text() {
        return e.duration().map(After::Fixed);
    }
    let t = e.table(&AFTER, "a duration, as \"50ms\", or a table, as { percentile = 0.95 }")?;
    let (least, longest) = (Duration::from_millis(10), Duration::from_secs(1));
    let percentile = t.or("percentile", 0.95, |e| e.number("a share between 0 and 1"));
    let min = t.or("min", least, Entry::duration);
    let max = t.or("max", longest.max(min.unwrap_or(least)), Entry::duration);
    let start = t.or("start", max.unwrap_or(longest), Entry::duration);
    Some(After::Percentile { percentile: percentile?, min: min?, max: max?, start: start? })
}
