//! Nanoseconds per call: pinned threads, a common start, and a stop that all of them see, so that threads that
//! share a breaker overlap for the whole round.

use crate::floors::Floor;
use crate::rows::Row;
use crate::subject::{Contender, Setup, Subject, Traffic, verify};
use fusebox_benchmarks::pin;
use fusebox_benchmarks::stats::Spread;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Calls between two looks at the clock; its cost is spread over them.
const CHUNK: u64 = 512;
/// Calls before the clock starts.
const WARM_UP: u64 = 2 * CHUNK;

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) span: Duration,
}

/// Measures one row for every contender, the contenders taking turns round by round.
pub(crate) fn row(row: &Row, contenders: &[Contender], effort: Effort) -> Vec<Option<Spread>> {
    let mut rounds: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..effort.rounds {
        for (contender, figures) in contenders.iter().zip(&mut rounds) {
            if let Some(figure) = one(contender, row.setups, row.traffic, row.threads, effort.span) {
                figures.push(figure);
            }
        }
    }
    rounds.iter().map(|figures| Spread::of(figures)).collect()
}

/// Measures a floor.
pub(crate) fn floor(floor: &Floor, effort: Effort) -> Option<Spread> {
    let figure = |_| mean(&race(&*floor.subject, floor.threads, effort.span));
    Spread::of(&(0..effort.rounds).map(figure).collect::<Vec<_>>())
}

/// One round of one contender: nanoseconds per call, of each thread.
fn one(
    contender: &Contender,
    setups: &[Setup],
    traffic: Traffic,
    threads: usize,
    span: Duration,
) -> Option<f64> {
    let (setup, subject) =
        setups.iter().find_map(|&setup| Some((setup, contender.prepare(setup, traffic)?)))?;
    let laps = race(&*subject, threads, span);
    for lap in &laps {
        if let Err(wrong) = verify(traffic, lap.calls, lap.rejected) {
            panic!("{}/{setup}/{traffic} did not stay in its state: {wrong}", contender.name);
        }
    }
    Some(mean(&laps))
}

struct Lap {
    nanos_per_call: f64,
    calls: u64,
    rejected: u64,
}

fn mean(laps: &[Lap]) -> f64 {
    laps.iter().map(|lap| lap.nanos_per_call).sum::<f64>() / laps.len() as f64
}

fn race(subject: &dyn Subject, threads: usize, span: Duration) -> Vec<Lap> {
    let (ready, stop) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    let lap = move |core: usize| {
        let _bell = Bell(stop);
        pin::this_thread(core % pin::cores()).expect("a core this process may run on");
        let mut rejected = subject.run(0, WARM_UP);
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < threads && !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        let mut calls = WARM_UP;
        let begin = Instant::now();
        loop {
            rejected += subject.run(calls, CHUNK);
            calls += CHUNK;
            if stop.load(Ordering::Relaxed) || begin.elapsed() >= span {
                break;
            }
        }
        let elapsed = begin.elapsed();
        Lap { nanos_per_call: elapsed.as_nanos() as f64 / (calls - WARM_UP) as f64, calls, rejected }
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|core| scope.spawn(move || lap(core))).collect();
        started.into_iter().map(|thread| thread.join().expect("the measured loop does not panic")).collect()
    })
}

/// Tells the other threads to stop when this one does, were it by a panic.
struct Bell<'a>(&'a AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
