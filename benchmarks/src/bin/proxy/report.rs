//! The tables, for the terminal and for the results page.

use crate::contender::Contender;
use crate::fault::{FAULT, Outcome, PER_SECOND, Scenario};
use crate::speed::{Effort, Figures, HELD, STEADY_PER_SECOND};
use fusebox_benchmarks::machine;
use fusebox_benchmarks::stats::{Spread, number};
use std::fmt::Write;
use std::io;
use std::time::Duration;

/// CPU-seconds per 100,000 requests that fusebox may take now, and the goal.
const CPU_TARGETS: [(&str, f64); 2] = [("with hyper, now", 1.75), ("goal, with our own HTTP/1.1 path", 1.30)];
const IDLE_TARGET_KIB: u64 = 8 * 1024;
const HELD_TARGET_KIB: u64 = 20 * 1024;
/// What a wait of 2 s and the promised half second leave for the first probe to succeed.
const RECOVERY_TARGET: Duration = Duration::from_millis(2_500);

pub(crate) fn speed_section(
    contenders: &[Contender],
    direct: &Figures,
    figures: &[Figures],
    effort: Effort,
) -> String {
    let mut page = head("Proxy", contenders, "cargo xtask bench proxy");
    let _ = write!(
        page,
        "Each proxy alone on core 0; load and backend (128 B bodies) on core 1. Saturated: 64 keep-alive connections,\n\
         {} requests a round, {} rounds in turns. Steady: {STEADY_PER_SECOND} requests a second. Medians [least..most].\n\
         fusebox runs with timeout, deadline, breaker, retry and fallback; the others forward and do nothing else.\n\n\
         | | CPU-s per 100,000 | requests/s | p50 µs | p99 µs | steady p50 µs | steady p99 µs | idle KiB | {HELD} connections KiB |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        effort.requests, effort.rounds,
    );
    let cell = |spread: Option<Spread>| spread.map_or("–".into(), |spread| spread.to_string());
    let kib = |kib: Option<u64>| kib.map_or("–".into(), |kib| kib.to_string());
    let names = contenders.iter().map(Contender::name);
    for (name, f) in std::iter::once("no proxy").chain(names).zip(std::iter::once(direct).chain(figures)) {
        let ((p50, p99), (steady50, steady99)) = (f.saturated(), f.steady());
        let cells = [f.cpu_per_100k(), f.per_second(), p50, p99, steady50, steady99].map(cell);
        let _ =
            writeln!(page, "| {name} | {} | {} | {} |", cells.join(" | "), kib(f.idle_kib), kib(f.held_kib));
    }
    page.push_str("\n| target of fusebox | at most | measured | |\n|---|---|---|---|\n");
    for (what, target, measured, met) in judge_speed(contenders, direct, figures) {
        let verdict = if met { "met" } else { "**missed**" };
        let _ = writeln!(page, "| {what} | {target} | {measured} | {verdict} |");
    }
    page.push_str(
        "\nThe targets were set on a machine where nginx took 1.45 and HAProxy 1.58 CPU-seconds; read a miss against\n\
         theirs here. Figures of one run only compare with each other.\n",
    );
    page
}

fn judge_speed(
    contenders: &[Contender],
    direct: &Figures,
    figures: &[Figures],
) -> Vec<(String, String, String, bool)> {
    let of = |name: &str| figures.iter().zip(contenders).find(|(_, c)| c.name() == name).map(|(f, _)| f);
    let Some(ours) = of("fusebox") else { return Vec::new() };
    let mut judged = Vec::new();
    let mut judge = |what: String, target: f64, unit: &str, measured: f64| {
        let text = |value| format!("{}{unit}", number(value));
        judged.push((what, text(target), text(measured), measured <= target));
    };
    if let Some(cpu) = ours.cpu_per_100k() {
        for (what, target) in CPU_TARGETS {
            judge(format!("CPU-seconds per 100,000 requests, {what}"), target, "", cpu.median);
        }
    }
    let median = |f: &Figures| f.steady().0.map(|spread| spread.median);
    if let (Some(ours), Some(direct)) = (median(ours), median(direct)) {
        judge("added p50, steady".into(), 90.0, " µs", ours - direct);
    }
    let tail = |f: &Figures| f.steady().1.map(|spread| spread.median);
    if let (Some(ours), Some(nginx)) = (tail(ours), of("nginx").and_then(tail)) {
        judge("p99, steady: at most nginx's".into(), nginx, " µs", ours);
    }
    if let (Some(idle), Some(held)) = (ours.idle_kib, ours.held_kib) {
        judge("resident, idle".into(), IDLE_TARGET_KIB as f64, " KiB", idle as f64);
        judge(format!("resident, {HELD} connections"), HELD_TARGET_KIB as f64, " KiB", held as f64);
    }
    judged
}

