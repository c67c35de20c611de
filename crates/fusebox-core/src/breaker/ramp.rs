//! The ramp after a recovery: a closed circuit that lets a growing share of its calls through.
//!
//! Who is let through is no matter of luck. Each call adds the share of its moment to an account, and goes when the
//! account has one whole call in it: of the first hundred calls at ten per cent exactly ten go, evenly spread.

use super::front::Front;
use super::machine::Machine;
use crate::{Ratio, Time};

const WHOLE: u32 = Ratio::ONE.ppm();

/// A checked ramp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub(super) from: Ratio,
    /// Nanoseconds.
    pub(super) over: u64,
}

impl Slope {
    /// The share that is admitted `gone` nanoseconds after the circuit closed.
    fn share(self, gone: u64) -> Ratio {
        let left = u128::from(self.over.saturating_sub(gone));
        let missing = u128::from(WHOLE - self.from.ppm()) * left / u128::from(self.over);
        Ratio::of_ppm(u64::from(WHOLE) - missing as u64)
    }
}

impl Machine {
    /// Begins the ramp of a circuit that has recovered, if there is one in the settings. The first call goes.
    pub(super) fn begin_ramp(&mut self, recovered: bool) {
        self.credit = self.settings.ramp.filter(|_| recovered).map(|slope| WHOLE - slope.from.ppm());
    }

    /// When the ramp ends; [`Time::NEVER`] if none is under way.
    pub(super) fn ramp_ends(&self) -> Time {
        match (self.settings.ramp, self.credit) {
            (Some(slope), Some(_)) => self.since.plus_nanos(slope.over),
            _ => Time::NEVER,
        }
    }

    /// Ends a ramp whose time is over.
    pub(super) fn climb(&mut self, front: &Front, now: Time) {
        if now >= self.ramp_ends() {
            self.credit = None;
            self.publish(front);
        }
    }

    /// Whether the next call is one of those that the ramp lets through. Every call is, when none is under way.
    pub(super) fn takes_part(&mut self, now: Time) -> bool {
        let Some(share) = self.ramp_share(now) else { return true };
        let Some(credit) = &mut self.credit else { return true };
        *credit += share.ppm();
        let goes = *credit >= WHOLE;
        if goes {
            *credit -= WHOLE;
        }
        goes
    }

    /// The share that the ramp lets through, if one is under way.
    pub(super) fn ramp_share(&self, now: Time) -> Option<Ratio> {
        self.credit?;
        Some(self.settings.ramp?.share(now.nanos_since(self.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_evenly_from_its_start_to_the_whole() {
        let slope = Slope { from: Ratio::from_percent(10).expect("a share"), over: 1_000 };
        let shares = [0, 250, 500, 750, 999, 1_000, 5_000].map(|gone| slope.share(gone).ppm());
        assert_eq!(shares, [100_000, 325_000, 550_000, 775_000, 999_100, 1_000_000, 1_000_000]);
    }
}
