//! The latency gradient.
//!
//! Once in a window the limit goes a part of the way (the smoothing) to
//!
//! ```text
//! gradient × limit + √limit,    gradient = tolerance × latency without load / latency of the window, in 0.5 ..= 1
//! ```
//!
//! The square root is the queue the dependency may have. The form is that of Netflix's concurrency-limits
//! (`Gradient2Limit`) and of Envoy's adaptive concurrency filter (gradient controller).
//!
//! They differ in what they take for the latency without load, and each has a weakness. A long moving average
//! (Netflix) learns an overload that lasts and then calls it normal. The least latency ever seen is a lucky one: the
//! mean can never get near it. Probing at three calls (Envoy) stops nearly all the traffic each time. Here it is *the
//! mean latency of a window in which no more than half the limit was in flight*. Where callers ask for little, every
//! window is one, for nothing. Else, when the last is older than `probe_every`, or when the limit has fallen by half since,
//! the limit is halved for one window, which costs about a quarter of the throughput for that long. Where the latency falls by
//! nearly as much as the limit did, there was a queue at the half too, and the half of that is tried next.
//!
//! A mean is compared with a mean, so that a wide distribution of latencies is not taken for a queue.

use super::{Evidence, Gradient, Sample};
use crate::Time;
use crate::time::nanos;
use core::mem::replace;
use core::time::Duration;

/// The gradient never takes more than half in one window: an outlier may be behind it.
const STEEPEST: f64 = 0.5;
/// A smaller share of drops than this is the noise of any network.
const NOISE: f64 = 0.01;
/// Half the calls in flight, and the latency down to this: there is a queue still.
const QUEUE_REMAINS: f64 = 0.6;
/// Mean latencies that fit in a window at least.
const MEANS: f64 = 2.0;
/// The same while the latency without load is measured: all that follows is compared with it.
const MEANS_IN_PROBE: f64 = 4.0;
/// How much a new latency without load weighs where nobody had to be kept out to measure it.
const WEIGHT: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Machine {
    config: Gradient,
    /// Between `min` and `max`.
    limit: f64,
    /// The latency without load, in nanoseconds.
    no_load: Option<f64>,
    /// The mean latency of the last full window, in nanoseconds.
    rtt: Option<f64>,
    window: Window,
    /// The halved limit while the latency without load is measured.
    probe: Option<Probe>,
    /// When it is to be measured again at the latest.
    probe_due: Time,
    /// The limit when it was last measured.
    probed_at: f64,
    probes: u64,
}

#[derive(Debug)]
struct Probe {
    /// The limit meanwhile.
    places: f64,
    /// The mean latency at twice as many; infinite if unknown.
    above: f64,
    /// Whether the calls from before are gone, with the queue they stood in.
    settled: bool,
}

#[derive(Debug)]
struct Window {
    began: Time,
    answers: u64,
    /// The sum of their latencies, in nanoseconds.
    nanos: f64,
    drops: u64,
    /// The most in flight.
    in_flight: u64,
}

impl Window {
    fn at(began: Time) -> Self {
        Window { began, answers: 0, nanos: 0.0, drops: 0, in_flight: 0 }
    }

    fn mean(&self) -> Option<f64> {
        (self.answers > 0).then(|| (self.nanos / self.answers as f64).max(1.0))
    }

    /// The share of drops, where it is above noise.
    fn dropped(&self) -> f64 {
        let share = self.drops as f64 / (self.answers + self.drops).max(1) as f64;
        if share < NOISE { 0.0 } else { share }
    }
}

impl Machine {
    /// The first thing to do is to probe, from half the start on down.
    pub(super) fn new(config: Gradient, now: Time) -> Self {
        let mut machine = Machine {
            config,
            limit: config.start as f64,
            no_load: None,
            rtt: None,
            window: Window::at(now),
            probe: None,
            probe_due: now,
            probed_at: config.start as f64,
            probes: 0,
        };
        machine.begin_probe(f64::INFINITY, now);
        machine
    }

    pub(super) fn limit(&self) -> u64 {
        let limit = self.probe.as_ref().map_or(self.limit, |probe| probe.places);
        (limit as u64).clamp(self.config.min, self.config.max)
    }

    pub(super) fn no_load_rtt(&self) -> Option<Duration> {
        self.no_load.map(|nanos| Duration::from_nanos(nanos as u64))
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.map(|nanos| Duration::from_nanos(nanos as u64))
    }

