//! The one sentence, and what stands beside the circuits.

use super::row::Row;
use crate::CircuitBreaker;
use crate::admin::circuits::HoldShown;
use crate::admin::wall::Wall;
use crate::telemetry::Subjects;
use serde::Serialize;

/// How it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    circuits: usize,
    open: usize,
    half_open: usize,
    held: usize,
    rejected_per_second: f64,
    calls_per_second: f64,
    failing_since: Option<String>,
    text: String,
}

impl Summary {
    pub(super) fn new<'a>(rows: impl Iterator<Item = &'a Row>, wall: &Wall) -> Summary {
        let (mut circuits, mut open, mut half_open, mut held) = (0, 0, 0, 0);
        let (mut rejected, mut calls, mut left) = (0.0, 0.0, None);
        for row in rows {
            circuits += 1;
            open += usize::from(row.state == "open");
            half_open += usize::from(row.state == "half_open");
            held += usize::from(row.hold.is_some());
            rejected += row.rates.rejected_per_second;
            calls += row.rates.calls_per_second;
            left = [left, row.left].into_iter().flatten().min();
        }
        let since = left.and_then(|left| wall.rfc3339(left));
        let tenth = |rate: f64| (rate * 10.0).round() / 10.0;
        let mut summary = Summary {
            circuits,
            open,
            half_open,
            held,
            rejected_per_second: tenth(rejected),
            calls_per_second: tenth(calls),
            failing_since: since,
            text: String::new(),
        };
        summary.text = summary.sentence();
        summary
    }

    fn sentence(&self) -> String {
        let circuits = self.circuits;
        let noun = if circuits == 1 { "circuit" } else { "circuits" };
        let state = match (self.open, self.half_open) {
            (0, 0) if circuits == 0 => return "no circuits yet".into(),
            (0, 0) => format!("all {circuits} {noun} closed"),
            (0, some) => format!("{some} of {circuits} {noun} HALF-OPEN"),
            (open, 0) => format!("{open} of {circuits} {noun} OPEN"),
            (open, some) => format!("{open} of {circuits} {noun} OPEN, {some} HALF-OPEN"),
        };
        let mut told = vec![state];
        if self.held > 0 {
            told.push(format!("{} held by operators", self.held));
        }
        if self.rejected_per_second > 0.0 {
            told.push(format!("{:.0} calls/s rejected", self.rejected_per_second.ceil()));
        }
        // 2026-03-01T14:02:11.000Z: the time of day, by UTC.
        told.extend(
            self.failing_since.as_deref().and_then(|date| date.get(11..19)).map(|at| format!("since {at}")),
        );
        told.join("; ")
    }
}

/// An operator's hold, where all of them are listed.
#[derive(Debug, Serialize)]
pub(crate) struct Override {
    pub(super) circuit: String,
    pub(super) service: String,
    #[serde(flatten)]
    pub(super) hold: HoldShown,
}

impl Override {
    /// The hold on `circuit`, if there is one.
    pub(super) fn of(circuit: &CircuitBreaker, wall: &Wall) -> Option<Override> {
        let hold = circuit.core().snapshot(wall.now()).hold?;
        let (circuit, service) = (circuit.name().to_string(), circuit.service().to_string());
        Some(Override { circuit, service, hold: HoldShown::new(&hold, wall) })
    }
}

/// The queues of deferred calls, in a few numbers.
#[derive(Debug, Default, Serialize)]
pub(crate) struct QueueBrief {
    queues: usize,
    depth: u64,
    oldest_age_seconds: f64,
    dead: u64,
    leased: u64,
    needs_check: u64,
    fill: f64,
    paused: bool,
}

impl QueueBrief {
    /// `None` where no store is read.
    pub(super) fn read(subjects: &Subjects) -> Option<QueueBrief> {
        let mut brief = QueueBrief::default();
        for queue in subjects.queues.iter().flat_map(|read| read().queues) {
            brief.queues += 1;
            brief.depth += queue.depth.iter().sum::<u64>();
            brief.oldest_age_seconds = brief.oldest_age_seconds.max(queue.oldest_age.as_secs_f64());
            brief.dead += queue.dead;
            brief.leased += queue.leased;
            brief.needs_check += queue.needs_check;
            brief.fill = brief.fill.max(queue.fill);
            brief.paused |= queue.paused;
        }
        (!subjects.queues.is_empty()).then_some(brief)
    }
}
