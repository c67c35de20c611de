//! The section of the results page.

use crate::case::{Case, Kind};
use crate::fleet::Answered;
use crate::isolation::Isolated;
use crate::{Figure, above};
use fusebox_benchmarks::stats::number;
use std::fmt::Write;

/// All of it, as Markdown.
pub(crate) fn section(
    machine: &str,
    (cases, figures): (&[Case], &[Figure]),
    (fleet, isolated): (&[Answered], &Isolated),
    rounds: usize,
) -> String {
    let mut page = String::from("## Toolkit\n\n");
    let _ = writeln!(page, "{machine}- Command: `cargo xtask bench toolkit`");
    let _ = write!(
        page,
        "- Nanoseconds per call on one thread, median [fastest..slowest] of {rounds} interleaved rounds; instructions by \
         callgrind, which do not drift; allocations after warm-up\n\n\
         A stage's row is a walk through the base, *fallback and breaker*, with that stage added and idle; *above* is what it \
         adds. The stacks at the end have a rate limiter, a bulkhead, a timeout, a breaker, a retry and a fallback, as far as \
         their makers have them, around a service that is ready at once.\n\n\
         | | ns | instructions | allocations | above the base | target | |\n|---|---|---|---|---|---|---|\n"
    );
    let base = cases.iter().position(|case| case.kind == Kind::Base).unwrap_or(0);
    for (case, figure) in cases.iter().zip(figures) {
        let judged = above(case.kind, figure.nanos.median, figures[base].nanos.median);
        let instructions = figure.instructions.map_or_else(|| "–".into(), |count| format!("{count:.0}"));
        let added = match (case.kind, judged) {
            (Kind::Stage(_), Some((nanos, _))) => {
                let more =
                    figure.instructions.zip(figures[base].instructions).map(|(with, without)| with - without);
                more.map_or_else(
                    || number(nanos),
                    |more| format!("{} ({more:+.0} instructions)", number(nanos)),
                )
            }
            _ => String::new(),
        };
        let (target, met) = match judged {
            Some((nanos, target)) => {
                (format!("≤ {target}"), if nanos <= target { "met" } else { "**missed**" })
            }
            None => (String::new(), ""),
        };
        let _ = writeln!(
            page,
            "| {} | {} | {instructions} | {} | {added} | {target} | {met} |",
            case.title, figure.nanos, figure.allocations
        );
    }
    page.push_str("\n| operators | ms | target | |\n|---|---|---|---|\n");
    for Answered { title, target, millis } in fleet {
        let limit = target.map_or_else(String::new, |target| format!("≤ {target}"));
        let met = match target {
            Some(target) if millis.median <= *target as f64 => "met",
            Some(_) => "**missed**",
            None => "",
        };
        let _ = writeln!(page, "| {title} | {millis} | {limit} | {met} |");
    }
    let Isolated { well, hung, ratio } = isolated;
    let met = if ratio.median <= 1.1 { "met" } else { "**missed**" };
    let _ = write!(
        page,
        "\n| two dependencies on threads of their own: p99 of B's calls | µs | target | |\n|---|---|---|---|\n\
         | A is well | {well} | | |\n| every thread of A hangs | {hung} | | |\n\
         | the second over the first, by round (a ratio) | {ratio} | ≤ 1.1 | {met} |\n"
    );
    page
}