pub(crate) type Coped = Vec<(Scenario, Vec<io::Result<Outcome>>)>;

pub(crate) fn fault_section(contenders: &[Contender], coped: &Coped) -> String {
    let mut page = head("Proxy under fault", contenders, "cargo xtask bench proxy --fault");
    let _ = write!(
        page,
        "{PER_SECOND} requests a second; one endpoint is bad for {} s. Each proxy: one retry, 500 ms per attempt, an\n\
         endpoint out after 10 failures, for 2 s; HAProxy checks actively every 500 ms besides. Reached: requests that\n\
         arrived at the bad endpoint during the fault. Back: from the fault's end to the next request there.\n\n\
         | | | offered | reached | client errors | slowest ms | back ms | last error after the fault ms |\n\
         |---|---|---|---|---|---|---|---|\n",
        FAULT.as_secs(),
    );
    for (scenario, outcomes) in coped {
        for (contender, outcome) in contenders.iter().zip(outcomes) {
            let _ =
                writeln!(page, "| {} | {} | {} |", scenario.title, contender.name(), outcome_cells(outcome));
        }
    }
    page.push_str("\n| target of fusebox | at most | measured | |\n|---|---|---|---|\n");
    let ours = contenders.iter().position(|contender| contender.name() == "fusebox");
    for (scenario, outcomes) in coped {
        if let Some(Ok(outcome)) = ours.map(|ours| &outcomes[ours]) {
            for (what, target, measured, met) in judge_fault(scenario, outcome) {
                let verdict = if met { "met" } else { "**missed**" };
                let _ = writeln!(page, "| {}: {what} | {target} | {measured} | {verdict} |", scenario.title);
            }
        }
    }
    page
}

fn judge_fault(scenario: &Scenario, outcome: &Outcome) -> Vec<(&'static str, String, String, bool)> {
    let reached = outcome.reached;
    let back = outcome.back_after.unwrap_or(Duration::MAX);
    let mut judged = vec![
        (
            "requests that reached it",
            scenario.reach_target.to_string(),
            reached.to_string(),
            reached <= scenario.reach_target,
        ),
        (
            "back after the fault",
            millis(Some(RECOVERY_TARGET)),
            millis(outcome.back_after),
            back <= RECOVERY_TARGET,
        ),
    ];
    if scenario.endpoints > 1 {
        judged.push(("client errors", "0".into(), outcome.errors.to_string(), outcome.errors == 0));
    }
    judged
}

/// One line per proxy and scenario, for the terminal.
pub(crate) fn fault_line(
    scenario: &Scenario,
    contender: &Contender,
    outcome: &io::Result<Outcome>,
) -> String {
    let names = ["offered", "reached", "errors", "slowest ms", "back ms", "last error ms"];
    let cells = outcome_cells(outcome);
    let told: Vec<String> =
        names.iter().zip(cells.split(" | ")).map(|(name, cell)| format!("{name} {cell}")).collect();
    format!("{:<32} {:<8} {}", scenario.title, contender.name(), told.join("  "))
}

fn outcome_cells(outcome: &io::Result<Outcome>) -> String {
    match outcome {
        Err(error) => format!("failed: {error} | | | | | "),
        Ok(o) => {
            let before = if o.errors_before > 0 {
                format!(" (and {} before it)", o.errors_before)
            } else {
                String::new()
            };
            let (slowest, back, last) =
                (millis(Some(o.slowest)), millis(o.back_after), millis(o.last_error_after));
            format!("{} | {} | {}{before} | {slowest} | {back} | {last}", o.offered, o.reached, o.errors)
        }
    }
}

fn millis(span: Option<Duration>) -> String {
    span.map_or("–".into(), |span| span.as_millis().to_string())
}

fn head(title: &str, contenders: &[Contender], how: &str) -> String {
    let version = |contender: &Contender| contender.version().unwrap_or_default();
    let versions: Vec<String> = contenders.iter().map(version).collect();
    format!(
        "## {title}\n\n- Command: `{how}`\n{}- Versions: {}\n\n",
        machine::describe(),
        versions.join("; ").replace(" - https://haproxy.org/", "")
    )
}

/// Every target that was missed, by name.
pub(crate) fn missed_speed(contenders: &[Contender], direct: &Figures, figures: &[Figures]) -> Vec<String> {
    let judged = judge_speed(contenders, direct, figures);
    let text = |(what, target, measured, _): &(String, String, String, bool)| {
        format!("{what}: {measured} (at most {target})")
    };
    judged.iter().filter(|(.., met)| !met).map(text).collect()
}
