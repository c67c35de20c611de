//! The queue in one SQLite file, beside the least that SQLite itself could do: enqueue, lease and settle, a backlog, a cold start.

mod backlog;
mod drain;
mod floor;
mod load;
mod ours;
mod raw;
mod report;
mod tables;

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

/// Items a second of raw SQLite, with the least of a table and with an equal one, and ours; and ours over each, round by round.
pub(crate) struct Trio {
    pub(crate) title: String,
    pub(crate) least: Spread,
    pub(crate) equal: Spread,
    pub(crate) ours: Spread,
    pub(crate) of_least: Spread,
    pub(crate) of_equal: Spread,
    /// Whether the ratios have a target.
    pub(crate) judged: bool,
}

impl Trio {
    /// Of `[least, equal, ours]` in each round.
    pub(crate) fn of(title: impl Into<String>, rounds: &[[f64; 3]]) -> Trio {
        let spread = |pick: fn(&[f64; 3]) -> f64| {
            Spread::of(&rounds.iter().map(pick).collect::<Vec<_>>()).expect("a round or more")
        };
        Trio {
            title: title.into(),
            least: spread(|[least, ..]| *least),
            equal: spread(|[_, equal, _]| *equal),
            ours: spread(|[.., ours]| *ours),
            of_least: spread(|[least, _, ours]| ours / least),
            of_equal: spread(|[_, equal, ours]| ours / equal),
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
    let mut trios = load::measure(folder.path(), options.rounds, options.span)?;
    trios.extend(drain::measure(folder.path(), options.rounds, options.span)?);
    let backlog = backlog::measure(folder.path(), options.items, options.rounds)?;
    let load = before.zip(machine::load());
    let section = report::section(&machine::describe(), load, floor, (&trios, &backlog), options.rounds);
    println!("{section}");
    if let Some(path) = &options.page {
        page::write(path, "queue", &section).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("Wrote {}", path.display());
    }
    Ok(())
}
