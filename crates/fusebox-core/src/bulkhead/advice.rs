//! How large a pool should be: by arithmetic before there is traffic, by evidence afterwards.
//!
//! Refusals alone say little. A pool that is too small refuses while the dependency answers as fast as ever; when the
//! dependency has become slow, any pool fills, and a larger one only keeps more callers in it. So the advice compares
//! how long a call holds its place with how long it did before.

use super::{MAX_CAPACITY, Snapshot};
use core::fmt;
use core::time::Duration;

/// Calls below which there is nothing to say of a pool that is too small or too slow, and of one that is too large.
const FEW: u64 = 100;
const MANY: u64 = 1_000;
/// A pool is too large when so many times its recent peak still fit, and is not worth mentioning below this capacity.
const SPARE: u64 = 3;
const SMALL: u64 = 10;
/// A dependency has become slow when calls hold their places so many times longer than they did.
const SLOWER: f64 = 2.0;
/// What is allowed for peaks within the time that was looked at.
const SAFETY: f64 = 2.0;

/// How many places `rps` calls a second need that take `latency` each: Little's law, times `safety`, rounded up, one
/// at least and [`MAX_CAPACITY`] at most. Rates and factors that are negative or no number need one.
///
/// ```
/// # use fusebox_core::bulkhead::recommend_size;
/// # use std::time::Duration;
/// assert_eq!(recommend_size(100.0, Duration::from_millis(100), 2.0), 20);
/// ```
///
/// Source: J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9 (3), 1961.
pub fn recommend_size(rps: f64, latency: Duration, safety: f64) -> u64 {
    // A product that should be whole may be a little more: 0.1 s is no binary fraction.
    let places = rps * latency.as_secs_f64() * safety * (1.0 - 1e-9);
    let whole = (places as u64).min(MAX_CAPACITY);
    (whole + u64::from(places > whole as f64)).clamp(1, MAX_CAPACITY)
}

/// What the evidence says of a pool's size.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Advice {
    /// In one word.
    pub finding: Finding,
    /// What it rests on.
    pub evidence: Evidence,
    /// A capacity to try instead. `None` where it should stay as it is.
    pub size: Option<u64>,
}

/// What is the matter with a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Finding {
    /// There were too few calls to tell.
    Unknown,
    /// Nothing.
    Fits,
    /// It refuses calls or makes them wait while the dependency is as fast as before.
    TooSmall,
    /// It was never near full: it would hold a slow dependency's callers without end.
    TooLarge,
    /// It is full because calls take longer than they did. More places would not help.
    SlowDependency,
}

/// The numbers an [`Advice`] rests on, of the time that was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Evidence {
    /// The capacity at its end.
    pub capacity: u64,
    /// How long it was.
    pub span: Duration,
    /// Calls that came.
    pub calls: u64,
    /// Those refused for want of a place: not the shed, and not those of a key that was full.
    pub refused: u64,
    /// Those that waited and got a place.
    pub waited: u64,
    /// How long those waited, at the mean.
    pub mean_wait: Duration,
    /// For what share of the time somebody was waiting.
    pub occupied: f64,
    /// What share of the capacity was in use, at the mean, as those that left found it.
    pub utilisation: f64,
    /// The most in use at once in the last minutes.
    pub peak: u64,
    /// How long a call held its place, at the mean.
    pub held: Duration,
    /// How long it did before; zero where nothing is known of before.
    pub held_before: Duration,
}

impl Advice {
    /// Advice on all the time since the beginning.
    pub fn on(snapshot: &Snapshot) -> Advice {
        Advice::between(&Snapshot { taken: snapshot.began, ..Snapshot::default() }, snapshot)
    }

    /// Advice on the time between two snapshots of one bulkhead.
    pub fn between(earlier: &Snapshot, later: &Snapshot) -> Advice {
        let evidence = Evidence::between(earlier, later);
        let Evidence { capacity, calls, refused, waited, held, held_before, peak, .. } = evidence;
        let is_full = refused * 100 >= calls || waited * 10 >= calls;
        let is_slower = held_before > Duration::ZERO && held >= held_before.mul_f64(SLOWER);
        let finding = if calls < FEW {
            Finding::Unknown
        } else if is_full && is_slower {
            Finding::SlowDependency
        } else if is_full {
            Finding::TooSmall
        } else if calls >= MANY && refused + waited == 0 && capacity >= SMALL && peak * SPARE < capacity {
            Finding::TooLarge
        } else {
            Finding::Fits
        };
        let needed = needed(earlier, later, &evidence);
        let size = match finding {
            Finding::TooSmall => Some(needed.max(capacity.saturating_add(later.peak_waiting.max(1)))),
            Finding::TooLarge => Some(needed.max(peak.saturating_mul(3).div_ceil(2)).max(1)),
            Finding::Unknown | Finding::Fits | Finding::SlowDependency => None,
        };
        Advice { finding, evidence, size }
    }
}

