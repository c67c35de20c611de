//! The one place where time enters.
//!
//! Every clock here is monotonic: stepping the wall clock moves none of them. Moments of two kinds of clock do not
//! compare; a circuit keeps to one.

use fusebox_core::Time;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
#[cfg(feature = "tokio")]
use std::time::Instant;

/// A coarse clock that ticks more slowly than this is not fit for timeouts.
const COARSE_ENOUGH: Duration = Duration::from_millis(4);

/// Where a driver takes the time from.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    #[cfg(target_os = "linux")]
    Coarse,
    /// The counter, and where it stood at the epoch: in its own ticks, which are no nanoseconds.
    Precise(&'static quanta::Clock, u64),
    #[cfg(feature = "tokio")]
    Tokio,
    Manual(Arc<AtomicU64>),
}

impl Default for Clock {
    /// [`Clock::system`].
    fn default() -> Self {
        Clock::system()
    }
}

impl Clock {
    /// The coarse clock where it ticks at least every 4 ms, else the precise one.
    pub fn system() -> Self {
        #[cfg(target_os = "linux")]
        if coarse_granularity() <= COARSE_ENOUGH {
            return Clock(Kind::Coarse);
        }
        Clock::precise()
    }

    /// The kernel's tick, read in about 3 ns and some milliseconds coarse. Where the platform has none, the precise
    /// clock.
    pub fn coarse() -> Self {
        #[cfg(target_os = "linux")]
        return Clock(Kind::Coarse);
        #[cfg(not(target_os = "linux"))]
        Clock::precise()
    }

    /// The processor's counter, read in about 10 ns. Begins at zero with the process's first precise clock.
    #[expect(clippy::disallowed_methods, reason = "the room where time enters")]
    pub fn precise() -> Self {
        static CLOCK: OnceLock<(quanta::Clock, u64)> = OnceLock::new();
        let (clock, epoch) = CLOCK.get_or_init(|| {
            let clock = quanta::Clock::new();
            let epoch = clock.raw();
            (clock, epoch)
        });
        Clock(Kind::Precise(clock, *epoch))
    }

    /// tokio's clock, which stands still and jumps in tests with paused time.
    #[cfg(feature = "tokio")]
    pub fn tokio() -> Self {
        Clock(Kind::Tokio)
    }

    /// A clock that moves only when told to.
    pub fn manual() -> (Self, ManualClock) {
        let nanos = Arc::new(AtomicU64::new(0));
        (Clock(Kind::Manual(nanos.clone())), ManualClock(nanos))
    }

    /// The present moment.
    #[inline]
    #[cfg_attr(feature = "tokio", expect(clippy::disallowed_methods, reason = "the room where time enters"))]
    pub fn now(&self) -> Time {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Kind::Coarse => coarse_now(),
            Kind::Precise(clock, epoch) => Time::from_nanos(clock.delta_as_nanos(*epoch, clock.raw())),
            #[cfg(feature = "tokio")]
            Kind::Tokio => {
                Time::from_nanos(nanos(tokio::time::Instant::now().into_std().duration_since(tokio_epoch())))
            }
            Kind::Manual(nanos) => Time::from_nanos(nanos.load(Relaxed)),
        }
    }

    /// The present moment, for measuring how long something takes: to the nanosecond where [`now`](Self::now) is coarse. Compares
    /// only to other stamps of the same clock.
    pub fn stamp(&self) -> Time {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Kind::Coarse => Clock::precise().now(),
            _ => self.now(),
        }
    }

    /// The moment on tokio's clock that corresponds to `at`.
    #[cfg(feature = "tokio")]
    #[expect(clippy::disallowed_methods, reason = "the room where time enters")]
    pub(crate) fn tokio_instant(&self, at: Time) -> tokio::time::Instant {
        match self.0 {
            Kind::Tokio => {
                tokio::time::Instant::from_std(tokio_epoch() + Duration::from_nanos(at.as_nanos()))
            }
            _ => tokio::time::Instant::now() + at.since(self.now()),
        }
    }
}

/// Moves a [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let (now, by) = (self.0.load(Relaxed), nanos(by));
        self.0.store(now.saturating_add(by), Relaxed);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Paused time may stand still at a moment from before anybody asked for the epoch.
#[cfg(feature = "tokio")]
#[expect(clippy::disallowed_methods, reason = "the room where time enters")]
fn tokio_epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(|| {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now)
    })
}

#[cfg(target_os = "linux")]
fn coarse_granularity() -> Duration {
    let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    Duration::new(tick.tv_sec.unsigned_abs(), u32::try_from(tick.tv_nsec).unwrap_or(u32::MAX))
}

#[cfg(target_os = "linux")]
#[inline]
#[expect(clippy::disallowed_methods, reason = "the room where time enters")]
fn coarse_now() -> Time {
    // The kernel counts from boot; that epoch serves as well as any, and costs no subtraction.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Time::from_nanos((now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_goes_backwards() {
        for clock in [Clock::system(), Clock::coarse(), Clock::precise()] {
            let mut last = clock.now();
            for _ in 0..100_000 {
                let now = clock.now();
                assert!(now >= last, "{clock:?}");
                last = now;
            }
        }
    }

    #[test]
    fn precise_clocks_share_one_epoch() {
        let first = Clock::precise();
        let before = first.now();
        let between = Clock::precise().now();
        assert!((before..=first.now()).contains(&between));
    }

    #[cfg(feature = "tokio")]
    #[tokio::test(start_paused = true)]
    async fn paused_time_moves_by_what_it_is_advanced() {
        // Paused before the epoch is known.
        let clock = Clock::tokio();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(30));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_to() {
        let (clock, hand) = Clock::manual();
        assert_eq!(clock.now(), Time::ZERO);
        hand.advance(Duration::from_secs(3));
        assert_eq!(clock.now(), Time::from_secs(3));
    }
}
