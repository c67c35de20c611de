//! Kept answers: what may be kept, how long it is fresh, how long it will still do, and who fetches it anew.
//!
//! A store for values is somebody else's business; what is judged here is a moment against two spans. A kept answer is
//! *fresh* at first, then *stale*, which is better than nothing when the dependency fails, and then *expired*, which is
//! nothing. No verdict of ours ever throws an answer out before that: a refresh that fails leaves what there was.
//!
//! One caller at a time refreshes an entry ([`Refresh`]); the others have the stale answer meanwhile. After a failed refresh
//! nobody tries for a while, so that an entry that everybody reads is not a call for everybody.

mod admission;
mod counters;
mod refresh;

pub use admission::{Candidate, NotKept};
pub use counters::{Count, Counters, Snapshot};
pub use refresh::Refresh;

use crate::Time;
use crate::breaker::ConfigError;
use crate::outcome::Source;
use crate::retry::{Backoff, Jitter};
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Stores count an entry's weight in 32 bits.
const HEAVIEST: u64 = u32::MAX as u64;
/// Without a bound of its own, one entry may have this part of the room.
const ENTRY_SHARE: u64 = 8;

/// A cache's configuration, unchecked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How long an answer is as good as a live one. Default: 60 s.
    pub fresh_for: Duration,
    /// How long after that it may still stand in for one. Default: 1 h.
    pub stale_for: Duration,
    /// Room for all entries, in bytes. Default: 64 MiB.
    pub max_bytes: u64,
    /// Room that one entry may take, in bytes. Default: an eighth of `max_bytes`, and below 4 GiB.
    pub max_entry_bytes: Option<u64>,
    /// Look before calling, too. Default: off; kept answers are fallbacks only.
    pub read_through: bool,
    /// The wait after a failed refresh, when `read_through` is on. Default: 1 s, doubled up to 30 s, equal jitter.
    pub refresh: Backoff,
}

impl Default for Config {
    fn default() -> Self {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(30));
        Config {
            fresh_for: Duration::from_secs(60),
            stale_for: Duration::from_secs(3_600),
            max_bytes: 64 << 20,
            max_entry_bytes: None,
            read_through: false,
            refresh: Backoff { base, multiplier: 2.0, max, jitter: Jitter::Equal },
        }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Config);

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.0
    }

    /// The heaviest entry there is room for, in bytes.
    pub fn max_entry_bytes(&self) -> u64 {
        let share = (self.0.max_bytes / ENTRY_SHARE).clamp(1, HEAVIEST);
        self.0.max_entry_bytes.unwrap_or(share)
    }
}

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// All the settings that can never work.
    pub fn check(self) -> Result<Settings, Vec<ConfigError>> {
        let mut wrong = Vec::new();
        let mut refuse = |field, found: String, accepted: &str| {
            wrong.push(ConfigError { field, found, accepted: accepted.into() });
        };
        let Backoff { base, multiplier, max, .. } = self.refresh;
        if self.fresh_for.is_zero() && self.stale_for.is_zero() {
            refuse("stale_for", "0s".into(), "longer than nothing, where fresh_for is 0s too,");
        }
        for (field, span) in [("fresh_for", self.fresh_for), ("stale_for", self.stale_for)] {
            if nanos(span) == u64::MAX {
                refuse(field, format!("{span:?}"), "a duration below 584 years");
            }
        }
        if self.max_bytes == 0 {
            refuse("max_bytes", "0".into(), "1 or more");
        }
        if let Some(most) = self.max_entry_bytes
            && !(1..=self.max_bytes.min(HEAVIEST)).contains(&most)
        {
            refuse("max_entry_bytes", format!("{most}"), "from 1 to max_bytes, and below 4 GiB,");
        }
        if base.is_zero() {
            refuse("refresh.base", "0s".into(), "longer than nothing");
        }
        if !(multiplier.is_finite() && multiplier >= 1.0) {
            refuse("refresh.multiplier", format!("{multiplier}"), "a number of 1 or more");
        }
        if max < base {
            refuse("refresh.max", format!("{max:?}"), "refresh.base or longer");
        }
        if nanos(max) == u64::MAX {
            refuse("refresh.max", format!("{max:?}"), "a duration below 584 years");
        }
        if wrong.is_empty() { Ok(Settings(self)) } else { Err(wrong) }
    }
}

/// How long one entry keeps, in nanoseconds from the moment it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    stale_after: u64,
    expires_after: u64,
}

impl Terms {
    /// Fresh for the one span and stale for the other after it.
    pub fn new(fresh_for: Duration, stale_for: Duration) -> Self {
        let stale_after = nanos(fresh_for);
        Terms { stale_after, expires_after: stale_after.saturating_add(nanos(stale_for)) }
    }

    /// How long it is fresh.
    pub fn fresh_for(self) -> Duration {
        Duration::from_nanos(self.stale_after)
    }

    /// How long it is an answer at all, fresh and then stale.
    pub fn keeps_for(self) -> Duration {
        Duration::from_nanos(self.expires_after)
    }

