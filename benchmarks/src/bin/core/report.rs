//! The tables, for the terminal and for the results page.

use crate::floors::Floor;
use crate::footprint::Footprint;
use crate::rows::{FOOTPRINT_TARGET, Row};
use crate::subject::{Contender, Setup};
use fusebox_benchmarks::machine;
use fusebox_benchmarks::stats::{Spread, number};
use std::fmt::Write;

/// Everything that one run measured.
#[derive(Default)]
pub(crate) struct Results {
    /// One entry per timed row, with a figure per contender.
    pub(crate) timed: Vec<(&'static Row, Vec<Option<Spread>>)>,
    /// What this machine asks for the parts.
    pub(crate) floors: Vec<(Floor, Option<Spread>)>,
    /// Instructions per call, likewise; only rows of one thread.
    pub(crate) instructions: Vec<(&'static Row, Vec<Option<f64>>)>,
    /// The weight of a breaker for each setup.
    pub(crate) footprints: Vec<(Setup, Vec<Option<Footprint>>)>,
    /// Allocations per call of the Tower layers.
    pub(crate) layer_allocations: Vec<Option<f64>>,
}

/// What a target says, against what was measured.
struct Judgement {
    what: String,
    target: String,
    measured: String,
    met: bool,
}

/// One line of the terminal's table.
pub(crate) fn terminal_line(row: &Row, figures: &[Option<Spread>], contenders: &[Contender]) -> String {
    let cells = figures.iter().map(|figure| figure.map(|spread| spread.to_string()));
    format!("{:<42} {}T  {}", row.title.replace('`', ""), row.threads, named(cells, contenders))
}

/// One line of the terminal's table of weights.
pub(crate) fn weight_line(setup: Setup, weights: &[Option<Footprint>], contenders: &[Contender]) -> String {
    let cells = weights.iter().map(|weight| weight.as_ref().map(weight_cell));
    format!("{:<42} {}", setup_title(setup).replace('`', ""), named(cells, contenders))
}

/// Instruction counts, one after the other.
pub(crate) fn count_line(counts: &[Option<f64>], contenders: &[Contender]) -> String {
    named(counts.iter().map(|count| count.map(|value| format!("{value:.0}"))), contenders)
}

fn named(cells: impl Iterator<Item = Option<String>>, contenders: &[Contender]) -> String {
    let known = contenders.iter().zip(cells).filter_map(|(c, cell)| Some(format!("{} {}", c.name, cell?)));
    known.collect::<Vec<_>>().join("  ")
}

/// The section of the results page.
pub(crate) fn section(results: &Results, contenders: &[Contender], how: &str) -> String {
    let mut page = String::from("## Core\n\n");
    let peers: Vec<String> = contenders.iter().map(|c| format!("{} {}", c.name, c.version)).collect();
    let _ = write!(
        page,
        "- Command: `{how}`\n{}- Profile: release, fat LTO, one codegen unit\n- Versions: {}\n\n",
        machine::describe(),
        peers.join(", ")
    );
    page.push_str(concat!(
        "One call is admit and settle around nothing. Nanoseconds per call and thread, median [fastest..slowest] ",
        "of interleaved rounds; with two threads both work on one breaker the whole time. fusebox is told the time ",
        "except in the rows that name a clock; the peers read their own where they need one. Each loop counts its ",
        "rejections, and a case whose breaker left the state it claims ends the run.\n\n",
    ));
    page.push_str(&targets(results, contenders));
    page.push_str(&head("Nanoseconds per call", contenders));
    for (row, figures) in &results.timed {
        let cells = figures.iter().map(|figure| figure.map_or("–".into(), |spread| spread.to_string()));
        page.push_str(&line(&format!("{}, {} thread{}", row.title, row.threads, plural(row.threads)), cells));
    }
    page.push_str(FLOORS_HEAD);
    for (floor, figure) in &results.floors {
        let cell = figure.map_or("–".into(), |spread| spread.to_string());
        let title = format!("{}, {} thread{}", floor.title, floor.threads, plural(floor.threads));
        page.push_str(&line(&title, [cell, number(floor.reference)].into_iter()));
    }
    if !results.instructions.is_empty() {
        page.push_str(&head("Instructions per call (callgrind)", contenders));
        for (row, figures) in &results.instructions {
            let cells =
                figures.iter().map(|figure| figure.map_or("–".into(), |value| format!("{value:.0}")));
            page.push_str(&line(row.title, cells));
        }
    }
    page.push_str(&head(
        "Bytes of one breaker: inline + heap when new, then what 1,000 and 100,000 calls added; allocations per call",
        contenders,
    ));
    for (setup, weights) in &results.footprints {
        let cells = weights.iter().map(|weight| weight.as_ref().map_or("–".into(), weight_cell));
        page.push_str(&line(setup_title(*setup), cells));
    }
    let cells = results
        .layer_allocations
        .iter()
        .map(|count| count.map_or("–".into(), |count| format!("{} allocations", number(count))));
    page.push_str(&line("Tower layer, ready future", cells));
    page.push_str(NOTES);
    page
}

const FLOORS_HEAD: &str = "
### Floors: what the parts of a breaker cost in nanoseconds

The targets are absolute and were set on a machine with the floors of the last column; read a miss against this one's.

| | this machine, same run | where the targets were set |
|---|---|---|
";

const NOTES: &str = "
The peers are not the same thing: recloser has neither a consecutive rule nor a time window; failsafe's time window
is a moving average; throttle-net's counts failures only, one entry for each; tower-resilience's keeps every call, so
both grow with the traffic, and its count window is not a sliding one. \"As shipped\" is each crate's own default
configuration, which for the peers has no slow and no hung calls.
";

/// The targets with what was measured, as a table.
fn targets(results: &Results, contenders: &[Contender]) -> String {
    let Some(ours) = contenders.iter().position(|contender| contender.name == "fusebox") else {
        return String::new();
    };
    let mut table = String::from("| target of fusebox | at most | measured | |\n|---|---|---|---|\n");
    for Judgement { what, target, measured, met } in judge(results, ours) {
        let verdict = if met { "met" } else { "**missed**" };
        let _ = writeln!(table, "| {what} | {target} | {measured} | {verdict} |");
    }
    table.push('\n');
    table
}

/// How many targets were missed, by name.
pub(crate) fn missed(results: &Results, contenders: &[Contender]) -> Vec<String> {
    let ours = contenders.iter().position(|contender| contender.name == "fusebox");
    let judged = ours.map(|ours| judge(results, ours)).unwrap_or_default();
    let text = |j: &Judgement| format!("{}: {} (at most {})", j.what, j.measured, j.target);
    judged.iter().filter(|j| !j.met).map(text).collect()
}

fn judge(results: &Results, ours: usize) -> Vec<Judgement> {
    let mut judged = Vec::new();
    for (row, figures) in &results.timed {
        let (Some(target), Some(spread)) = (row.target, figures[ours]) else { continue };
        let (below, above) = match row.above.map(|setup| bare(results, setup, ours)) {
            None => (0.0, ""),
            Some(Some(below)) => (below, ", above the bare breaker"),
            Some(None) => continue,
        };
        let measured = spread.median - below;
        judged.push(Judgement {
            what: format!("{}, {} thread{}{above}", row.title, row.threads, plural(row.threads)),
            target: format!("{target} ns"),
            measured: format!("{} ns", number(measured)),
            met: measured <= target,
        });
    }
    let shipped = results.footprints.iter().find(|(setup, _)| *setup == Setup::Precise);
    if let Some(Some(weight)) = shipped.map(|(_, weights)| &weights[ours]) {
        judged.push(Judgement {
            what: "idle breaker, `default` preset".into(),
            target: format!("{FOOTPRINT_TARGET} B"),
            measured: format!("{} B", weight.fresh),
            met: weight.fresh <= FOOTPRINT_TARGET,
        });
        let grown = weight.growth.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        judged.push(Judgement {
            what: "its growth over 100,000 calls".into(),
            target: "0 B".into(),
            measured: format!("{grown} B"),
            met: grown <= 0,
        });
    }
    if let Some(Some(count)) = results.layer_allocations.get(ours) {
        judged.push(Judgement {
            what: "allocations per call through the Tower layer".into(),
            target: "0".into(),
            measured: number(*count),
            met: *count == 0.0,
        });
    }
    judged
}

fn bare(results: &Results, setup: Setup, ours: usize) -> Option<f64> {
    let same = |row: &Row| row.setups == [setup] && row.threads == 1;
    let (_, figures) = results.timed.iter().find(|(row, _)| same(row))?;
    Some(figures[ours]?.median)
}

fn weight_cell(weight: &Footprint) -> String {
    let grown: Vec<String> = weight.growth.iter().map(|(_, bytes)| format!("+{bytes}")).collect();
    let heap = weight.fresh - weight.inline;
    format!("{} + {heap}; {}; {}", weight.inline, grown.join(", "), number(weight.allocations_per_call))
}

fn setup_title(setup: Setup) -> &'static str {
    match setup {
        Setup::Consecutive => "consecutive rule",
        Setup::Count => "count window 100",
        Setup::Time => "time window 60 s",
        Setup::Coarse | Setup::Precise => "`default` as shipped",
        Setup::Handle => "`CircuitBreaker` handle as shipped",
        Setup::Layer | Setup::StaticLayer => "Tower layer",
    }
}

fn head(title: &str, contenders: &[Contender]) -> String {
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    format!("\n### {title}\n\n| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

fn line(title: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {title} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
