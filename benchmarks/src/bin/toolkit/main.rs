//! The whole toolkit: what each stage costs while it is idle, and a full pipeline beside tower's and tower-resilience's.

mod case;
mod fleet;
mod isolation;
mod report;
mod stacks;
mod stages;

use case::{Case, Kind};
use fusebox_benchmarks::allocations::{self, Counting};
use fusebox_benchmarks::machine::{self, first_line};
use fusebox_benchmarks::stats::Spread;
use fusebox_benchmarks::{page, pin};
use lexopt::prelude::*;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str = "\
Usage: toolkit [OPTIONS]
  --rounds N         interleaved rounds per row (default 41)
  --millis N         length of a round (default 10)
  --no-instructions  do not run under callgrind
  --no-page          do not write docs/benchmarks.md
  --one N --times N  only this row, for callgrind";

struct Options {
    rounds: usize,
    span: Duration,
    instructions: bool,
    page: Option<PathBuf>,
    one: Option<usize>,
    times: u64,
}

/// What was measured of one row.
pub(crate) struct Figure {
    pub(crate) nanos: Spread,
    pub(crate) allocations: f64,
    pub(crate) instructions: Option<f64>,
}

fn main() -> ExitCode {
    match options().map(|options| run(&options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(problem)) | Err(problem) => {
            eprintln!("toolkit: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 41,
        span: Duration::from_millis(10),
        instructions: true,
        page: Some(page::path()),
        one: None,
        times: 0,
    };
    let mut args = lexopt::Parser::from_env();
    let wrong = |error: lexopt::Error| format!("{error}\n{USAGE}");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Long("rounds") => options.rounds = number(&mut args).map_err(wrong)?.max(1) as usize,
            Long("millis") => options.span = Duration::from_millis(number(&mut args).map_err(wrong)?),
            Long("no-instructions") => options.instructions = false,
            Long("no-page") => options.page = None,
            Long("one") => options.one = Some(number(&mut args).map_err(wrong)? as usize),
            Long("times") => options.times = number(&mut args).map_err(wrong)?,
            Long("help") => return Err(USAGE.into()),
            other => return Err(wrong(other.unexpected())),
        }
    }
    Ok(options)
}

fn number(args: &mut lexopt::Parser) -> Result<u64, lexopt::Error> {
    args.value()?.parse()
}

fn run(options: &Options) -> Result<(), String> {
    let mut cases: Vec<Case> = stages::all().into_iter().chain(stacks::all()).collect();
    if let Some(one) = options.one {
        let case = cases.get_mut(one).ok_or("no such row")?;
        counted_calls(case, options.times);
        return Ok(());
    }
    if let Some(load) = machine::load().filter(|load| *load > 0.5) {
        println!("The load average is {load}: somebody else is using this machine, and it will show.");
    }
    let machine = machine::describe();
    // Its threads have both cores.
    let isolated = isolation::measure(options.rounds.min(21));
    pin::this_thread(0).map_err(|error| format!("no core to stay on: {error}"))?;
    let figures = measure(&mut cases, options);
    let fleet = fleet::ask(options.rounds.min(21));
    let section = report::section(&machine, (&cases, &figures), (&fleet, &isolated), options.rounds);
    println!("{section}");
    if let Some(path) = &options.page {
        page::write(path, "toolkit", &section)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("Wrote {}", path.display());
    }
    Ok(())
}

fn measure(cases: &mut [Case], options: &Options) -> Vec<Figure> {
    let mut rounds: Vec<Vec<f64>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (case, figures) in cases.iter_mut().zip(&mut rounds) {
            figures.push(round(case, options.span));
        }
    }
    let has_callgrind = options.instructions
        && first_line("valgrind", &["--version"]).is_some_and(|line| line.starts_with("valgrind-"));
    let figure = |(number, (case, rounds)): (usize, (&mut Case, &Vec<f64>))| {
        const CALLS: u64 = 1_000;
        let ((), heap) = allocations::counted(|| (case.run)(CALLS));
        Figure {
            nanos: Spread::of(rounds).expect("a round or more"),
            allocations: heap.allocations as f64 / CALLS as f64,
            instructions: has_callgrind.then(|| instructions(number)).flatten(),
        }
    };
    cases.iter_mut().zip(&rounds).enumerate().map(figure).collect()
}

fn round(case: &mut Case, span: Duration) -> f64 {
    const CHUNK: u64 = 512;
    (case.run)(CHUNK);
    let (begin, mut calls) = (Instant::now(), 0);
    while begin.elapsed() < span {
        (case.run)(CHUNK);
        calls += CHUNK;
    }
    begin.elapsed().as_nanos() as f64 / calls as f64
}

/// Callgrind counts inside this function only.
#[inline(never)]
fn counted_calls(case: &mut Case, times: u64) {
    (case.run)(times);
}

/// Instructions of one call: the difference between many and few leaves out what a run costs once.
fn instructions(number: usize) -> Option<f64> {
    const FEW: u64 = 1_000;
    const MANY: u64 = 6_000;
    let count = |times: u64| -> Option<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .args(["--collect-atstart=no", "--toggle-collect=*counted_calls*"])
            .arg(std::env::current_exe().ok()?)
            .args(["--one", &number.to_string(), "--times", &times.to_string()])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr);
        text.lines().find(|line| line.contains("Collected"))?.rsplit(' ').next()?.parse().ok()
    };
    Some(count(MANY)?.saturating_sub(count(FEW)?) as f64 / (MANY - FEW) as f64)
}

/// Whether a figure keeps to its target, where it has one.
pub(crate) fn above(kind: Kind, nanos: f64, base: f64) -> Option<(f64, f64)> {
    match kind {
        Kind::Stage(target) => Some((nanos - base, target as f64)),
        Kind::Alone(Some(target)) => Some((nanos, target as f64)),
        Kind::Base | Kind::Alone(None) => None,
    }
}