    /// What an entry stored at `stored_at` is worth at `now`. Stale when it is as old as `fresh_for`, expired when it is as
    /// old as both spans together.
    ///
    /// ```
    /// use fusebox_core::{Time, cache::{Judgement, Terms}};
    /// use core::time::Duration;
    ///
    /// let terms = Terms::new(Duration::from_secs(60), Duration::from_secs(3_600));
    /// let judged = |secs| terms.judge(Time::ZERO, Time::from_secs(secs));
    /// assert_eq!(judged(59), Judgement::Fresh);
    /// assert_eq!(judged(60), Judgement::Stale { age: Duration::from_secs(60) });
    /// assert_eq!(judged(3_660), Judgement::Expired);
    /// ```
    pub fn judge(self, stored_at: Time, now: Time) -> Judgement {
        self.judge_aged(Duration::ZERO, stored_at, now)
    }

    /// As [`judge`](Self::judge), for an entry that had this age already when it was stored here: it was stored elsewhere
    /// before.
    pub fn judge_aged(self, aged: Duration, stored_at: Time, now: Time) -> Judgement {
        match now.nanos_since(stored_at).saturating_add(nanos(aged)) {
            age if age < self.stale_after => Judgement::Fresh,
            age if age < self.expires_after => Judgement::Stale { age: Duration::from_nanos(age) },
            _ => Judgement::Expired,
        }
    }
}

/// What a kept answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// As good as a live one.
    Fresh,
    /// Better than nothing.
    Stale {
        /// How long ago it was live.
        age: Duration,
    },
    /// Nothing.
    Expired,
}

impl Judgement {
    /// The source that an answer with it names; `None` where there is no answer.
    pub const fn source(self) -> Option<Source> {
        match self {
            Judgement::Fresh => Some(Source::Cached),
            Judgement::Stale { age } => Some(Source::Stale { age }),
            Judgement::Expired => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let wrong = Config {
            fresh_for: Duration::ZERO,
            stale_for: Duration::ZERO,
            max_bytes: 0,
            max_entry_bytes: Some(9),
            read_through: true,
            refresh: Backoff {
                base: Duration::ZERO,
                multiplier: 0.5,
                max: Duration::MAX,
                jitter: Jitter::None,
            },
        };
        let wrong = wrong.check().expect_err("can not work");
        let fields: Vec<_> = wrong.iter().map(|e| e.field).collect();
        let expected = [
            "stale_for",
            "max_bytes",
            "max_entry_bytes",
            "refresh.base",
            "refresh.multiplier",
            "refresh.max",
        ];
        assert_eq!(fields, expected);
        let endless = Config { fresh_for: Duration::MAX, ..Config::default() }.check();
        assert_eq!(endless.expect_err("too long")[0].field, "fresh_for");
    }

    #[test]
    fn one_entry_has_an_eighth_of_the_room_unless_told() {
        let room = |max_bytes, max_entry_bytes| {
            let config = Config { max_bytes, max_entry_bytes, ..Config::default() };
            config.check().expect("works").max_entry_bytes()
        };
        assert_eq!(room(64 << 20, None), 8 << 20);
        assert_eq!(room(64 << 20, Some(64 << 20)), 64 << 20);
        assert_eq!(room(1, None), 1);
        assert_eq!(room(u64::MAX, None), HEAVIEST);
    }

    #[test]
    fn spans_are_half_open_and_saturate() {
        let terms = Terms::new(Duration::ZERO, Duration::from_secs(1));
        let at = Time::from_secs(7);
        assert_eq!(terms.judge(at, at), Judgement::Stale { age: Duration::ZERO });
        assert_eq!(terms.judge(at, Time::from_secs(8)), Judgement::Expired);
        assert_eq!(terms.judge(at, Time::ZERO), Judgement::Stale { age: Duration::ZERO }, "a stale clock");
        let never_stale = Terms::new(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(never_stale.judge(at, Time::from_secs(8)), Judgement::Expired);
        let long = Terms::new(Duration::MAX, Duration::MAX);
        assert_eq!(long.judge(Time::ZERO, Time::from_secs(1 << 30)), Judgement::Fresh);
    }

    #[test]
    fn an_entry_from_elsewhere_goes_on_from_the_age_it_came_with() {
        let terms = Terms::new(Duration::from_secs(60), Duration::from_secs(3_600));
        let judged =
            |aged, secs| terms.judge_aged(Duration::from_secs(aged), Time::ZERO, Time::from_secs(secs));
        assert_eq!(judged(50, 9), Judgement::Fresh);
        assert_eq!(judged(50, 10), Judgement::Stale { age: Duration::from_secs(60) });
        assert_eq!(judged(3_659, 1), Judgement::Expired);
        assert_eq!(terms.judge_aged(Duration::MAX, Time::ZERO, Time::NEVER), Judgement::Expired);
        assert_eq!((terms.fresh_for().as_secs(), terms.keeps_for().as_secs()), (60, 3_660));
    }

    #[test]
    fn the_source_says_how_old_a_stale_answer_is() {
        let age = Duration::from_secs(90);
        assert_eq!(Judgement::Fresh.source(), Some(Source::Cached));
        assert_eq!(Judgement::Stale { age }.source(), Some(Source::Stale { age }));
        assert_eq!(Judgement::Expired.source(), None);
    }
}
