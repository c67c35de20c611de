//! `/metrics`: every family once, every series from the start, every value read at the scrape.

mod row;
mod series;
mod text;

pub(crate) use series::Series;

use crate::admin::left_closed::LeftClosed;
use crate::admin::wall::Wall;
use crate::breaker::State;
use crate::telemetry::Kind::{Counter, Gauge};
use crate::telemetry::{Kind, RESULTS, Subjects, policies};
use crate::{Registry, Time};
use row::{MODES, Row};
use text::Text;

const CALLS: &str = "Calls by result. Each settled call is a success, failure, ignored, cancelled or late; rejected ones \
    were not made; slow overlaps and is counted in addition.";
const CHANGES: &str = "Changes from one state to another.";
const OVERRIDE: &str = "1 while an operator holds the circuit in this mode.";
const TURNED_AWAY: &str = "Look-ups that had to share one circuit because the registry was full.";
const CAPPED: &str = "Circuits told under the name other, having no series of their own.";

/// The exposition.
pub(crate) fn text(
    registry: &Registry,
    left_closed: &LeftClosed,
    series: &Series,
    subjects: &Subjects,
) -> String {
    let wall = Wall::read(registry.clock().now());
    let rows = registry.all().into_iter().map(|circuit| {
        let snapshot = circuit.core().snapshot(wall.now());
        let left = left_closed.moment(circuit.name(), &snapshot);
        Row::new(&circuit, &snapshot, left.map_or_else(Default::default, |left| wall.now().since(left)))
    });
    let (rows, capped) = series.seat(rows.collect());
    let mut text = Text::default();
    circuits(&mut text, &rows, &wall);
    policies(subjects, wall.now(), &mut text);
    let mut single = |name, kind, help, value: u64| text.family(name, kind, help).sample(&[], value);
    single("fusebox_circuits_turned_away_total", Counter, TURNED_AWAY, registry.turned_away());
    single("fusebox_metrics_capped", Gauge, CAPPED, capped as u64);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("fusebox_build_info", Gauge, "1, labelled with the version.").sample(&version, 1);
    text.into_string()
}

fn circuits(text: &mut Text, rows: &[Row], wall: &Wall) {
    let mut family = text.family("circuit_breaker_state", Gauge, "0 closed, 1 open, 2 half-open.");
    for row in rows {
        family.sample(&[("circuit_name", &row.name), ("service", &row.service)], row.state as u8);
    }
    let mut family = text.family("circuit_breaker_calls_total", Counter, CALLS);
    for row in rows {
        for (result, count) in RESULTS {
            family.sample(&[("circuit_name", &row.name), ("result", result)], count(&row.totals));
        }
    }
    let mut family = text.family("circuit_breaker_state_changes_total", Counter, CHANGES);
    for row in rows {
        for (from, to) in changes() {
            let labels =
                [("circuit_name", &*row.name), ("from_state", from.as_str()), ("to_state", to.as_str())];
            family.sample(&labels, row.totals.changes(from, to));
        }
    }
    let mut family = text.family("circuit_breaker_override", Gauge, OVERRIDE);
    for row in rows {
        for (mode, held) in MODES.iter().zip(row.holds) {
            family.sample(&[("circuit_name", &row.name), ("mode", mode.as_str())], u8::from(held));
        }
    }
    let mut each = |name, kind: Kind, help, value: &dyn Fn(&Row) -> f64| {
        let mut family = text.family(name, kind, help);
        rows.iter().for_each(|row| family.sample(&[("circuit_name", &row.name)], value(row)));
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
        row.totals.internal_faults as f64
    });
}

fn changes() -> impl Iterator<Item = (State, State)> {
    State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))).filter(|(from, to)| from != to)
}

fn next_probe(retry_at: Time, wall: &Wall) -> f64 {
    // To the millisecond: a finer reading would only repeat how two clocks were read one after the other.
    wall.date(retry_at).map_or(0.0, |date| date.as_millis() as f64 / 1_000.0)
}
