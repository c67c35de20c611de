//! `[service.rate_limiter]`: a quota.

use super::chain::Limiter;
use super::header;
use super::keys::RATE_LIMITER;
use super::reader::Entry;
use fusebox_core::limiter::Config;

const COUNT: &str = "a whole number of 1 or more";

/// The quota that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<Limiter> {
    let t = entry.table(&RATE_LIMITER, "a table, as { permits = 100, per = \"1s\" }, or false for off")?;
    let usual = Config::default();
    let permits = t.or("permits", usual.permits, |e| e.whole(COUNT));
    let per = t.or("per", usual.per, Entry::duration);
    let burst = t.or("burst", usual.burst, |e| e.whole(COUNT));
    let max_wait = t.or("max_wait", usual.max_wait, Entry::duration);
    let max_keys = t.or("max_keys", usual.max_keys, |e| e.whole("a whole number from 1 to 10000000"));
    let key = t.or("key", None, |e| header::key(e).map(Some));
    t.only_beside("max_keys", "key", "without a key all calls share one quota");
    let (permits, per, burst, max_wait, key, max_keys) = (permits?, per?, burst?, max_wait?, key?, max_keys?);
    let config = Config { permits, per, burst, max_wait, keyed: key.is_some(), max_keys };
    let settings = t.checked(config.check(), &[])?;
    Some(Limiter { settings, key })
}
