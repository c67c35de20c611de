//! The one place where the proxy reads the wall clock: to tell clients at what time of day to come back, and to read
//! what a dependency says of it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// The time of day `after` from now, as RFC 3339 writes it, in UTC.
#[expect(clippy::disallowed_methods, reason = "for display only; nothing is decided by it")]
pub(crate) fn rfc3339_in(after: Duration) -> Option<String> {
    let at = SystemTime::now().checked_add(after)?;
    // Later than the year 9999 has no form.
    let written = humantime::format_rfc3339_millis(at).to_string();
    (after < Duration::from_secs(86_400 * 365 * 100)).then_some(written)
}

/// A moment as RFC 3339 writes it; nothing for what has no form, which is later than the year 9999.
pub(crate) fn rfc3339(at: SystemTime) -> Option<String> {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    (at <= last).then(|| humantime::format_rfc3339_millis(at).to_string())
}

/// Seconds since 1970 in UTC.
#[expect(clippy::disallowed_methods, reason = "whoever reads a signature asks when it was made")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Milliseconds since 1970 in UTC.
#[expect(clippy::disallowed_methods, reason = "what is kept over a restart has no other clock in common")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A `Retry-After` in seconds: a date is turned into the seconds until then, everything else is as it was.
#[expect(clippy::disallowed_methods, reason = "a date in a header means nothing without the time of day")]
pub(crate) fn in_seconds(retry_after: &str) -> Cow<'_, str> {
    match httpdate::parse_http_date(retry_after.trim()) {
        Ok(date) => {
            let left = date.duration_since(SystemTime::now()).unwrap_or_default();
            (left.as_secs() + u64::from(left.subsec_nanos() > 0)).to_string().into()
        }
        Err(_) => retry_after.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_seconds_until_then() {
        assert_eq!(in_seconds("Fri, 31 Dec 1999 23:59:59 GMT"), "0");
        let seconds: u64 = in_seconds("Fri, 31 Dec 9999 23:59:59 GMT").parse().expect("a number");
        assert!(seconds > 200_000_000_000, "{seconds}");
        assert_eq!(in_seconds(" 17 "), " 17 ");
    }
}
