//! `[service.throttle]`: sends less to a dependency that refuses much.

use super::keys::THROTTLE;
use super::reader::Entry;
use fusebox_core::throttle::{Config, Settings};

/// The throttle that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<Settings> {
    let t = entry.table(&THROTTLE, "a table, as { multiplier = 2.0 }, or false for off")?;
    let usual = Config::default();
    let window = t.or("window", usual.window, Entry::duration);
    let multiplier = t.or("multiplier", usual.multiplier, |e| e.number("a number from 1 to 100"));
    let minimum = t.or("minimum_requests", usual.minimum_requests, |e| e.whole("a whole number from 1 on"));
    let most = t.or("max_rejection", usual.max_rejection, |e| e.number("a share above 0, up to 0.999"));
    let (window, multiplier, minimum_requests, max_rejection) = (window?, multiplier?, minimum?, most?);
    t.checked(Config { window, multiplier, minimum_requests, max_rejection }.check(), &[])
}
