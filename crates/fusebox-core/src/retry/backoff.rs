//! The waits between attempts.

use crate::SharedRng;
use crate::time::nanos;
use core::time::Duration;

/// Exponential waits with jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait, before jitter. Default: 100 ms.
    pub base: Duration,
    /// The factor from one wait to the next. Default: 2.
    pub multiplier: f64,
    /// The longest wait. Default: 2 s.
    pub max: Duration,
    /// How waits are spread. Default: full.
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(2));
        Backoff { base, multiplier: 2.0, max, jitter: Jitter::Full }
    }
}

/// How waits are spread.
///
/// Full jitter finishes the same work with the fewest calls of the three: see M. Brooker, "Exponential Backoff
/// And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing to the whole wait.
    Full,
    /// Half of the wait, and anything up to the other half.
    Equal,
    /// The wait itself.
    None,
}

impl Backoff {
    /// The wait after the `failed`-th attempt (1 is the first), in nanoseconds.
    pub(crate) fn wait(&self, failed: u32, rng: &SharedRng) -> u64 {
        let whole = scaled(nanos(self.base), self.multiplier, failed.saturating_sub(1), nanos(self.max));
        match self.jitter {
            Jitter::Full => rng.up_to(whole),
            Jitter::Equal => whole / 2 + rng.up_to(whole - whole / 2),
            Jitter::None => whole,
        }
    }
}

/// `base × multiplier^steps`, at most `max`.
pub(crate) fn scaled(base: u64, multiplier: f64, steps: u32, max: u64) -> u64 {
    let mut wait = base as f64;
    for _ in 0..steps {
        wait *= multiplier;
        if wait >= max as f64 || multiplier <= 1.0 {
            break;
        }
    }
    (wait as u64).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn waits(jitter: Jitter) -> [u64; 6] {
        let rng = SharedRng::new(Rng::seeded(1));
        let backoff = Backoff { jitter, ..Backoff::default() };
        core::array::from_fn(|i| backoff.wait(i as u32 + 1, &rng) / 1_000_000)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(waits(Jitter::None), [100, 200, 400, 800, 1600, 2000]);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        for (full, (equal, whole)) in
            waits(Jitter::Full).into_iter().zip(waits(Jitter::Equal).into_iter().zip(waits(Jitter::None)))
        {
            assert!(full <= whole);
            assert!((whole / 2..=whole).contains(&equal));
        }
    }
}
