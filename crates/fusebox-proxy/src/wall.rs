//! The one place where the proxy reads the wall clock: to tell clients at what time of day to come back.

use std::time::{Duration, SystemTime};

/// The time of day `after` from now, as RFC 3339 writes it, in UTC.
#[expect(clippy::disallowed_methods, reason = "for display only; nothing is decided by it")]
pub(crate) fn rfc3339_in(after: Duration) -> Option<String> {
    let at = SystemTime::now().checked_add(after)?;
    // Later than the year 9999 has no form.
    let written = humantime::format_rfc3339_millis(at).to_string();
    (after < Duration::from_secs(86_400 * 365 * 100)).then_some(written)
}
