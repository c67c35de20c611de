//! Randomness as an argument.

use crate::sync::{Mutex, lock};

/// A seeded generator for jitter and picks.
///
/// Deliberately not `Clone`: two clones would draw the same jitter to the nanosecond and send a fleet's probes
/// out in step. Children are [forked](Rng::fork) by drawing a seed.
#[derive(Debug)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The generator that `seed` names. The same seed draws the same numbers on every machine.
    pub fn seeded(seed: u64) -> Self {
        Rng(fastrand::Rng::with_seed(seed))
    }

    /// A child with a stream of its own.
    pub fn fork(&mut self) -> Self {
        Rng::seeded(self.0.u64(..))
    }

    /// A number between 0 and `most`, both included.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.0.u64(..=most)
    }
}

/// One generator for many threads. Taken only for the draw itself.
#[derive(Debug)]
pub struct SharedRng(Mutex<Rng>);

impl SharedRng {
    /// Shares `rng`.
    pub fn new(rng: Rng) -> Self {
        SharedRng(Mutex::new(rng))
    }

    /// A child with a stream of its own.
    pub fn fork(&self) -> Rng {
        lock(&self.0).fork()
    }

    /// A number between 0 and `most`, both included.
    pub fn up_to(&self, most: u64) -> u64 {
        lock(&self.0).up_to(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_one_parent_draw_different_numbers() {
        let mut root = Rng::seeded(7);
        let (mut a, mut b) = (root.fork(), root.fork());
        assert_ne!(a.up_to(u64::MAX), b.up_to(u64::MAX));
    }

    #[test]
    fn one_seed_is_one_stream() {
        let draw = |seed| Rng::seeded(seed).fork().up_to(u64::MAX);
        assert_eq!(draw(42), draw(42));
    }
}
