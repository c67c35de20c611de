//! fusebox's proxy beside nginx and HAProxy, each alone on one core with the load on the other.

mod backend;
mod contender;
mod fault;
mod load;
mod report;
mod speed;
mod usage;

use contender::Contender;
use fusebox_benchmarks::{machine, page, pin};
use lexopt::prelude::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

const PROXY_CORE: usize = 0;
const LOAD_CORE: usize = 1;

const USAGE: &str = "\
Usage: proxy [OPTIONS]
  --rounds N      rounds, the proxies taking turns (default 5)
  --requests N    requests a round (default 200000)
  --fault         instead: one endpoint goes bad for 6 s
  --peers-only    without fusebox
  --fusebox FILE  the binary to measure (default: built from this repository)
  --no-page       do not write docs/benchmarks.md
  --page FILE     write there instead";

struct Options {
    effort: speed::Effort,
    fault: bool,
    peers_only: bool,
    fusebox: Option<PathBuf>,
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options().and_then(|options| measure(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("proxy: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let effort = speed::Effort { rounds: 5, requests: 200_000, steady: Duration::from_secs(2) };
    let page = Some(page::path());
    let mut options = Options { effort, fault: false, peers_only: false, fusebox: None, page };
    let mut args = lexopt::Parser::from_env();
    let wrong = |error: lexopt::Error| format!("{error}\n{USAGE}");
    let number = |args: &mut lexopt::Parser| args.value().and_then(|value| value.parse()).map_err(wrong);
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Long("rounds") => options.effort.rounds = number(&mut args)?,
            Long("requests") => options.effort.requests = number(&mut args)?,
            Long("fault") => options.fault = true,
            Long("peers-only") => options.peers_only = true,
            Long("fusebox") => options.fusebox = Some(args.value().map_err(wrong)?.into()),
            Long("no-page") => options.page = None,
            Long("page") => options.page = Some(args.value().map_err(wrong)?.into()),
            Long("help") => return Err(USAGE.into()),
            other => return Err(wrong(other.unexpected())),
        }
    }
    match options.effort {
        speed::Effort { rounds: 0, .. } => Err("--rounds must be 1 or more".into()),
        speed::Effort { requests: 0, .. } => Err("--requests must be 1 or more".into()),
        _ => Ok(options),
    }
}

fn measure(options: &Options) -> Result<(), String> {
    if pin::cores() < 2 {
        return Err("two cores are needed: one for the proxy, one for the load".into());
    }
    raise_file_limit();
    let contenders = contenders(options)?;
    if let Some(load) = machine::load().filter(|load| *load > 0.5) {
        println!("The load average is {load}: somebody else is using this machine, and it will show.");
    }
    let (name, section) = match options.fault {
        true => ("proxy-fault", cope(&contenders)),
        false => ("proxy", race(&contenders, options.effort)?),
    };
    if let Some(path) = &options.page {
        page::write(path, name, &section).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("Wrote {}", path.display());
    }
    Ok(())
}

fn race(contenders: &[Contender], effort: speed::Effort) -> Result<String, String> {
    let (direct, figures) = speed::compare(contenders, effort).map_err(|error| error.to_string())?;
    for missed in report::missed_speed(contenders, &direct, &figures) {
        println!("missed  {missed}");
    }
    Ok(report::speed_section(contenders, &direct, &figures, effort))
}

fn cope(contenders: &[Contender]) -> String {
    let mut coped = report::Coped::new();
    for scenario in fault::SCENARIOS {
        let outcomes = fault::run(scenario, contenders);
        for (contender, outcome) in contenders.iter().zip(&outcomes) {
            println!("{}", report::fault_line(&scenario, contender, outcome));
        }
        coped.push((scenario, outcomes));
    }
    report::fault_section(contenders, &coped)
}

/// The proxies that are there; what is missing is said, with what to install.
fn contenders(options: &Options) -> Result<Vec<Contender>, String> {
    let mut contenders = Vec::new();
    if !options.peers_only {
        let built = || build_fusebox();
        let binary = options.fusebox.clone().map_or_else(built, Ok)?;
        contenders.push(Contender::Fusebox(binary));
    }
    for peer in [Contender::Nginx, Contender::Haproxy] {
        match peer.version() {
            Ok(_) => contenders.push(peer),
            Err(missing) => println!("{missing}"),
        }
    }
    match contenders.is_empty() {
        true => Err("there is no proxy to measure".into()),
        false => Ok(contenders),
    }
}

fn build_fusebox() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new("cargo");
    // Of its own workspace and into that one's directory, whatever the benchmark itself was built with.
    cargo.current_dir(&root).env_remove("CARGO_TARGET_DIR").args(["build", "--release", "--bin", "fusebox"]);
    match cargo.status() {
        Ok(status) if status.success() => Ok(root.join("target/release/fusebox")),
        Ok(status) => Err(format!("building fusebox failed: {status}")),
        Err(error) => Err(format!("cargo did not start: {error}")),
    }
}

/// A thousand held connections need a descriptor on each side, and in each proxy; children inherit the limit.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum.map(|most| most.min(65_536)).or(Some(65_536)), ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        println!("the limit on open files stays at {:?}: {error}", limit.current);
    }
}