/// Little's law for all that came, the refused too, at the weight of those that were in.
fn needed(earlier: &Snapshot, later: &Snapshot, evidence: &Evidence) -> u64 {
    let (then, now) = (&earlier.samples, &later.samples);
    let samples = now.calls.saturating_sub(then.calls).max(1) as f64;
    let used_each = (now.used_seconds - then.used_seconds).max(0.0) / samples;
    let rate = evidence.calls as f64 / evidence.span.as_secs_f64().max(1e-3);
    recommend_size(rate * used_each, Duration::from_secs(1), SAFETY)
}

impl Evidence {
    fn between(earlier: &Snapshot, later: &Snapshot) -> Self {
        let since = |of: fn(&Snapshot) -> u64| of(later).saturating_sub(of(earlier));
        let span = later.taken.since(earlier.taken);
        let (then, now) = (&earlier.samples, &later.samples);
        let samples = since(|s| s.samples.calls).max(1);
        let waited = since(|s| s.waited);
        let found = (now.found_in_use - then.found_in_use).max(0.0) / samples as f64;
        let occupied = since(|s| s.occupied_nanos) as f64 / (span.as_nanos() as f64).max(1.0);
        Evidence {
            capacity: later.capacity,
            span,
            calls: since(Snapshot::asked),
            refused: since(|s| s.refused.full + s.refused.timed_out),
            waited,
            mean_wait: Duration::from_nanos(since(|s| s.wait_nanos) / waited.max(1)),
            occupied: occupied.min(1.0),
            utilisation: found / later.capacity.max(1) as f64,
            peak: later.recent_peak,
            held: Duration::from_nanos(since(|s| s.samples.held_nanos) / samples),
            held_before: Duration::from_nanos(then.held_nanos / then.calls.max(1)),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { capacity, span, calls, refused, waited, .. } = self.evidence;
        let Evidence { mean_wait, occupied, utilisation, peak, held, held_before, .. } = self.evidence;
        let (used, occupied) = (utilisation * 100.0, occupied * 100.0);
        let [span, mean_wait, held, held_before] = [span, mean_wait, held, held_before].map(rounded);
        match self.finding {
            Finding::Unknown => {
                return write!(
                    f,
                    "{calls} calls in {span:?} are too few to judge a capacity of {capacity} by"
                );
            }
            Finding::Fits => write!(f, "a capacity of {capacity} fits")?,
            Finding::TooSmall => write!(f, "a capacity of {capacity} is too small")?,
            Finding::TooLarge => write!(f, "a capacity of {capacity} is too large to hold anything back")?,
            Finding::SlowDependency => {
                write!(f, "a capacity of {capacity} is full because calls have become slow")?
            }
        }
        write!(f, ": of {calls} calls in {span:?}, {refused} were refused and {waited} waited")?;
        if waited > 0 {
            write!(f, " {mean_wait:?} each")?;
        }
        write!(
            f,
            "; somebody was waiting {occupied:.0} % of the time, {used:.0} % was in use, {peak} at most"
        )?;
        write!(f, "; a call takes {held:?}")?;
        if self.finding == Finding::SlowDependency {
            return write!(f, ", and took {held_before:?} before: look at the dependency, not at the pool");
        }
        self.size.map_or(Ok(()), |size| write!(f, "; try {size}"))
    }
}

/// As much of a span as one reads: three digits or so.
fn rounded(span: Duration) -> Duration {
    let nanos = span.as_nanos().min(u128::from(u64::MAX)) as u64;
    let step = 10_u64.pow(nanos.max(1).ilog10().saturating_sub(2));
    Duration::from_nanos(nanos / step * step)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Bulkhead, Config, Entry};
    use super::*;
    use crate::{Ask, Outcome, Time};
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use core::task::Waker;

    fn bulkhead(max_concurrent: u64) -> Bulkhead {
        let config = Config { max_concurrent, max_queue: 0, ..Config::default() };
        Bulkhead::new(config.check().expect("the settings work"))
    }

