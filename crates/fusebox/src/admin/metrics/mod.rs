//! `/metrics`: every family once, every series from the start, every value read at the scrape.

mod exports;
mod row;
mod series;
mod text;

#[cfg(feature = "otlp")]
pub(crate) use exports::Export;
pub(crate) use exports::Exports;
pub(crate) use series::Series;
pub(crate) use text::Format;

use crate::admin::left_closed::LeftClosed;
use crate::admin::wall::Wall;
use crate::breaker::State;
use crate::record::EDGES;
use crate::telemetry::Kind::{Counter, Gauge};
use crate::telemetry::{Example, Histogram, Kind, RESULTS, Subjects, Tell, policies};
use crate::{Registry, Time};
use row::{MODES, Row};
use std::sync::Arc;
use text::Text;

const CALLS: &str = "Calls by result. Each settled call is a success, failure, ignored, cancelled or late; rejected ones \
    were not made; slow overlaps and is counted in addition.";
const CHANGES: &str = "Changes from one state to another.";
const OVERRIDE: &str = "1 while an operator holds the circuit in this mode.";
const TOOK: &str =
    "How long attempts took that were answered or failed, retries and hedges each for themselves.";
const TURNED_AWAY: &str = "Look-ups that had to share one circuit because the registry was full.";
const CAPPED: &str = "Circuits told under the name other, having no series of their own.";

/// Where all of it is read.
pub(crate) struct Source<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) left_closed: &'a LeftClosed,
    pub(crate) series: &'a Series,
    pub(crate) subjects: Arc<Subjects>,
    pub(crate) exports: &'a Exports,
}

impl Source<'_> {
    /// The exposition.
    pub(crate) fn text(&self, format: Format) -> String {
        let mut text = Text::new(format, self.series.length());
        self.tell(&mut text);
        let text = text.into_string();
        self.series.was(text.len());
        text
    }

    /// Every family, whoever writes it down.
    pub(crate) fn tell(&self, out: &mut impl Tell) {
        let registry = self.registry;
        let wall = Wall::read(registry.clock().now());
        let rows = registry.all().into_iter().map(|circuit| {
            let snapshot = circuit.core().snapshot(wall.now());
            let left = self.left_closed.moment(circuit.name(), &snapshot);
            let not_closed = left.map_or_else(Default::default, |left| wall.now().since(left));
            Row::new(&circuit, &snapshot, not_closed)
        });
        let (rows, capped) = self.series.seat(rows.collect());
        circuits(out, &rows, &wall);
        latencies(out, &rows, &wall);
        policies(&self.subjects, wall.now(), out);
        self.exports.tell(out);
        let mut single = |name, kind, help, value: u64| {
            out.family(name, kind, help);
            out.sample(&[], value as f64);
        };
        single("fusebox_circuits_turned_away_total", Counter, TURNED_AWAY, registry.turned_away());
        single("fusebox_metrics_capped", Gauge, CAPPED, capped as u64);
        out.family("fusebox_build_info", Gauge, "1, labelled with the version.");
        out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    }
}

fn circuits(out: &mut impl Tell, rows: &[Row], wall: &Wall) {
    out.family("circuit_breaker_state", Gauge, "0 closed, 1 open, 2 half-open.");
    for row in rows {
        let labels = [("circuit_name", &*row.name), ("service", &row.service)];
        out.sample(&labels, f64::from(row.state as u8));
    }
    out.family("circuit_breaker_calls_total", Counter, CALLS);
    for row in rows {
        for (result, count) in RESULTS {
            let labels = [("circuit_name", &*row.name), ("result", result)];
            out.sample(&labels, count(&row.counted.totals) as f64);
        }
    }
    out.family("circuit_breaker_state_changes_total", Counter, CHANGES);
    for row in rows {
        for (from, to) in changes() {
            let labels =
                [("circuit_name", &*row.name), ("from_state", from.as_str()), ("to_state", to.as_str())];
            out.sample(&labels, row.counted.totals.changes(from, to) as f64);
        }
    }
    out.family("circuit_breaker_override", Gauge, OVERRIDE);
    for row in rows {
        for (mode, held) in MODES.iter().zip(row.holds) {
            let labels = [("circuit_name", &*row.name), ("mode", mode.as_str())];
            out.sample(&labels, f64::from(u8::from(held)));
        }
    }
    let mut each = |name, kind: Kind, help, value: &dyn Fn(&Row) -> f64| {
        out.family(name, kind, help);
        rows.iter().for_each(|row| out.sample(&[("circuit_name", &row.name)], value(row)));
    };
    each("circuit_breaker_failure_rate", Gauge, "Share of failed calls in the window, 0 to 1.", &|row| {
        row.window.failure_rate()
    });
    each("circuit_breaker_slow_call_rate", Gauge, "Share of slow calls in the window, 0 to 1.", &|row| {
        row.window.slow_rate()
    });
    each(
        "circuit_breaker_not_closed_seconds",
        Gauge,
        "Time since the circuit was last closed; 0 while it is.",
        &|row| row.not_closed.as_secs_f64(),
    );
    each(
        "circuit_breaker_next_probe_timestamp_seconds",
        Gauge,
        "When the circuit may admit calls again, Unix time; 0 while it admits them or when that is not known.",
        &|row| next_probe(row.retry_at, wall),
    );
    each("circuit_breaker_hung_calls", Gauge, "Calls in flight past the slow threshold.", &|row| {
        f64::from(row.hung)
    });
    each("circuit_breaker_consecutive_failures", Gauge, "Failures in a row.", &|row| {
        f64::from(row.consecutive_failures)
    });
    each("circuit_breaker_internal_faults_total", Counter, "Faults of fusebox's own code.", &|row| {
        row.counted.totals.internal_faults as f64
    });
}

fn latencies(out: &mut impl Tell, rows: &[Row], wall: &Wall) {
    let edges = EDGES.map(|nanos| nanos as f64 / 1e9);
    out.family("circuit_breaker_call_duration_seconds", Kind::Histogram, TOOK);
    for row in rows {
        let (counts, sum) = &row.counted.took;
        let examples: Vec<_> = row
            .examples
            .iter()
            .flatten()
            .map(|example| {
                let example = example.as_ref()?;
                Some(Example {
                    trace: example.trace,
                    value: example.took.as_secs_f64(),
                    date: wall.date(example.at)?,
                })
            })
            .collect();
        let seen = Histogram { edges: &edges, counts, sum: *sum as f64 / 1e9, examples: &examples };
        out.histogram(&[("circuit_name", &row.name)], &seen);
    }
}

fn changes() -> impl Iterator<Item = (State, State)> {
    State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))).filter(|(from, to)| from != to)
}

fn next_probe(retry_at: Time, wall: &Wall) -> f64 {
    // To the millisecond: a finer reading would only repeat how two clocks were read one after the other.
    wall.date(retry_at).map_or(0.0, |date| date.as_millis() as f64 / 1_000.0)
}
