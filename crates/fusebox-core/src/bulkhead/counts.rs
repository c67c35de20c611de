//! What is counted under the line's lock.

use super::Place;
use super::places::Places;
use super::snapshot::{Refused, Samples, Snapshot};
use crate::{Reason, Rejection, Time};

/// How long a peak is recent, once or twice.
const RECENT: u64 = 300_000_000_000;

/// Counters since the beginning.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Those that came in under the lock, and those that were counted in the word and taken out of it.
    pub(super) admitted: u64,
    pub(super) occupied_nanos: u64,
    pub(super) cancelled: u64,
    pub(super) peak_waiting: u64,
    waited: u64,
    wait_nanos: u64,
    max_wait_nanos: u64,
    refused: Refused,
    began: Option<Time>,
    samples: Samples,
    peak: u64,
    /// When the peak is turned, and what it was before.
    turn: Time,
    last_peak: u64,
}

impl Counts {
    pub(super) fn admit(&mut self, now: Time) {
        self.admitted += 1;
        self.began.get_or_insert(now);
    }

    pub(super) fn wait(&mut self, nanos: u64) {
        self.waited += 1;
        self.wait_nanos = self.wait_nanos.saturating_add(nanos);
        self.max_wait_nanos = self.max_wait_nanos.max(nanos);
    }

    pub(super) fn refuse(&mut self, reason: Reason) -> Rejection {
        let refused = &mut self.refused;
        match reason {
            Reason::BulkheadTimeout => refused.timed_out += 1,
            Reason::Shed => refused.shed += 1,
            Reason::KeyFull => refused.key_full += 1,
            _ => refused.full += 1,
        }
        Rejection::of(reason, Time::NEVER)
    }

    /// Asks a call that leaves. `before` is what was in use, itself included.
    pub(super) fn sample(&mut self, places: &Places, place: &Place, before: u64, timed_out: bool, now: Time) {
        let began = self.began.get_or_insert(place.since);
        *began = (*began).min(place.since);
        let held = now.nanos_since(place.since);
        let samples = &mut self.samples;
        samples.calls += 1;
        samples.timed_out += u64::from(timed_out);
        samples.held_nanos = samples.held_nanos.saturating_add(held);
        samples.used_seconds += place.weight() as f64 * held as f64 / 1e9;
        samples.found_in_use += before as f64;
        self.turn_peak(places, now);
    }

    pub(super) fn turn_peak(&mut self, places: &Places, now: Time) {
        if now >= self.turn {
            self.last_peak = places.turn_peak();
            self.peak = self.peak.max(self.last_peak);
            self.turn = now.plus_nanos(RECENT);
        }
    }

    /// The part of a snapshot that is counted here.
    pub(super) fn snapshot(&self, places: &Places, running: u64, now: Time) -> Snapshot {
        let peak = places.peak();
        Snapshot {
            taken: now,
            began: self.began.unwrap_or(now),
            peak_in_use: self.peak.max(peak),
            recent_peak: self.last_peak.max(peak),
            peak_waiting: self.peak_waiting,
            admitted: self.admitted,
            waited: self.waited,
            wait_nanos: self.wait_nanos,
            max_wait_nanos: self.max_wait_nanos,
            occupied_nanos: self.occupied_nanos.saturating_add(running),
            refused: self.refused,
            cancelled: self.cancelled,
            samples: self.samples,
            ..Snapshot::default()
        }
    }
}
