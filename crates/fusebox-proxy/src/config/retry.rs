//! `[service.retry]`: further attempts, their waits and their budget.

use super::keys::{BACKOFF, BUDGET, RETRY};
use super::reader::{Entry, Table};
use fusebox_core::retry::{Backoff, BudgetConfig, Config, Jitter, Settings};

const JITTERS: [(&str, Jitter); 3] =
    [("full", Jitter::Full), ("equal", Jitter::Equal), ("none", Jitter::None)];
const FACTOR: &str = "a number of 1 or more";

/// The retry that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<Settings> {
    let t = entry.table(&RETRY, "a table, as [service.retry], or false for off")?;
    let usual = Config::default();
    let max_attempts =
        t.entry("max_attempts").map(|e| e.whole("a whole number from 1 to 100, the first included"));
    let backoff = t.entry("backoff").map(|e| backoff(&e));
    let budget = t.entry("budget").map(|e| e.off_or(budget));
    let config = Config {
        max_attempts: max_attempts.unwrap_or(Some(usual.max_attempts))?,
        backoff: backoff.unwrap_or(Some(usual.backoff))?,
        budget: budget.unwrap_or(Some(usual.budget))?,
    };
    t.checked(config.check(), &[])
}

fn backoff(e: &Entry<'_>) -> Option<Backoff> {
    let t = e.table(&BACKOFF, "a table, as { base = \"100ms\", max = \"2s\" }")?;
    let usual = Backoff::default();
    let base = t.entry("base").map_or(Some(usual.base), |e| e.duration());
    let multiplier = t.entry("multiplier").map_or(Some(usual.multiplier), |e| e.number(FACTOR));
    let max = t.entry("max").map(|e| e.duration());
    let jitter = t.entry("jitter").map_or(Some(usual.jitter), |e| e.word(&JITTERS));
    let base = base?;
    Some(Backoff {
        base,
        multiplier: multiplier?,
        max: max.unwrap_or(Some(usual.max.max(base)))?,
        jitter: jitter?,
    })
}

fn budget(e: &Entry<'_>) -> Option<BudgetConfig> {
    shares(&e.table(&BUDGET, "a table, as { ratio = 0.1, floor_per_second = 1 }, or false for no budget")?)
}

/// A budget's share of first tries, and what is there without any.
pub(super) fn shares(t: &Table<'_>) -> Option<BudgetConfig> {
    let usual = BudgetConfig::default();
    let ratio = t.or("ratio", usual.ratio, |e| e.number("a share from 0 to 1"));
    let floor_per_second =
        t.or("floor_per_second", usual.floor_per_second, |e| e.number("a number from 0 on"));
    Some(BudgetConfig { ratio: ratio?, floor_per_second: floor_per_second? })
}