    pub(super) fn probes(&self) -> u64 {
        self.probes
    }

    pub(super) fn sample(&mut self, sample: &Sample, evidence: Evidence) {
        let window = &mut self.window;
        window.in_flight = window.in_flight.max(sample.in_flight);
        match evidence {
            Evidence::Answer => {
                window.answers += 1;
                window.nanos += sample.rtt as f64;
            }
            Evidence::Drop => window.drops += 1,
            Evidence::Nothing => {}
        }
        if !self.is_full(sample.now) {
            return;
        }
        let window = replace(&mut self.window, Window::at(sample.now));
        match self.probe.take() {
            Some(probe) if !probe.settled => self.probe = Some(Probe { settled: true, ..probe }),
            Some(probe) => self.end_probe(&probe, &window, sample.now),
            None => self.step(&window, sample.now),
        }
        self.rtt = window.mean().or(self.rtt);
    }

    /// A window is long enough for the slow calls to be among those that ended in it.
    fn is_full(&self, now: Time) -> bool {
        let window = &self.window;
        let open_for = now.nanos_since(window.began);
        let means = if self.probe.is_some() { MEANS_IN_PROBE } else { MEANS };
        let overdue = self.probe.is_some() && open_for >= nanos(self.config.probe_every);
        overdue
            || window.answers + window.drops >= self.config.minimum_samples
                && open_for >= nanos(self.config.window)
                && window.mean().is_none_or(|mean| open_for as f64 >= means * mean)
    }

    fn step(&mut self, window: &Window, now: Time) {
        let used = window.in_flight as f64 * 2.0 >= self.limit;
        let (mean, dropped) = (window.mean(), window.dropped());
        if let Some(mean) = mean {
            if used {
                self.follow(mean, dropped);
            } else if dropped == 0.0 {
                self.no_load = Some(self.no_load.map_or(mean, |known| known + WEIGHT * (mean - known)));
                self.measured(now);
            }
        }
        self.cut(dropped);
        if used && (now >= self.probe_due || self.is_doubtful(mean)) {
            self.begin_probe(mean.unwrap_or(f64::INFINITY), now);
        }
    }

    fn follow(&mut self, mean: f64, dropped: f64) {
        let Some(no_load) = self.no_load else { return };
        let gradient = (self.config.tolerance * no_load / mean).clamp(STEEPEST, 1.0);
        let target = gradient * self.limit + square_root(self.limit);
        let next = self.limit + self.config.smoothing * (target - self.limit);
        let next = if dropped > 0.0 { next.min(self.limit) } else { next };
        self.limit = self.within_bounds(next);
    }

    /// Whether the latency without load has to be measured anew before it is old: no more than half the limit of that time is
    /// left, so the dependency may have become slower; or calls take half as long under load, so it has become faster.
    fn is_doubtful(&self, mean: Option<f64>) -> bool {
        let is_fallen = self.limit * 2.0 <= self.probed_at;
        is_fallen || self.no_load.is_none_or(|no_load| mean.is_some_and(|mean| mean * 2.0 < no_load))
    }

    /// Drops are no noise of the measurement and need no smoothing: half of them is taken off at once.
    fn cut(&mut self, dropped: f64) {
        self.limit = self.within_bounds(self.limit * (1.0 - dropped / 2.0));
    }

    fn begin_probe(&mut self, above: f64, now: Time) {
        let places = self.within_bounds(self.limit / 2.0);
        self.probe = Some(Probe { places, above, settled: false });
        self.probes += 1;
        self.window = Window::at(now);
    }

    fn end_probe(&mut self, probe: &Probe, window: &Window, now: Time) {
        self.cut(window.dropped());
        self.measured(now);
        let Some(mean) = window.mean() else { return };
        let places = probe.places / 2.0;
        if mean < QUEUE_REMAINS * probe.above && places >= self.config.min as f64 {
            self.probe = Some(Probe { places, above: mean, settled: false });
        } else {
            self.no_load = Some(mean);
        }
    }

    fn measured(&mut self, now: Time) {
        self.probe_due = now.plus_nanos(nanos(self.config.probe_every));
        self.probed_at = self.limit;
    }

    fn within_bounds(&self, limit: f64) -> f64 {
        limit.clamp(self.config.min as f64, self.config.max as f64)
    }
}

/// To three decimals; floating point roots are not in `core`.
fn square_root(of: f64) -> f64 {
    ((of * 1e6) as u64).isqrt() as f64 / 1e3
}
