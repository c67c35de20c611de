//! What may be kept.

use super::{Settings, Terms};
use core::fmt;
use core::time::Duration;

/// What a good answer says of being kept. For HTTP, a driver fills it from the method and from `Cache-Control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The call only reads. What a write answers is true once. Default: yes.
    pub reads: bool,
    /// The answer must not be kept (`no-store`). Default: no.
    pub forbidden: bool,
    /// The answer is for its caller only (`private`, or a request with `Authorization`). Default: no.
    pub private: bool,
    /// How long it says it is fresh (`max-age`), in place of the cache's setting.
    pub fresh_for: Option<Duration>,
    /// How long it says it may be stale (`stale-if-error`), in place of the cache's setting.
    pub stale_for: Option<Duration>,
}

impl Default for Candidate {
    /// What may be kept, on the cache's own terms.
    fn default() -> Self {
        Candidate { reads: true, forbidden: false, private: false, fresh_for: None, stale_for: None }
    }
}

/// Why an answer was not kept. Reads after "failed to".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotKept {
    /// The call did more than read.
    Writes,
    /// The answer forbids it.
    Forbidden,
    /// The answer is for one caller, and its key is everybody's.
    Private,
    /// It would be expired at once.
    NoTime,
    /// It is too heavy.
    TooLarge {
        /// Its weight in bytes.
        bytes: u64,
        /// The most that one entry may weigh.
        most: u64,
    },
    /// The code that weighs or judges it panicked.
    Panicked,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keep the answer: ")?;
        match self {
            NotKept::Writes => f.write_str("the call does more than read"),
            NotKept::Forbidden => f.write_str("the answer forbids it"),
            NotKept::Private => f.write_str("the answer is for one caller, and its key is shared"),
            NotKept::NoTime => f.write_str("it would be expired at once"),
            NotKept::TooLarge { bytes, most } => {
                write!(f, "it takes {bytes} bytes, where one entry may take {most}")
            }
            NotKept::Panicked => f.write_str("the code that weighs or judges it panicked"),
        }
    }
}

impl core::error::Error for NotKept {}

impl Settings {
    /// Whether an answer of so many `bytes` may be kept, under a key that is `shared` by all callers or not, and how long.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn admit(&self, candidate: &Candidate, shared: bool, bytes: u64) -> Result<Terms, NotKept> {
        let most = self.max_entry_bytes();
        let fresh_for = candidate.fresh_for.unwrap_or(self.config().fresh_for);
        let stale_for = candidate.stale_for.unwrap_or(self.config().stale_for);
        match candidate {
            Candidate { reads: false, .. } => Err(NotKept::Writes),
            Candidate { forbidden: true, .. } => Err(NotKept::Forbidden),
            Candidate { private: true, .. } if shared => Err(NotKept::Private),
            _ if fresh_for.is_zero() && stale_for.is_zero() => Err(NotKept::NoTime),
            _ if bytes > most => Err(NotKept::TooLarge { bytes, most }),
            _ => Ok(Terms::new(fresh_for, stale_for)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::cache::{Config, Judgement};

    fn admit(candidate: Candidate, shared: bool, bytes: u64) -> Result<Terms, NotKept> {
        let settings = Config { max_bytes: 800, ..Config::default() }.check().expect("works");
        settings.admit(&candidate, shared, bytes)
    }

    #[test]
    fn a_private_answer_is_kept_for_its_caller_only() {
        let private = Candidate { private: true, ..Candidate::default() };
        assert_eq!(admit(private, true, 1), Err(NotKept::Private));
        assert!(admit(private, false, 1).is_ok());
        assert!(admit(Candidate::default(), true, 1).is_ok());
    }

    #[test]
    fn what_must_not_be_kept_says_why() {
        let kept = Candidate::default();
        let zero = Some(Duration::ZERO);
        assert_eq!(admit(Candidate { reads: false, ..kept }, false, 1), Err(NotKept::Writes));
        assert_eq!(admit(Candidate { forbidden: true, ..kept }, false, 1), Err(NotKept::Forbidden));
        assert_eq!(
            admit(Candidate { fresh_for: zero, stale_for: zero, ..kept }, false, 1),
            Err(NotKept::NoTime)
        );
        assert!(admit(kept, false, 100).is_ok());
        let heavy = admit(kept, false, 101);
        assert_eq!(heavy, Err(NotKept::TooLarge { bytes: 101, most: 100 }));
    }

    #[test]
    fn an_answer_may_name_its_own_spans() {
        let short = Candidate { fresh_for: Some(Duration::from_secs(5)), ..Candidate::default() };
        let terms = admit(short, false, 1).expect("kept");
        assert_eq!(terms.judge(Time::ZERO, Time::from_secs(4)), Judgement::Fresh);
        assert_ne!(terms.judge(Time::ZERO, Time::from_secs(5)), Judgement::Fresh);
        assert_ne!(terms.judge(Time::ZERO, Time::from_secs(3_604)), Judgement::Expired);
        assert_eq!(terms.judge(Time::ZERO, Time::from_secs(3_605)), Judgement::Expired);
    }
}
