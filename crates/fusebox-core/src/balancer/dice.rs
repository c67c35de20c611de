//! Draws for picks, without a lock.
//!
//! A pick draws two to four numbers. The balancer's own counter hands every pick a number of its own, seeded once from
//! the driver's generator; SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014)
//! makes of it as many as the pick needs.

use crate::SharedRng;
use crate::sync::{AtomicU64, Relaxed};

/// From one pick's number to the next one's.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
/// From one draw of a pick to the next: another step, or a pick's second draw would be its successor's first.
const STEP: u64 = 0xd134_2543_de82_ef95;

/// The balancer's dice.
#[derive(Debug, Default)]
pub(super) struct Dice(AtomicU64);

/// One pick's draws. A pick that draws nothing touches nothing.
#[derive(Debug)]
pub(super) struct Draws<'a> {
    dice: &'a Dice,
    rng: &'a SharedRng,
    /// 0 until the first draw.
    word: u64,
}

impl Dice {
    #[inline]
    pub(super) fn roll<'a>(&'a self, rng: &'a SharedRng) -> Draws<'a> {
        Draws { dice: self, rng, word: 0 }
    }
}

impl Draws<'_> {
    #[inline]
    fn next(&mut self) -> u64 {
        if self.word == 0 {
            self.begin();
        }
        self.word = self.word.wrapping_add(STEP);
        mixed(self.word)
    }

    /// Takes a number that no other pick has, far from its neighbours'.
    #[inline]
    fn begin(&mut self) {
        self.word = self.dice.0.fetch_add(GAMMA, Relaxed);
        if self.word == 0 {
            self.word = self.seed();
        }
    }

    #[cold]
    fn seed(&self) -> u64 {
        let seed = self.rng.up_to(u64::MAX);
        self.dice.0.store(seed, Relaxed);
        seed ^ GAMMA
    }

    /// A number below `bound`; 0 if that is 0.
    #[inline]
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[inline]
const fn mixed(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn rolls(seed: u64) -> [u64; 1000] {
        let (dice, rng) = (Dice::default(), SharedRng::new(Rng::seeded(seed)));
        core::array::from_fn(|_| dice.roll(&rng).below(10))
    }

    #[test]
    fn one_seed_is_one_stream_and_another_is_another() {
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn every_side_comes_up_about_as_often() {
        for side in 0..10 {
            let times = rolls(3).iter().filter(|roll| **roll == side).count();
            assert!((60..140).contains(&times), "{side} came up {times} times of 1,000");
        }
    }

    #[test]
    fn nothing_is_below_nothing() {
        let (dice, rng) = (Dice::default(), SharedRng::new(Rng::seeded(1)));
        assert_eq!([0, 1].map(|bound| dice.roll(&rng).below(bound)), [0, 0]);
    }
}
