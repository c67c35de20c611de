//! What the demo comes to: the same calls and faults, with fusebox and without.

use super::load::{PATIENCE, Tallies};
use super::table::{grouped, latency};
use super::tally::Tally;
use crate::look::{GOOD, HEAD};

/// What one run came to.
#[derive(Clone, Debug)]
pub(super) struct Total {
    tally: Tally,
    /// Calls that reached a backend while it was failing.
    reached_failing: u64,
    /// Calls that a circuit refused to send to its backend.
    refused: Option<u64>,
}

impl Total {
    pub(super) fn new(tallies: &Tallies, reached_failing: u64, refused: Option<u64>) -> Self {
        Total { tally: tallies.sum(), reached_failing, refused }
    }
}

/// The comparison, line by line.
pub(super) fn compare(with: &Total, without: &Total) -> Vec<String> {
    let row = |name: &str, of: &dyn Fn(&Total) -> String| {
        format!("  {name:46}  {:>12}  {:>12}", of(with), of(without))
    };
    let count = |name: &str, of: &dyn Fn(&Tally) -> u64| row(name, &|total| grouped(of(&total.tally)));
    let share = |name: &str, share: f64| row(name, &|total| latency(total.tally.latency(share)));
    let mut lines = vec![
        HEAD.paint(format!(
            "  {:46}  {:>12}  {:>12}",
            "THE SAME CALLS, THE SAME FAULTS", "WITH FUSEBOX", "WITHOUT"
        )),
        count("calls", &Tally::calls),
        count("  answered by a backend", &|tally| tally.answered),
        count("  answered by the fallback", &|tally| tally.fallbacks),
        count("  rejected at once (503)", &|tally| tally.rejected),
        count("  failed: an error, or no answer within 1 s", &|tally| tally.failed),
        share("latency, p50", 0.5),
        share("latency, p99", 0.99),
        row("calls that reached a failing backend", &|total| grouped(total.reached_failing)),
        row("calls that circuits kept from reaching one", &|total| total.refused.map_or("-".into(), grouped)),
        String::new(),
    ];
    let verdict = format!(
        "Without fusebox {} of {} callers got an error or nothing; with it, {}.",
        grouped(without.unanswered()),
        grouped(without.tally.calls()),
        match with.unanswered() {
            0 => "none".into(),
            some => grouped(some),
        },
    );
    lines.push(format!("  {}", GOOD.paint(verdict)));
    debug_assert_eq!(PATIENCE.as_secs(), 1, "a line above says so");
    lines
}

impl Total {
    fn unanswered(&self) -> u64 {
        self.tally.rejected + self.tally.failed
    }
}

/// How to go on from here.
pub(super) fn onward(file: &str) -> Vec<String> {
    // As it was called: those who came by `cargo run` have no `fusebox` in their path.
    let program = match std::env::var_os("CARGO") {
        Some(_) => "cargo run --release --",
        None => "fusebox",
    };
    vec![
        HEAD.paint("  Now with a service of your own:"),
        format!("    {program} run --upstream http://127.0.0.1:8000"),
        HEAD.paint("  What the demo ran on, an ordinary configuration:"),
        format!("    {program} explain {file}"),
    ]
}
