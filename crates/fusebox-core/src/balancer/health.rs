//! What health checks add up to.

use core::num::NonZeroU32;

/// How many checks change an endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Good checks in a row that make it healthy. Default: 2.
    pub healthy_after: NonZeroU32,
    /// Bad checks in a row that make it unhealthy. Default: 3.
    pub unhealthy_after: NonZeroU32,
}

impl Default for Thresholds {
    fn default() -> Self {
        let times = |n: u32| NonZeroU32::MIN.saturating_add(n - 1);
        Thresholds { healthy_after: times(2), unhealthy_after: times(3) }
    }
}

/// One endpoint's health, as its checks have it. The driver runs the checks, and tells the balancer of a change with
/// [`set_healthy`](super::Balancer::set_healthy).
///
/// ```
/// use fusebox_core::balancer::{Health, Thresholds};
/// let mut health = Health::new(Thresholds::default());
/// assert_eq!([false, false, false].map(|good| health.checked(good)), [None, None, Some(false)]);
/// assert_eq!([true, true].map(|good| health.checked(good)), [None, Some(true)]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Health {
    thresholds: Thresholds,
    healthy: bool,
    /// Checks in a row that say otherwise.
    against: u32,
}

impl Health {
    /// An endpoint that is healthy until checks say otherwise.
    pub fn new(thresholds: Thresholds) -> Self {
        Health { thresholds, healthy: true, against: 0 }
    }

    /// The same endpoint by other thresholds.
    #[must_use]
    pub fn by(self, thresholds: Thresholds) -> Self {
        Health { thresholds, ..self }
    }

    /// Whether it is healthy.
    pub fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Takes a check's result. Answers its health if that has changed.
    pub fn checked(&mut self, good: bool) -> Option<bool> {
        if good == self.healthy {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if good { self.thresholds.healthy_after } else { self.thresholds.unhealthy_after };
        if self.against < needed.get() {
            return None;
        }
        (self.healthy, self.against) = (good, 0);
        Some(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_in_a_row_change_it() {
        let mut health = Health::new(Thresholds::default());
        for good in [false, false, true, false, false, true] {
            assert_eq!(health.checked(good), None, "two bad ones are not three in a row");
        }
        assert!(health.is_healthy());
        assert_eq!([false; 3].map(|good| health.checked(good)), [None, None, Some(false)]);
        assert_eq!(
            [true, false, true, true].map(|good| health.checked(good)),
            [None, None, None, Some(true)]
        );
    }

    #[test]
    fn what_does_not_change_is_not_told_twice() {
        let mut health = Health::new(Thresholds::default());
        let told = (0..100).filter_map(|_| health.checked(false)).count();
        assert_eq!(told, 1);
    }
}
