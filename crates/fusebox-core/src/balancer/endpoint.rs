//! What is known of one endpoint.
//!
//! Endpoints come and go while calls are in flight. An endpoint that stays keeps this state; the balancer before a change
//! and the one after it share it, so a call that was picked by the one settles where the other looks.

use super::config::Settings;
use super::ewma::Peak;
use super::fleet::Record;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Relaxed};
use crate::{Outcome, Time};
use alloc::sync::Arc;

/// A whole, in the fixed point of ramps and shares.
pub(super) const WHOLE: u64 = 1 << 16;

/// An endpoint as its place in one list of endpoints has it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    /// 0 takes no traffic.
    pub(super) weight: u64,
    pub(super) tier: usize,
    /// Its region, by number.
    pub(super) home: usize,
    pub(super) region: Option<Arc<str>>,
    pub(super) zone: Option<Arc<str>>,
}

/// What is known of one endpoint. What is in flight is the difference of the counters, so it cannot drift from them.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Endpoint {
    // What a pick reads of every endpoint that it considers stands in the first two lines of the cache.
    pub(super) peak: Peak,
    /// The end of an ejection, in nanoseconds; 0 without one.
    pub(super) out_until: AtomicU64,
    /// The end of a slow start, in nanoseconds; 0 without one.
    pub(super) ramp_until: AtomicU64,
    pub(super) healthy: AtomicBool,
    /// Its circuit was not closed when a pick last saw it.
    was_open: AtomicBool,
    pub(super) picked: AtomicU64,
    pub(super) given_back: AtomicU64,
    pub(super) success: AtomicU64,
    pub(super) failure: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) cancelled: AtomicU64,
    /// Nanoseconds of successes and failures, summed.
    pub(super) nanos: AtomicU64,
    /// Its health checks, the bad and the good ones.
    pub(super) checks: [AtomicU64; 2],
    pub(super) name: Arc<str>,
    pub(super) record: Mutex<Record>,
}

impl Endpoint {
    pub(super) fn new(name: Arc<str>, nanos: f64, now: Time) -> Self {
        Endpoint {
            name,
            picked: AtomicU64::new(0),
            success: AtomicU64::new(0),
            failure: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            peak: Peak::new(nanos, now),
            healthy: AtomicBool::new(true),
            checks: [AtomicU64::new(0), AtomicU64::new(0)],
            out_until: AtomicU64::new(0),
            ramp_until: AtomicU64::new(0),
            was_open: AtomicBool::new(false),
            record: Mutex::default(),
        }
    }

    /// Calls picked for it and neither settled nor given back.
    #[inline]
    pub(super) fn in_flight(&self) -> u64 {
        let ended = [&self.success, &self.failure, &self.ignored, &self.cancelled, &self.given_back];
        let ended: u64 = ended.iter().map(|counter| counter.load(Relaxed)).sum();
        self.picked.load(Relaxed).saturating_sub(ended)
    }

    /// Whether neither health checks nor the fleet keep it out.
    #[inline]
    pub(super) fn is_in(&self, now: Time) -> bool {
        self.healthy.load(Relaxed) && now.as_nanos() >= self.out_until.load(Relaxed)
    }

    /// Counts a call's end. Answers the latency that the call is charged, if it is charged one.
    #[inline]
    pub(super) fn settle(&self, outcome: Outcome, nanos: u64, now: Time, settings: &Settings) -> Option<u64> {
        let charged = match outcome {
            Outcome::Success => {
                self.success.fetch_add(1, Relaxed);
                self.nanos.fetch_add(nanos, Relaxed);
                Some(nanos)
            }
            Outcome::Failure(_) => {
                self.failure.fetch_add(1, Relaxed);
                self.nanos.fetch_add(nanos, Relaxed);
                // The fastest answer of all is a refused connection: it must not look like the fastest endpoint.
                Some(nanos.max(settings.penalty))
            }
            Outcome::Ignored => {
                self.ignored.fetch_add(1, Relaxed);
                None
            }
            Outcome::Cancelled => {
                self.cancelled.fetch_add(1, Relaxed);
                // It would have taken longer; how much longer, nobody knows.
                let longer = nanos as f64 > self.peak.read(now, settings.decay);
                longer.then_some(nanos)
            }
        };
        if let Some(charged) = charged {
            self.peak.observe(charged, now, settings.decay);
        }
        charged
    }

    /// Whether its circuit was open or half-open when a pick last saw it. What callers experience counts, not the circuit's
    /// epochs: one that only shadows opens and closes without anybody's noticing.
    #[inline(always)]
    pub(super) fn was_open(&self) -> bool {
        self.was_open.load(Relaxed)
    }

    /// Its circuit was seen open, or not. Answers whether it has closed since it was last seen.
    pub(super) fn saw_open(&self, open: bool) -> bool {
        self.was_open.swap(open, Relaxed) && !open
    }

    /// Whether it takes less than its whole share.
    #[inline(always)]
    pub(super) fn is_starting(&self, now: Time) -> bool {
        self.ramp_until.load(Relaxed) > now.as_nanos()
    }

    /// It takes a growing share of its traffic from `now` on.
    pub(super) fn start_slowly(&self, now: Time, settings: &Settings) {
        if settings.slow_start > 0 {
            self.ramp_until.store(now.plus_nanos(settings.slow_start).as_nanos(), Relaxed);
        }
    }

    /// The share of its traffic that a slow start leaves it, of [`WHOLE`].
    pub(super) fn ramp(&self, now: Time, settings: &Settings) -> u64 {
        let left = self.ramp_until.load(Relaxed).saturating_sub(now.as_nanos());
        if left == 0 {
            return WHOLE;
        }
        let elapsed = settings.slow_start.saturating_sub(left);
        let share = u128::from(elapsed) * u128::from(WHOLE) / u128::from(settings.slow_start.max(1));
        (share as u64).clamp(WHOLE / 10, WHOLE)
    }
}
