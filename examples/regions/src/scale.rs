//! Spans of production in a demo that nobody has to wait for.

use std::time::Duration;

/// So many times faster than in production.
pub(crate) const FACTOR: u32 = 50;

/// What `seconds` of production take here.
pub(crate) fn scaled(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds) / FACTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_seconds_take_a_tenth_of_one() {
        assert_eq!((scaled(5.0), scaled(15.0)), (Duration::from_millis(100), Duration::from_millis(300)));
    }
}
