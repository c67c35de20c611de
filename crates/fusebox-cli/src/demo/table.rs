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

#[cfg(test)]
mod tests {
    use super::super::load::Service;
    use super::super::tally::Got;
    use super::*;
    use fusebox_core::Time;
    use fusebox_core::breaker::Cause;
    use fusebox_core::event::Transition;

    fn scene(changes: usize) -> Scene {
        let circuit = |backend, state| CircuitRow {
            backend,
            name: "payments/127.0.0.1:65535".into(),
            state,
            rates: (state != State::Open).then_some((1.0, 0.07)),
            rejected: 123_456,
            probe_in: (state == State::Open).then(|| Duration::from_millis(1900)),
        };
        let fault = |name, fault| BackendRow { name, fault, reached: 1_234_567, while_failing: 9_999 };
        let mut tally = Tally::default();
        for got in [Got::Answer, Got::Fallback, Got::Rejection, Got::Failure] {
            tally.add(got, Duration::from_secs(1));
        }
        let change = |n| Change {
            at: Duration::from_secs(n),
            backend: "provider",
            change: Transition {
                from: State::Closed,
                to: State::Open,
                cause: Cause::PhaseLimit(Duration::from_secs(n)),
                at: Time::from_secs(n),
                epoch: n,
                retry_at: Time::from_secs(n + 1),
                shadow: false,
            },
        };
        Scene {
            elapsed: Duration::from_millis(123_400),
            length: Duration::from_secs(280),
            phase: 2,
            circuits: Some(vec![
                circuit("provider", State::Open),
                circuit("backup", State::HalfOpen),
                circuit("profiles", State::Closed),
            ]),
            backends: vec![
                fault("provider", Fault::Down),
                fault("backup", Fault::Slow),
                fault("profiles", Fault::Errors),
            ],
            services: vec![(Service::Payments, tally.clone()), (Service::Profiles, tally)],
            changes: (1..=changes as u64).map(change).collect(),
        }
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn a_frame_fits_eighty_columns_and_says_every_state_in_words() {
        let lines = plain(&frame(&scene(3), None));
        for line in &lines {
            assert!(line.chars().count() <= WIDTH, "{line:?}");
        }
        let table = lines.join("\n");
        for words in ["OPEN", "half-open", "closed", "1.9s", "100 %", "123,456", "[50 % errors]", "1000 ms"] {
            assert!(table.contains(words), "{words:?} is not in\n{table}");
        }
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let lines = plain(&frame(&scene(0), None));
        let ends = |line: &str, word: &str| {
            line.find(word).map(|at| line[..at].chars().count() + word.chars().count())
        };
        let at = lines.iter().position(|line| line.contains("REJECTED")).expect("a head");
        for (head, value) in [("STATE", "OPEN "), ("REJECTED", "123,456"), ("PROBE", "1.9s")] {
            assert_eq!(
                ends(&lines[at], head),
                ends(&lines[at + 1], value),
                "{head}\n{}\n{}",
                lines[at],
                lines[at + 1]
            );
        }
    }

    #[test]
    fn a_frame_keeps_to_the_height_and_shows_the_newest_transitions() {
        for height in LEAST_HEIGHT..60 {
            let lines = frame(&scene(30), Some(height));
            assert!(lines.len() <= height, "{} lines of {height}", lines.len());
            let table = plain(&lines).join("\n");
            assert!(
                table.contains("half_open_limit 30s") && !table.contains("half_open_limit 1s"),
                "{table}"
            );
        }
        let all = plain(&frame(&scene(30), None)).join("\n");
        assert!(all.contains("half_open_limit 30s") && all.contains("half_open_limit 1s"));
    }

    #[test]
    fn a_run_without_fusebox_shows_no_circuits() {
        let table = plain(&frame(&Scene { circuits: None, ..scene(0) }, None)).join("\n");
        assert!(!table.contains("CIRCUIT") && !table.contains("TRANSITIONS"), "{table}");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
