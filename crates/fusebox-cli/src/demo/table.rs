//! A moment as a table: at most 80 columns, every colour beside a word that says the same.

use super::scene::{BackendRow, Change, CircuitRow, Scene};
use super::schedule::{Fault, PHASES};
use super::tally::Tally;
use crate::look::{self, BAD, DOUBTFUL, GOOD, HEAD, Look, QUIET};
use fusebox_core::breaker::State;
use std::time::Duration;

/// Columns that a table takes at most.
pub(super) const WIDTH: usize = 80;
/// Lines that a table takes without its transitions; a terminal with fewer gets lines.
pub(super) const LEAST_HEIGHT: usize = 22;
/// Where the reason of a transition begins.
const REASON: usize = 31;

/// The frame of `scene`, in at most `height` lines; all transitions if there is no limit.
pub(super) fn frame(scene: &Scene, height: Option<usize>) -> Vec<String> {
    let mut lines = vec![title(scene), timeline(scene), format!("  {}", scene.says()), String::new()];
    if let Some(circuits) = &scene.circuits {
        let head = format!(
            "  {:8}  {:24}  {:9}  {:>6}  {:>4}  {:>8}  {:>5}",
            "CIRCUIT", "", "STATE", "FAILED", "SLOW", "REJECTED", "PROBE"
        );
        lines.push(HEAD.paint(head));
        lines.extend(circuits.iter().map(circuit));
        lines.push(String::new());
    }
    let head = format!(
        "  {:8}  {:24}  {:>17}  {:>21}",
        "BACKEND", "NOW", "CALLS REACHING IT", "OF THEM WHILE FAILING"
    );
    lines.push(HEAD.paint(head));
    lines.extend(scene.backends.iter().map(backend));
    lines.push(String::new());
    let head = format!(
        "  {:8}  {:>10}  {:>8}  {:>8}  {:>8}  {:>10}  {:>10}",
        "CALLS", "ANSWERED", "FALLBACK", "REJECTED", "FAILED", "P50", "P99"
    );
    lines.push(HEAD.paint(head));
    lines.extend(scene.services.iter().map(|(service, tally)| calls(service.name(), tally)));
    if scene.circuits.is_some() {
        lines.push(String::new());
        lines.push(HEAD.paint("  TRANSITIONS"));
        let room = height.map(|height| height.saturating_sub(lines.len()));
        lines.extend(transitions(&scene.changes, room));
    }
    lines
}

fn title(scene: &Scene) -> String {
    let run = match scene.circuits {
        Some(_) => "1 of 2: with fusebox",
        None => "2 of 2: the same without fusebox",
    };
    let clock = format!("{} of {}", look::seconds(scene.elapsed), look::seconds(scene.length));
    let gap = WIDTH.saturating_sub(2 + run.len() + clock.len());
    format!("  {}{:gap$}{}", HEAD.paint(run), "", QUIET.paint(clock))
}

fn timeline(scene: &Scene) -> String {
    let mut line = String::from(" ");
    for (i, phase) in PHASES.iter().enumerate() {
        if i > 0 {
            line += &QUIET.paint(" \u{203a}");
        }
        line += &match i.cmp(&scene.phase) {
            std::cmp::Ordering::Less => format!(" {}", phase.name),
            std::cmp::Ordering::Equal => format!(" {}", HEAD.paint(format!("[{}]", phase.name))),
            std::cmp::Ordering::Greater => format!(" {}", QUIET.paint(phase.name)),
        };
    }
    line
}

fn circuit(row: &CircuitRow) -> String {
    let rate = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.0} %", share * 100.0));
    let probe = match (row.state, row.probe_in) {
        (State::Open, Some(span)) => look::seconds(span),
        (State::HalfOpen, _) => "now".into(),
        _ => "-".into(),
    };
    format!(
        "  {:8}  {}  {}  {:>6}  {:>4}  {:>8}  {:>5}",
        row.backend,
        QUIET.paint(format!("{:24}", row.name)),
        look::state(row.state, 9),
        rate(row.rates.map(|rates| rates.0)),
        rate(row.rates.map(|rates| rates.1)),
        grouped(row.rejected),
        probe,
    )
}

fn backend(row: &BackendRow) -> String {
    let look = match row.fault {
        Fault::Nothing => GOOD,
        Fault::Slow | Fault::Errors => DOUBTFUL,
        Fault::Down => BAD,
    };
    let condition = look.paint(format!("{:24}", row.fault.condition()));
    let (reached, failing) = (grouped(row.reached), grouped(row.while_failing));
    format!("  {:8}  {condition}  {reached:>17}  {failing:>21}", row.name)
}

fn calls(name: &str, tally: &Tally) -> String {
    let number = |count: u64, width: usize, look: Look| {
        let text = format!("{:>width$}", grouped(count));
        if count > 0 { look.paint(text) } else { text }
    };
    let (p50, p99) = (latency(tally.latency(0.5)), latency(tally.latency(0.99)));
    format!(
        "  {name:8}  {:>10}  {}  {}  {}  {p50:>10}  {p99:>10}",
        grouped(tally.answered),
        number(tally.fallbacks, 8, DOUBTFUL),
        number(tally.rejected, 8, DOUBTFUL),
        number(tally.failed, 8, BAD),
    )
}

/// The newest transitions that fit into `room` lines, the newest last.
fn transitions(changes: &[Change], room: Option<usize>) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for change in changes.iter().rev() {
        let lines = transition(change);
        if room.is_some_and(|room| shown.len() + lines.len() > room) {
            break;
        }
        shown.splice(0..0, lines);
    }
    shown
}

/// A transition in as many lines as its reason needs.
pub(super) fn transition(change: &Change) -> Vec<String> {
    let reason = look::reason(&change.change);
    let mut lines = look::wrapped(&reason, WIDTH - REASON).into_iter();
    let first = format!(
        "  {:>6}  {:8}  {}  {}",
        look::seconds(change.at),
        change.backend,
        look::state(change.change.to, 9),
        lines.next().unwrap_or_default()
    );
    let rest = lines.map(|line| format!("{:indent$}{line}", "", indent = REASON));
    [first].into_iter().chain(rest).collect()
}

/// A latency in the unit that suits it.
pub(super) fn latency(span: Option<Duration>) -> String {
    match span {
        None => "-".into(),
        Some(span) if span < Duration::from_millis(100) => format!("{:.1} ms", span.as_secs_f64() * 1000.0),
        Some(span) => format!("{:.0} ms", span.as_secs_f64() * 1000.0),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
