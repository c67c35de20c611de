//! Levels behind the cache: what other processes have kept, and what this one kept before it was restarted.
//!
//! The entries of a [`Cache`](super::Cache) are gone with its process, and each process has its own. A [`Level`] stands
//! behind them: [`Redis`](super::Redis) is shared, a [`CacheFile`](super::CacheFile) outlives the process, and a
//! [`SecondLevel`] of your own is what you make it. An answer is written there in the background, and is asked for there
//! when the first level has none and the dependency has failed. Nobody waits for a level that is in trouble: each stands
//! behind a circuit and a timeout of its own, and is a miss when it is down, slow, or says what is no answer.
//!
//! A level holds bytes. Whose and what they are is in them, beside their age and a checksum, so that an entry found under a
//! key that only hashes alike is a miss, and so is one of another version.

mod codec;
mod doomed;
mod level;
pub(super) mod record;
mod runtime;
mod tier;
pub(super) mod wall;
mod writer;

pub use codec::{Codec, Encoded};
pub use level::{Level, LevelBuilder};
pub(super) use runtime::wait;
pub(super) use tier::Tier;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The longest that an entry is kept in a level. One that says it keeps for longer is asked for anew by then.
pub const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What a level does, while it does it.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, LevelError>> + Send + 'a>>;

/// Keeps bytes for a [`Level`], which sees to timeouts, the circuit and the order of the writes.
pub trait SecondLevel: Send + Sync + 'static {
    /// The bytes at `place`. What is longer than `most` is cut, or left out.
    fn get<'a>(&'a self, place: &'a Place, most: usize) -> Work<'a, Option<Vec<u8>>>;

    /// Does these, in their order. Any of them may be done again after an error.
    fn apply(&self, writes: Vec<Write>) -> Work<'_, ()>;
}

/// Where an entry is, by names of 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The entry's own.
    pub entry: String,
    /// That of all entries which are forgotten together, where it is one of several.
    pub group: Option<String>,
}

/// A change.
#[derive(Clone, Debug)]
pub enum Write {
    /// Keep this there.
    Put {
        /// Where.
        place: Place,
        /// The entry.
        bytes: Vec<u8>,
        /// It is nothing any more after that.
        keep_for: Duration,
    },
    /// Forget the whole group, or the entry where it is in none. What is put after this stays.
    Forget(Place),
}

/// Why a level has no answer. Reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelError {
    /// It cannot be reached or opened.
    Unavailable(String),
    /// It broke off, or is in no state to serve.
    Failed(String),
    /// It is well, and did not do this: it is full, say, or takes no writes. Says nothing to its circuit.
    Refused(String),
    /// It did not answer in time.
    TimedOut(Duration),
    /// What it holds is no entry that this version can read.
    Garbled,
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LevelError::Unavailable(why) => write!(f, "reach the second level: {why}"),
            LevelError::Failed(why) => write!(f, "use the second level: {why}"),
            LevelError::Refused(why) => write!(f, "have it done by the second level: {why}"),
            LevelError::TimedOut(span) => write!(f, "have an answer of the second level within {span:?}"),
            LevelError::Garbled => f.write_str("read what the second level holds: it is no entry of ours"),
        }
    }
}

impl std::error::Error for LevelError {}

impl Place {
    /// The place of these bytes, in the group of those.
    pub(crate) fn of(key: &[u8], group: Option<&[u8]>) -> Self {
        Place { entry: digest(key), group: group.map(digest) }
    }

    /// What is forgotten with it.
    pub(crate) fn forgotten(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.entry)
    }
}

/// FNV-1a with 128 bits. It bounds the length of keys and tells nobody from anybody: entries say themselves whose they are.
fn digest(bytes: &[u8]) -> String {
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME);
    format!("{:032x}", bytes.iter().fold(FNV_BASIS, step))
}

const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_published_hash() {
        assert_eq!(digest(b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(digest(b"a"), "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn what_is_in_a_group_is_forgotten_with_it() {
        assert_eq!(Place::of(b"a", None).forgotten(), digest(b"a"));
        assert_eq!(Place::of(b"a", Some(b"g")).forgotten(), digest(b"g"));
    }
}
