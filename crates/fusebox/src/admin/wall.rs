//! The wall clock, for people and for metrics that speak of dates.
//!
//! Circuits live on a monotonic clock without a date. A date is put to one of its moments when somebody asks: now on the
//! wall, and as far from it as the moment is from now on the circuits' clock. A step of the wall clock therefore moves
//! every date told and nothing that a circuit does.

use crate::Time;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that RFC 3339 can write.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// One reading of the wall clock, beside the circuits' clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    /// Since 1970.
    date: Duration,
    now: Time,
}

impl Wall {
    /// Reads the wall clock; `now` is the same moment on the circuits' clock.
    #[expect(clippy::disallowed_methods, reason = "operators read dates, and a monotonic clock has none")]
    pub(crate) fn read(now: Time) -> Wall {
        // A wall clock before 1970 is not set; its dates are wrong whatever is done here.
        Wall { date: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), now }
    }

    /// The same moment on the circuits' clock.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// The date of now, since 1970.
    #[cfg(feature = "otlp")]
    pub(crate) fn today(&self) -> Duration {
        self.date
    }

    /// The date of `at`, since 1970; `None` for never.
    pub(crate) fn date(&self, at: Time) -> Option<Duration> {
        let date = self.date.saturating_add(at.since(self.now)).saturating_sub(self.now.since(at));
        (at != Time::NEVER).then_some(date.min(LAST))
    }

    /// The date of `at` as RFC 3339 writes it, in UTC, to the millisecond; `None` for never.
    pub(crate) fn rfc3339(&self, at: Time) -> Option<String> {
        self.date(at).map(|date| humantime::format_rfc3339_millis(UNIX_EPOCH + date).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Wall = Wall { date: Duration::from_secs(1_700_000_000), now: Time::from_secs(100) };

    #[test]
    fn moments_lie_as_far_from_now_on_the_wall_as_on_the_clock() {
        assert_eq!(WALL.rfc3339(Time::from_secs(100)).as_deref(), Some("2023-11-14T22:13:20.000Z"));
        assert_eq!(WALL.rfc3339(Time::from_millis(90_500)).as_deref(), Some("2023-11-14T22:13:10.500Z"));
        assert_eq!(WALL.rfc3339(Time::from_secs(130)).as_deref(), Some("2023-11-14T22:13:50.000Z"));
    }

    #[test]
    fn dates_end_where_their_notation_does() {
        assert_eq!(WALL.rfc3339(Time::NEVER), None);
        let last = Wall { date: LAST, now: Time::ZERO };
        assert_eq!(last.rfc3339(Time::from_secs(1)).as_deref(), Some("9999-12-31T23:59:59.000Z"));
        let unset = Wall { date: Duration::ZERO, now: Time::from_secs(9) };
        assert_eq!(unset.rfc3339(Time::ZERO).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
