//! One moment of a run, as plain values: what the table and the lines are made from.

use super::backend::Backend;
use super::load::{Service, Tallies};
use super::schedule::{Fault, PHASES, Schedule};
use super::tally::Tally;
use super::transcript::Transcript;
use fusebox::Registry;
use fusebox_core::Time;
use fusebox_core::breaker::State;
use fusebox_core::event::Transition;
use std::time::Duration;

/// The proxy's side of a run; a run without fusebox has none.
#[derive(Debug)]
pub(super) struct Protection {
    pub(super) registry: Registry,
    pub(super) transcript: Transcript,
    /// When the run began, on the registry's clock.
    pub(super) start: Time,
}

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) elapsed: Duration,
    pub(super) length: Duration,
    /// Index into [`PHASES`].
    pub(super) phase: usize,
    /// `None` in a run without fusebox.
    pub(super) circuits: Option<Vec<CircuitRow>>,
    pub(super) backends: Vec<BackendRow>,
    pub(super) services: Vec<(Service, Tally)>,
    pub(super) changes: Vec<Change>,
}

/// A circuit.
#[derive(Clone, Debug)]
pub(super) struct CircuitRow {
    /// The backend behind it.
    pub(super) backend: &'static str,
    pub(super) name: String,
    pub(super) state: State,
    /// Shares of failed and slow calls in the window; `None` while it is empty.
    pub(super) rates: Option<(f64, f64)>,
    pub(super) rejected: u64,
    /// Until an open circuit probes.
    pub(super) probe_in: Option<Duration>,
}

/// A backend.
#[derive(Clone, Debug)]
pub(super) struct BackendRow {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) reached: u64,
    pub(super) while_failing: u64,
}

/// A transition.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// From the start of the run.
    pub(super) at: Duration,
    /// The backend behind the circuit.
    pub(super) backend: &'static str,
    pub(super) change: Transition,
}

impl Scene {
    /// The present moment.
    pub(super) fn look(
        elapsed: Duration,
        schedule: Schedule,
        protection: Option<&Protection>,
        backends: &[Backend],
        tallies: &Tallies,
    ) -> Scene {
        let reached = |backend: &Backend| {
            let (reached, while_failing) = backend.reached();
            BackendRow { name: backend.name(), fault: backend.fault(), reached, while_failing }
        };
        Scene {
            elapsed: elapsed.min(schedule.length()),
            length: schedule.length(),
            phase: schedule.phase(elapsed),
            circuits: protection.map(|protection| protection.circuits(backends)),
            backends: backends.iter().map(reached).collect(),
            services: Service::ALL.map(|service| (service, tallies.of(service))).into(),
            changes: protection.map(|protection| protection.changes(backends)).unwrap_or_default(),
        }
    }

    /// What happens now, in a sentence.
    pub(super) fn says(&self) -> &'static str {
        PHASES[self.phase].says
    }
}

impl Protection {
    fn circuits(&self, backends: &[Backend]) -> Vec<CircuitRow> {
        let now = self.registry.clock().now();
        let row = |circuit: fusebox::CircuitBreaker| {
            let snapshot = circuit.snapshot();
            let window = snapshot.window;
            CircuitRow {
                backend: behind(circuit.name(), backends),
                name: circuit.name().to_string(),
                state: snapshot.state,
                rates: (window.calls > 0).then(|| (window.failure_rate(), window.slow_rate())),
                rejected: snapshot.totals.rejected,
                probe_in: (snapshot.state == State::Open).then(|| snapshot.retry_at.since(now)),
            }
        };
        let mut rows: Vec<_> = self.registry.all().into_iter().map(row).collect();
        rows.sort_by_key(|row| backends.iter().position(|backend| backend.name() == row.backend));
        rows
    }

    fn changes(&self, backends: &[Backend]) -> Vec<Change> {
        let change = |entry: super::transcript::Entry| Change {
            at: entry.change.at.since(self.start),
            backend: behind(&entry.circuit, backends),
            change: entry.change,
        };
        self.transcript.since(self.start).into_iter().map(change).collect()
    }
}

/// The name of the backend behind `circuit`: the endpoint is in the circuit's name where there are several, and the
/// profile service has but one.
fn behind(circuit: &str, backends: &[Backend]) -> &'static str {
    let named = backends.iter().find(|backend| circuit.ends_with(&format!("/{}", backend.address())));
    named.or(backends.last()).map_or("", Backend::name)
}
