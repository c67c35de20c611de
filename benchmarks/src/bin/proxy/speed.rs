//! CPU time, throughput, latency and memory of a proxy that forwards.

use crate::backend::Backend;
use crate::contender::{Contender, Running, Task};
use crate::load::{self, Answer, Pace, Seen};
use crate::{LOAD_CORE, PROXY_CORE};
use fusebox_benchmarks::pin;
use fusebox_benchmarks::stats::Spread;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

const CONNECTIONS: usize = 64;
const WARM_UP: usize = 10_000;
pub(crate) const STEADY_PER_SECOND: u32 = 5_000;
pub(crate) const HELD: usize = 1_000;

/// How much to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) requests: usize,
    pub(crate) steady: Duration,
}

/// The figures of one proxy, round by round.
#[derive(Default)]
pub(crate) struct Figures {
    cpu_per_100k: Vec<f64>,
    per_second: Vec<f64>,
    p50_micros: Vec<f64>,
    p99_micros: Vec<f64>,
    steady_p50_micros: Vec<f64>,
    steady_p99_micros: Vec<f64>,
    pub(crate) idle_kib: Option<u64>,
    pub(crate) held_kib: Option<u64>,
}

impl Figures {
    pub(crate) fn cpu_per_100k(&self) -> Option<Spread> {
        Spread::of(&self.cpu_per_100k)
    }

    pub(crate) fn per_second(&self) -> Option<Spread> {
        Spread::of(&self.per_second)
    }

    pub(crate) fn saturated(&self) -> (Option<Spread>, Option<Spread>) {
        (Spread::of(&self.p50_micros), Spread::of(&self.p99_micros))
    }

    pub(crate) fn steady(&self) -> (Option<Spread>, Option<Spread>) {
        (Spread::of(&self.steady_p50_micros), Spread::of(&self.steady_p99_micros))
    }
}

/// Measures every contender, and first the backend without any proxy, taking turns round by round.
pub(crate) fn compare(contenders: &[Contender], effort: Effort) -> io::Result<(Figures, Vec<Figures>)> {
    let backend = Backend::start(LOAD_CORE, false)?;
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for (contender, figures) in contenders.iter().zip(&mut figures) {
        let running = contender.start(Task::Forward, &[backend.address], PROXY_CORE)?;
        std::thread::sleep(Duration::from_millis(300));
        figures.idle_kib = Some(running.usage().resident_kib);
        let held = load::hold(running.address, HELD)?;
        figures.held_kib = Some(running.usage().resident_kib);
        drop(held);
    }
    let running: Vec<Running> = contenders
        .iter()
        .map(|contender| contender.start(Task::Forward, &[backend.address], PROXY_CORE))
        .collect::<io::Result<_>>()?;
    let mut direct = Figures::default();
    for round in 1..=effort.rounds {
        measure(backend.address, None, effort, &mut direct)?;
        for ((contender, running), figures) in contenders.iter().zip(&running).zip(&mut figures) {
            measure(running.address, Some(running), effort, figures)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", contender.name())))?;
            let last = |values: &[f64]| values.last().copied().unwrap_or_default();
            println!(
                "round {round}  {:<8} {:.3} CPU-s/100k  {:>6.0}/s  p50 {:.0} µs  p99 {:.0} µs  steady p50 {:.0} µs  p99 {:.0} µs",
                contender.name(),
                last(&figures.cpu_per_100k),
                last(&figures.per_second),
                last(&figures.p50_micros),
                last(&figures.p99_micros),
                last(&figures.steady_p50_micros),
                last(&figures.steady_p99_micros),
            );
        }
    }
    Ok((direct, figures))
}

fn measure(
    target: SocketAddr,
    running: Option<&Running>,
    effort: Effort,
    figures: &mut Figures,
) -> io::Result<()> {
    drive(target, Pace::Closed { connections: CONNECTIONS, requests: WARM_UP })?;
    let before = running.map(Running::usage);
    let seen = drive(target, Pace::Closed { connections: CONNECTIONS, requests: effort.requests })?;
    if let (Some(before), Some(running)) = (before, running) {
        let used = running.usage().cpu_seconds - before.cpu_seconds;
        figures.cpu_per_100k.push(used * 100_000.0 / effort.requests as f64);
    }
    figures.per_second.push(effort.requests as f64 / seen.elapsed.as_secs_f64());
    let (p50, p99) = percentiles(&seen);
    figures.p50_micros.push(p50);
    figures.p99_micros.push(p99);

    let pace = Pace::Open { per_second: STEADY_PER_SECOND, span: effort.steady };
    let (p50, p99) = percentiles(&drive(target, pace)?);
    figures.steady_p50_micros.push(p50);
    figures.steady_p99_micros.push(p99);
    Ok(())
}

/// Runs a load on its core; any answer but 200 ends the measurement, for it would be of something else.
fn drive(target: SocketAddr, pace: Pace) -> io::Result<Seen> {
    let load = std::thread::spawn(move || pin::this_thread(LOAD_CORE).and_then(|()| load::run(target, pace)));
    let seen = load.join().map_err(|_| io::Error::other("the load panicked"))??;
    match seen.samples.iter().find(|sample| sample.answer != Answer::Status(200)) {
        Some(wrong) => Err(io::Error::other(format!("an answer was not 200: {:?}", wrong.answer))),
        None => Ok(seen),
    }
}

/// The 50th and 99th percentile in microseconds.
fn percentiles(seen: &Seen) -> (f64, f64) {
    let mut micros: Vec<f64> = seen.samples.iter().map(|s| s.took.as_nanos() as f64 / 1_000.0).collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros.get((micros.len() as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.5), at(0.99))
}
