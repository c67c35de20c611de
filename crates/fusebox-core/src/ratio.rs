//! Shares and rates in integer parts per million.

use core::fmt;

/// A share between 0 and 1, held in parts per million.
///
/// Comparisons against counts are exact integer arithmetic: in floating point `0.07 × 100` is a little more
/// than seven, and a breaker that should trip on the seventh failure waits for the eighth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u32);

impl Ratio {
    /// Nothing.
    pub const ZERO: Ratio = Ratio(0);
    /// One half.
    pub const HALF: Ratio = Ratio(500_000);
    /// All of it.
    pub const ONE: Ratio = Ratio(1_000_000);

    /// A ratio of `percent` per cent; `None` above one hundred.
    pub const fn from_percent(percent: u32) -> Option<Self> {
        if percent <= 100 { Some(Ratio(percent * 10_000)) } else { None }
    }

    /// `ppm` parts per million; one at most.
    pub(crate) fn of_ppm(ppm: u64) -> Self {
        Ratio(u32::try_from(ppm).unwrap_or(u32::MAX)).min(Ratio::ONE)
    }

    /// The ratio nearest to `share`; `None` outside 0..=1 or not a number.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Ratio((share * 1_000_000.0 + 0.5) as u32))
    }

    /// Parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// As a floating point share between 0 and 1, for display.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }

    /// Whether `part` of `whole` is this ratio or more. An empty whole reaches nothing but zero.
    #[inline]
    pub const fn reached_by(self, part: u64, whole: u64) -> bool {
        part as u128 * 1_000_000 >= whole as u128 * self.0 as u128 && (whole > 0 || self.0 == 0)
    }

    /// This share of `amount`, rounded down.
    pub const fn of(self, amount: u64) -> u64 {
        (amount as u128 * self.0 as u128 / 1_000_000) as u64
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.as_f64())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_percentage_of_every_count_is_reached_at_its_exact_ceiling() {
        for percent in 1..=100u64 {
            let ratio = Ratio::from_percent(percent as u32).expect("at most one hundred");
            for whole in 1..=1000u64 {
                let needed = (percent * whole).div_ceil(100);
                assert!(ratio.reached_by(needed, whole), "{percent} % of {whole}");
                assert!(!ratio.reached_by(needed - 1, whole), "{percent} % of {whole}");
            }
        }
    }

    #[test]
    fn only_shares_are_ratios() {
        assert_eq!(Ratio::new(0.61).map(Ratio::ppm), Some(610_000));
        for wrong in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(wrong), None);
        }
    }

    #[test]
    fn nothing_is_no_share_of_nothing() {
        assert!(!Ratio::HALF.reached_by(0, 0));
    }
}
