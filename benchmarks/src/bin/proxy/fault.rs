//! What a fault does to the clients and to the endpoint that has it: 200 requests a second, 6 s of trouble.

use crate::backend::{Backend, Mood};
use crate::contender::{Contender, Task};
use crate::load::{self, Answer, Pace, Sample};
use crate::{LOAD_CORE, PROXY_CORE};
use fusebox_benchmarks::pin;
use std::io;
use std::time::{Duration, Instant};

pub(crate) const PER_SECOND: u32 = 200;
const BEFORE: Duration = Duration::from_secs(2);
pub(crate) const FAULT: Duration = Duration::from_secs(6);
const AFTER: Duration = Duration::from_secs(5);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) title: &'static str,
    pub(crate) endpoints: usize,
    pub(crate) mood: Mood,
    /// The most requests that fusebox may let through to the bad endpoint: ten, or what a second's share brings until
    /// half the attempt's timeout has passed and ten more, and three probes after each wait of 2 s.
    pub(crate) reach_target: u64,
}

pub(crate) const SCENARIOS: [Scenario; 3] = [
    Scenario { title: "one endpoint, answers 503", endpoints: 1, mood: Mood::Refuses, reach_target: 10 + 9 },
    Scenario {
        title: "two endpoints, one answers 503",
        endpoints: 2,
        mood: Mood::Refuses,
        reach_target: 10 + 9,
    },
    Scenario {
        title: "two endpoints, one hangs",
        endpoints: 2,
        mood: Mood::Hangs,
        reach_target: 25 + 10 + 9,
    },
];

/// How one proxy came through.
pub(crate) struct Outcome {
    /// Requests the clients made during the fault.
    pub(crate) offered: usize,
    /// Requests that arrived at the bad endpoint during the fault.
    pub(crate) reached: u64,
    /// Requests made during the fault that were not answered with 200.
    pub(crate) errors: usize,
    /// The longest that a request made during the fault took.
    pub(crate) slowest: Duration,
    /// From the fault's end to the next request at the endpoint.
    pub(crate) back_after: Option<Duration>,
    /// From the fault's end to the last request that was not answered with 200.
    pub(crate) last_error_after: Option<Duration>,
    /// Errors before the fault: there should be none.
    pub(crate) errors_before: usize,
}

/// Runs one scenario against all contenders at once; the load is light.
pub(crate) fn run(scenario: Scenario, contenders: &[Contender]) -> Vec<io::Result<Outcome>> {
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            contenders.iter().map(|contender| scope.spawn(move || one(scenario, contender))).collect();
        let joined = |run: std::thread::ScopedJoinHandle<'_, _>| {
            run.join().unwrap_or_else(|_| Err(io::Error::other("the run panicked")))
        };
        runs.into_iter().map(joined).collect()
    })
}

fn one(scenario: Scenario, contender: &Contender) -> io::Result<Outcome> {
    let backends: Vec<Backend> =
        (0..scenario.endpoints).map(|_| Backend::start(LOAD_CORE, true)).collect::<io::Result<_>>()?;
    let upstreams: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let running = contender.start(Task::Cope, &upstreams, PROXY_CORE)?;
    let bad = &backends[0];
    let target = running.address;

    let load = std::thread::spawn(move || {
        pin::this_thread(LOAD_CORE)?;
        load::run(target, Pace::Open { per_second: PER_SECOND, span: BEFORE + FAULT + AFTER })
    });
    std::thread::sleep(BEFORE);
    let (begin, already) = (Instant::now(), bad.requests());
    bad.set(scenario.mood);
    std::thread::sleep(FAULT);
    let (end, reached) = (Instant::now(), bad.requests() - already);
    bad.set(Mood::Well);

    let seen = load.join().map_err(|_| io::Error::other("the load panicked"))??;
    let failed = |sample: &&Sample| sample.answer != Answer::Status(200);
    let during = || seen.samples.iter().filter(|sample| (begin..end).contains(&sample.at));
    let later = seen.samples.iter().filter(|sample| sample.at >= end).filter(failed);
    Ok(Outcome {
        offered: during().count(),
        reached,
        errors: during().filter(failed).count(),
        slowest: during().map(|sample| sample.took).max().unwrap_or_default(),
        back_after: bad.first_arrival_from(end).map(|arrival| arrival - end),
        last_error_after: later.map(|sample| sample.at - end).max(),
        errors_before: seen
            .samples
            .iter()
            .filter(|sample| sample.at + sample.took < begin)
            .filter(failed)
            .count(),
    })
}
