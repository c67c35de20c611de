//! fusebox's breaker beside recloser, failsafe, throttle-net and tower-resilience, every row in one run.

mod floors;
mod footprint;
mod instructions;
mod ours;
mod peers;
mod report;
mod rows;
mod subject;
mod timing;

use fusebox_benchmarks::allocations::Counting;
use fusebox_benchmarks::{machine, page};
use lexopt::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use subject::{Contender, Setup};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str = "\
Usage: core [OPTIONS]
  --rounds N         interleaved rounds per row (default 41)
  --millis N         length of a round (default 10)
  --only TEXT        only rows whose title contains TEXT; the page is not written
  --no-instructions  do not run under callgrind
  --no-page          do not write docs/benchmarks.md
  --page FILE        write there instead
  --one CASE --iters N   only these calls, for callgrind; CASE is contender/setup/traffic";

struct Options {
    effort: timing::Effort,
    only: Option<String>,
    instructions: bool,
    page: Option<PathBuf>,
    one: Option<String>,
    iters: u64,
}

fn main() -> ExitCode {
    let outcome = options().and_then(|options| match &options.one {
        Some(case) => instructions::run_one(case, options.iters, &contenders()),
        None => compare(&options),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("core: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn contenders() -> Vec<Contender> {
    std::iter::once(ours::contender()).chain(peers::all()).collect()
}

fn options() -> Result<Options, String> {
    let effort = timing::Effort { rounds: 41, span: Duration::from_millis(10) };
    let page = Some(page::path());
    let mut options = Options { effort, only: None, instructions: true, page, one: None, iters: 1_000 };
    let mut args = lexopt::Parser::from_env();
    let wrong = |error: lexopt::Error| format!("{error}\n{USAGE}");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Long("rounds") => options.effort.rounds = number(&mut args).map_err(wrong)?,
            Long("millis") => options.effort.span = Duration::from_millis(number(&mut args).map_err(wrong)?),
            Long("only") => options.only = Some(args.value().and_then(|v| v.string()).map_err(wrong)?),
            Long("no-instructions") => options.instructions = false,
            Long("no-page") => options.page = None,
            Long("page") => options.page = Some(args.value().map_err(wrong)?.into()),
            Long("one") => options.one = Some(args.value().and_then(|v| v.string()).map_err(wrong)?),
            Long("iters") => options.iters = number(&mut args).map_err(wrong)?,
            Long("help") => return Err(USAGE.into()),
            other => return Err(wrong(other.unexpected())),
        }
    }
    match options.effort.rounds {
        0 => Err("--rounds must be 1 or more".into()),
        _ => Ok(options),
    }
}

fn number<T: std::str::FromStr>(args: &mut lexopt::Parser) -> Result<T, lexopt::Error>
where
    T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    args.value()?.parse()
}

fn compare(options: &Options) -> Result<(), String> {
    let contenders = contenders();
    if let Some(load) = machine::load().filter(|load| *load > 0.5) {
        println!("The load average is {load}: somebody else is using this machine, and it will show.");
    }
    let wanted = |title: &str| options.only.as_ref().is_none_or(|only| title.contains(only.as_str()));
    let mut results = report::Results::default();

    println!(
        "Nanoseconds per call and thread, median [fastest..slowest] of {} rounds",
        options.effort.rounds
    );
    for floor in floors::all().into_iter().filter(|floor| wanted(floor.title)) {
        let figure = timing::floor(&floor, options.effort);
        let text = figure.map_or_else(String::new, |spread| spread.to_string());
        println!("{:<42} {}T  {text}", floor.title.replace('`', ""), floor.threads);
        results.floors.push((floor, figure));
    }
    for row in rows::ROWS.iter().filter(|row| wanted(row.title)) {
        if row.threads > fusebox_benchmarks::pin::cores() {
            println!("{}: needs {} cores, left out", row.title, row.threads);
            continue;
        }
        let figures = timing::row(row, &contenders, options.effort);
        println!("{}", report::terminal_line(row, &figures, &contenders));
        results.timed.push((row, figures));
    }
    if options.only.is_none() {
        weigh(&contenders, &mut results);
    }
    if options.instructions && instructions::available() {
        count_instructions(&contenders, &mut results);
    } else if options.instructions {
        println!("valgrind is not installed: no instruction counts (apt-get install valgrind)");
    }
    for missed in report::missed(&results, &contenders) {
        println!("missed  {missed}");
    }
    match &options.page {
        Some(path) if options.only.is_none() => {
            let section = report::section(&results, &contenders, "cargo xtask bench core");
            page::write(path, "core", &section)
                .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            println!("Wrote {}", path.display());
        }
        _ => {}
    }
    Ok(())
}

fn weigh(contenders: &[Contender], results: &mut report::Results) {
    println!("Bytes of one breaker, inline + heap; growth; allocations per call");
    for setup in [Setup::Consecutive, Setup::Count, Setup::Time, Setup::Precise, Setup::Handle] {
        let weights: Vec<_> = contenders.iter().map(|contender| footprint::weigh(contender, setup)).collect();
        println!("{}", report::weight_line(setup, &weights, contenders));
        results.footprints.push((setup, weights));
    }
    let per_call = |contender| footprint::allocations_per_call(contender, Setup::Layer);
    results.layer_allocations = contenders.iter().map(per_call).collect();
    println!("Tower layer, allocations per call: {:?}", results.layer_allocations);
}

fn count_instructions(contenders: &[Contender], results: &mut report::Results) {
    println!("Instructions per call (callgrind)");
    for (row, _) in results.timed.iter().filter(|(row, _)| row.threads == 1) {
        let count = |contender| instructions::per_call(contender, row.setups, row.traffic);
        let counts: Vec<_> = contenders.iter().map(count).collect();
        println!("{:<42} {}", row.title, report::count_line(&counts, contenders));
        results.instructions.push((row, counts));
    }
}
