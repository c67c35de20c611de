//! The queue in one SQLite file, beside the least that SQLite itself could do: enqueue, lease and settle, a backlog, a cold start.

mod backlog;
mod drain;
mod floor;
mod load;
mod ours;
mod raw;
mod report;

use fusebox_benchmarks::stats::Spread;
use fusebox_benchmarks::{machine, page};
use lexopt::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
Usage: queue [OPTIONS]
  --rounds N   rounds per figure, ours and raw SQLite's in turn (default 3)
  --millis N   length of a round (default 2000)
  --items N    items of the backlog (default 1000000)
  --folder F   where the files are made (default: the system's temporary folder)
  --no-page    do not write docs/benchmarks.md
  --cold FILE  only open FILE and lease an item of it, in this process";

struct Options {
    rounds: usize,
    span: Duration,
    items: u64,
    folder: PathBuf,
    page: Option<PathBuf>,
    cold: Option<PathBuf>,
}

/// Items a second of both, and ours over the other's, round by round.
pub(crate) struct Pair {
    pub(crate) title: String,
    pub(crate) raw: Spread,
    pub(crate) ours: Spread,
    pub(crate) ratio: Spread,
    /// Whether the ratio has a target.
    pub(crate) judged: bool,
}

impl Pair {
    /// Of `(raw, ours)` in each round.
    pub(crate) fn of(title: impl Into<String>, rounds: &[(f64, f64)]) -> Pair {
        let spread = |pick: fn(&(f64, f64)) -> f64| {
            Spread::of(&rounds.iter().map(pick).collect::<Vec<_>>()).expect("a round or more")
        };
        Pair {
            title: title.into(),
            raw: spread(|(raw, _)| *raw),
            ours: spread(|(_, ours)| *ours),
            ratio: spread(|(raw, ours)| ours / raw),
            judged: true,
        }
    }
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("queue: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 3,
        span: Duration::from_secs(2),
        items: 1_000_000,
        folder: std::env::temp_dir(),
        page: Some(page::path()),
        cold: None,
    };
    let mut args = lexopt::Parser::from_env();
    let wrong = |error: lexopt::Error| format!("{error}\n{USAGE}");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Long("rounds") => options.rounds = number(&mut args).map_err(wrong)?.max(1) as usize,
            Long("millis") => options.span = Duration::from_millis(number(&mut args).map_err(wrong)?),
            Long("items") => options.items = number(&mut args).map_err(wrong)?.max(1),
            Long("folder") => options.folder = args.value().map_err(wrong)?.into(),
            Long("no-page") => options.page = None,
            Long("cold") => options.cold = Some(args.value().map_err(wrong)?.into()),
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
    if let Some(file) = &options.cold {
        return backlog::start_cold(file);
    }
    let before = machine::load();
    let folder = tempfile::tempdir_in(&options.folder).map_err(|error| error.to_string())?;
    let floor = floor::measure(folder.path(), 400).map_err(|error| error.to_string())?;
    println!("one small write and its fdatasync: {floor} µs");
    let mut pairs = load::measure(folder.path(), options.rounds, options.span)?;
    pairs.extend(drain::measure(folder.path(), options.rounds, options.span)?);
    let backlog = backlog::measure(folder.path(), options.items, options.rounds)?;
    let load = before.zip(machine::load());
    let section = report::section(&machine::describe(), load, floor, (&pairs, &backlog), options.rounds);
    println!("{section}");
    if let Some(path) = &options.page {
        page::write(path, "queue", &section).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("Wrote {}", path.display());
    }
    Ok(())
}