    /// One call a millisecond for `calls` milliseconds from `start`, each of `millis`.
    fn runs(bulkhead: &Bulkhead, start: u64, calls: u64, millis: u64) -> Snapshot {
        let mut placed = Vec::new();
        for at in start..start + calls + millis {
            let now = Time::from_millis(at);
            placed.retain(|(end, place)| {
                if *end == at {
                    bulkhead.leave(*place, Outcome::Success, now);
                }
                *end != at
            });
            if at < start + calls
                && let Entry::Placed(place) = bulkhead.enter(Ask::default(), now, Time::NEVER, Waker::noop())
            {
                placed.push((at + millis, place));
            }
        }
        bulkhead.snapshot(Time::from_millis(start + calls))
    }

    #[test]
    fn a_hundred_calls_a_second_of_a_tenth_of_a_second_need_20_places_with_a_safety_of_2() {
        assert_eq!(recommend_size(100.0, Duration::from_millis(100), 2.0), 20);
        assert_eq!(recommend_size(101.0, Duration::from_millis(100), 2.0), 21);
        assert_eq!(recommend_size(0.1, Duration::from_millis(1), 2.0), 1);
        assert_eq!(recommend_size(f64::NAN, Duration::from_millis(1), -2.0), 1);
        assert_eq!(recommend_size(f64::INFINITY, Duration::MAX, 2.0), MAX_CAPACITY);
    }

    #[test]
    fn a_pool_that_refuses_while_the_dependency_is_well_is_too_small_and_the_size_follows_from_the_rate() {
        let bulkhead = bulkhead(10);
        let advice = Advice::on(&runs(&bulkhead, 1_000, 2_000, 20));
        assert_eq!((advice.finding, advice.size), (Finding::TooSmall, Some(40)), "1,000/s × 20 ms × 2");
        let expected = "a capacity of 10 is too small: of 2000 calls in 2s, 1000 were refused and 0 waited; somebody \
                        was waiting 0 % of the time, 100 % was in use, 10 at most; a call takes 20ms; try 40";
        assert_eq!(advice.to_string(), expected);
    }

    #[test]
    fn a_pool_that_is_never_near_full_is_too_large() {
        let advice = Advice::on(&runs(&bulkhead(200), 1_000, 2_000, 20));
        assert_eq!((advice.finding, advice.size), (Finding::TooLarge, Some(40)));
        assert!(
            advice.to_string().starts_with("a capacity of 200 is too large to hold anything back"),
            "{advice}"
        );
    }

    #[test]
    fn a_pool_with_room_for_peaks_fits_and_a_few_calls_say_nothing() {
        let advice = Advice::on(&runs(&bulkhead(40), 1_000, 2_000, 20));
        assert_eq!((advice.finding, advice.size), (Finding::Fits, None), "{advice}");
        let advice = Advice::on(&runs(&bulkhead(1), 1_000, 99, 20));
        assert_eq!((advice.finding, advice.size), (Finding::Unknown, None), "{advice}");
        assert_eq!(advice.to_string(), "99 calls in 99ms are too few to judge a capacity of 1 by");
    }

    #[test]
    fn a_pool_that_is_full_because_calls_are_slow_should_not_grow() {
        let bulkhead = bulkhead(40);
        let well = runs(&bulkhead, 1_000, 2_000, 20);
        let ill = runs(&bulkhead, 4_000, 2_000, 200);
        let advice = Advice::between(&well, &ill);
        assert_eq!((advice.finding, advice.size), (Finding::SlowDependency, None), "{advice}");
        assert!(
            advice.to_string().ends_with("took 20ms before: look at the dependency, not at the pool"),
            "{advice}"
        );
    }

    #[test]
    fn waits_are_evidence_as_well_as_refusals() {
        let earlier = Snapshot { taken: Time::from_secs(10), ..Snapshot::default() };
        let mut later = Snapshot { taken: Time::from_secs(20), capacity: 5, recent_peak: 5, ..earlier };
        (later.admitted, later.waited, later.wait_nanos) = (1_000, 100, 100 * 40_000_000);
        (later.peak_waiting, later.occupied_nanos) = (3, 2_500_000_000);
        later.samples.calls = 60;
        later.samples.found_in_use = 60.0 * 4.0;
        let advice = Advice::between(&earlier, &later);
        assert_eq!((advice.finding, advice.size), (Finding::TooSmall, Some(8)), "room for those who waited");
        let text = advice.to_string();
        assert!(text.contains("100 waited 40ms each; somebody was waiting 25 % of the time, 80 %"), "{text}");
    }
}
