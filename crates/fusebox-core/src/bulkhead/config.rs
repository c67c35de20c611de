//! How much room there is, who may wait for it, and whom it is kept for.

use crate::breaker::ConfigError;
use crate::time::nanos;
use crate::{Priority, Ratio};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The largest capacity, and the heaviest weight: 128 TiB where a bulkhead counts bytes.
pub const MAX_CAPACITY: u64 = 1 << 47;
/// The longest queue.
const MAX_QUEUE: u32 = 1_000_000;

/// A bulkhead's configuration, unchecked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The capacity: calls at once, or whatever [`Ask::weight`](crate::Ask) counts. Default: 25.
    pub max_concurrent: u64,
    /// The longest a call waits for its place; zero refuses at once. Default: 100 ms.
    pub max_wait: Duration,
    /// Calls that wait at once; zero refuses at once. Default: 25.
    pub max_queue: u32,
    /// Which of the waiting is served first, among those of one priority. Default: the oldest.
    pub order: QueueOrder,
    /// How much of the places, and of the queue, one [`Ask::key`](crate::Ask) may hold. Default: all.
    pub max_per_key: Option<PerKey>,
    /// Up to which share of the capacity each priority may fill the bulkhead, lowest priority first. A call above its
    /// share is shed at once. Default: all of it; [`Config::SHEDDING`] is a beginning.
    pub shares: [f64; 4],
}

/// Which of the waiting is served first, among those of one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// The oldest; a call that finds the queue full is refused.
    #[default]
    Fifo,
    /// The newest; a call that finds the queue full takes the place of the oldest, which is refused. Under overload
    /// the served ones are served at once, instead of each one just before it gives up.
    Lifo,
}

/// How much one key may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PerKey {
    /// So much of the capacity, and the same share of the queue.
    Places(u64),
    /// This share of the capacity as it is now, and of the queue.
    Share(f64),
}

impl Config {
    /// Shares that keep room for what matters: Low may fill half, Normal 80 %, High 95 %, Critical all.
    pub const SHEDDING: [f64; 4] = [0.5, 0.8, 0.95, 1.0];
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_concurrent: 25,
            max_wait: Duration::from_millis(100),
            max_queue: 25,
            order: QueueOrder::Fifo,
            max_per_key: None,
            shares: [1.0; 4],
        }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    config: Config,
    shares: [Ratio; 4],
    per_key: Option<Ratio>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { config: Config::default(), shares: [Ratio::ONE; 4], per_key: None }
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
        let mut refuse = |field, found: String, accepted: String| {
            wrong.push(ConfigError { field, found, accepted });
        };
        let capacity = self.max_concurrent;
        if !(1..=MAX_CAPACITY).contains(&capacity) {
            let accepted = format!("a whole number from 1 to {MAX_CAPACITY}");
            refuse("max_concurrent", format!("{capacity}"), accepted);
        }
        if nanos(self.max_wait) == u64::MAX {
            refuse("max_wait", format!("{:?}", self.max_wait), "a duration below 584 years".into());
        }
        if self.max_queue > MAX_QUEUE {
            let accepted = format!("a whole number up to {MAX_QUEUE}");
            refuse("max_queue", format!("{}", self.max_queue), accepted);
        }
        let mut per_key = None;
        match self.max_per_key {
            Some(PerKey::Places(places)) if !(1..=capacity).contains(&places) => {
                let accepted = format!("a whole number from 1 to max_concurrent, which is {capacity}");
                refuse("max_per_key", format!("{places}"), accepted);
            }
            Some(PerKey::Share(share)) => {
                per_key = Ratio::new(share).filter(|share| *share > Ratio::ZERO);
                if per_key.is_none() {
                    refuse("max_per_key", format!("{share}"), "a share above 0, up to 1".into());
                }
            }
            Some(PerKey::Places(_)) | None => {}
        }
        let ratios = self.shares.map(|share| Ratio::new(share).unwrap_or(Ratio::ZERO));
        let [low, _, _, critical] = ratios;
        if low == Ratio::ZERO || !ratios.is_sorted() || critical != Ratio::ONE {
            let accepted = "four shares above 0 that do not fall from low to critical, the last 1".into();
            refuse("shares", format!("{:?}", self.shares), accepted);
        }
        if wrong.is_empty() { Ok(Settings { config: self, shares: ratios, per_key }) } else { Err(wrong) }
    }
}

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Up to where calls of this priority may fill `capacity`: one at least, however small their share.
    pub(super) fn limit(&self, priority: Priority, capacity: u64) -> u64 {
        self.shares[priority as usize].of(capacity).max(1)
    }

    /// How much of `capacity` one key may hold; `None` where keys do not count.
    pub(super) fn key_limit(&self, capacity: u64) -> Option<u64> {
        match self.config.max_per_key? {
            PerKey::Places(places) => Some(places),
            PerKey::Share(_) => Some(self.per_key?.of(capacity).max(1)),
        }
    }

    /// How many of one key may wait at once.
    pub(super) fn key_queue(&self, capacity: u64) -> u64 {
        let queue = u64::from(self.config.max_queue);
        match self.key_limit(capacity) {
            // Both fit: a queue has 20 bits, and a limit 47.
            Some(limit) => {
                (queue * limit.min(MAX_CAPACITY >> 4)).div_ceil(capacity.max(1)).clamp(1, queue.max(1))
            }
            None => queue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(config: Config) -> Vec<&'static str> {
        config.check().expect_err("can not work").iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let config = Config {
            max_concurrent: 0,
            max_wait: Duration::MAX,
            max_queue: u32::MAX,
            order: QueueOrder::Fifo,
            max_per_key: Some(PerKey::Places(3)),
            shares: [0.9, 0.8, 1.0, 1.0],
        };
        let expected = ["max_concurrent", "max_wait", "max_queue", "max_per_key", "shares"];
        assert_eq!(fields(config), expected);
    }

    #[test]
    fn a_class_that_never_gets_in_or_places_that_nobody_can_fill_are_refused() {
        for shares in [[0.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.9], [0.5, f64::NAN, 1.0, 1.0]] {
            assert_eq!(fields(Config { shares, ..Config::default() }), ["shares"]);
        }
        for share in [0.0, 1.5, f64::NAN] {
            let config = Config { max_per_key: Some(PerKey::Share(share)), ..Config::default() };
            assert_eq!(fields(config), ["max_per_key"]);
        }
    }

    #[test]
    fn a_key_has_the_same_share_of_the_queue_as_of_the_places() {
        let of = |max_per_key| {
            let config = Config { max_concurrent: 40, max_queue: 20, max_per_key, ..Config::default() };
            config.check().expect("works")
        };
        let places = of(Some(PerKey::Places(10)));
        assert_eq!((places.key_limit(40), places.key_queue(40)), (Some(10), 5));
        let share = of(Some(PerKey::Share(0.1)));
        assert_eq!((share.key_limit(40), share.key_queue(40)), (Some(4), 2));
        assert_eq!((share.key_limit(5), share.key_queue(5)), (Some(1), 4), "at least one place");
        assert_eq!((of(None).key_limit(40), of(None).key_queue(40)), (None, 20));
    }
}
