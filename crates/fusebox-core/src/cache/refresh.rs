//! Who fetches a stale entry anew.

use crate::retry::Backoff;
use crate::sync::{Mutex, lock};
use crate::{SharedRng, Time};

/// One entry's turn to be refreshed: single flight, with a wait after a failure.
///
/// The first caller who comes to a stale entry has the turn and makes the call; everybody who comes meanwhile has the
/// stale answer. A turn ends in one of three ways: the answer is stored, as a new entry with a turn of its own; it
/// [failed](Self::failed), and the old answer stays; or it was [given back](Self::give_back), because its caller went away.
#[derive(Debug, Default)]
pub struct Refresh(Mutex<Turn>);

#[derive(Debug, Default)]
struct Turn {
    taken: bool,
    /// Refreshes that failed in a row.
    failures: u32,
    not_before: Time,
}

impl Refresh {
    /// Takes the turn, if nobody has it and the last failure is long enough ago. Every turn taken must be ended.
    pub fn claim(&self, now: Time) -> bool {
        let mut turn = lock(&self.0);
        let free = !turn.taken && now >= turn.not_before;
        turn.taken |= free;
        free
    }

    /// The refresh failed: nobody tries again for one wait of `backoff`, and longer after each failure in a row.
    pub fn failed(&self, now: Time, backoff: &Backoff, rng: &SharedRng) {
        let failures = {
            let mut turn = lock(&self.0);
            turn.failures = turn.failures.saturating_add(1);
            turn.failures
        };
        let wait = backoff.wait(failures, rng);
        let mut turn = lock(&self.0);
        turn.not_before = now.plus_nanos(wait);
        turn.taken = false;
    }

    /// The caller with the turn is gone without a result: the next one has it.
    pub fn give_back(&self) {
        lock(&self.0).taken = false;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::retry::Jitter;
    use core::time::Duration;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        multiplier: 2.0,
        max: Duration::from_secs(5),
        jitter: Jitter::None,
    };

    #[test]
    fn one_has_the_turn_until_it_ends() {
        let refresh = Refresh::default();
        assert!(refresh.claim(Time::ZERO));
        assert!(!refresh.claim(Time::from_secs(999)), "however long it takes");
        refresh.give_back();
        assert!(refresh.claim(Time::ZERO), "the next one has it at once");
    }

    #[test]
    fn nobody_tries_for_a_while_after_a_failure() {
        let (refresh, rng) = (Refresh::default(), SharedRng::new(Rng::seeded(1)));
        let (mut now, mut waits) = (Time::from_secs(10), [0; 5]);
        for wait in &mut waits {
            assert!(refresh.claim(now));
            refresh.failed(now, &BACKOFF, &rng);
            let failed = now;
            while !refresh.claim(now) {
                now = now + Duration::from_millis(500);
            }
            refresh.give_back();
            *wait = now.since(failed).as_secs();
        }
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn waits_of_many_entries_are_spread() {
        let rng = SharedRng::new(Rng::seeded(3));
        let spread = Backoff { jitter: Jitter::Equal, ..BACKOFF };
        let ready = |at: Time| {
            let refresh = Refresh::default();
            assert!(refresh.claim(Time::ZERO));
            refresh.failed(Time::ZERO, &spread, &rng);
            refresh.claim(at)
        };
        assert!((0..100).all(|_| !ready(Time::from_millis(499))));
        let early = (0..100).filter(|_| ready(Time::from_millis(750))).count();
        assert!((20..80).contains(&early), "{early} of 100");
        assert!((0..100).all(|_| ready(Time::from_secs(1))));
    }
}
