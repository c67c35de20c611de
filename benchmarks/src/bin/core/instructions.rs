//! Instructions per call, from callgrind: this binary runs itself twice with different numbers of calls, and the
//! difference leaves what a run costs once out. Kernel work and the vDSO are not in it.

use crate::subject::{Contender, Setup, Subject, Traffic, verify};
use fusebox_benchmarks::machine::first_line;
use std::process::Command;

const FEW: u64 = 1_000;
const MANY: u64 = 6_000;

/// Whether valgrind is there.
pub(crate) fn available() -> bool {
    first_line("valgrind", &["--version"]).is_some_and(|line| line.starts_with("valgrind-"))
}

/// Instructions per call of one case; `None` if the contender does not offer it or valgrind fails.
pub(crate) fn per_call(contender: &Contender, setups: &[Setup], traffic: Traffic) -> Option<f64> {
    let setup = setups.iter().find(|&&setup| (contender.build)(setup, traffic).is_some())?;
    let case = format!("{}/{setup}/{traffic}", contender.name);
    let (few, many) = (count(&case, FEW)?, count(&case, MANY)?);
    Some(many.saturating_sub(few) as f64 / (MANY - FEW) as f64)
}

/// What `--one CASE --iters N` does: only the calls, for callgrind to count.
pub(crate) fn run_one(case: &str, calls: u64, contenders: &[Contender]) -> Result<(), String> {
    let mut parts = case.split('/');
    let (name, setup, traffic) = (parts.next(), parts.next(), parts.next());
    let known = || format!("no case {case:?}: it is contender/setup/traffic, as in fusebox/count/good");
    let contender = contenders.iter().find(|c| Some(c.name) == name).ok_or_else(known)?;
    let setup = Setup::ALL.into_iter().find(|s| Some(&*s.to_string()) == setup).ok_or_else(known)?;
    let traffic = Traffic::ALL.into_iter().find(|t| Some(&*t.to_string()) == traffic).ok_or_else(known)?;
    let subject = contender
        .prepare(setup, traffic)
        .ok_or_else(|| format!("{name:?} has no such setup", name = contender.name))?;
    verify(traffic, calls, counted_calls(&*subject, calls))
}

/// Callgrind counts inside this function only: a clock that calibrates itself at start is not in it.
#[inline(never)]
fn counted_calls(subject: &dyn Subject, calls: u64) -> u64 {
    subject.run(0, calls)
}

fn count(case: &str, calls: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*counted_calls*"])
        .arg(std::env::current_exe().ok()?)
        .args(["--one", case, "--iters", &calls.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected"))?;
    output.status.success().then(|| line.rsplit(' ').next()?.parse().ok())?
}
