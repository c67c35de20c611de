//! One circuit's numbers, and how several become one.

use crate::breaker::{Mode, Snapshot, State, Totals, WindowCounts};
use crate::record::{EDGES, Exemplar, Record};
use crate::{CircuitBreaker, Time};
use std::array::from_fn;
use std::sync::Arc;
use std::time::Duration;

/// Every mode of a hold, in the order of [`Row::holds`].
pub(super) const MODES: [Mode; 4] = [Mode::ForcedOpen, Mode::ForcedClosed, Mode::Disabled, Mode::Shadow];

/// What the metrics say of one circuit, or of several under one name.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: Arc<str>,
    pub(super) service: Arc<str>,
    pub(super) state: State,
    pub(super) not_closed: Duration,
    pub(super) retry_at: Time,
    pub(super) window: WindowCounts,
    pub(super) holds: [bool; 4],
    pub(super) hung: u32,
    pub(super) consecutive_failures: u32,
    pub(super) counted: Counted,
    pub(super) examples: Option<Box<[Option<Exemplar>]>>,
}

/// What only grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) totals: Totals,
    /// Attempts by how long they took, and how long all of them did, in nanoseconds.
    pub(super) took: ([u64; EDGES.len() + 1], u64),
}

impl Row {
    pub(super) fn new(circuit: &CircuitBreaker, snapshot: &Snapshot, not_closed: Duration) -> Row {
        let record = circuit.record();
        let mode = snapshot.hold.as_ref().map(|hold| hold.mode);
        Row {
            name: circuit.name().clone(),
            service: circuit.service().clone(),
            state: snapshot.state,
            not_closed,
            retry_at: snapshot.retry_at,
            window: snapshot.window,
            holds: MODES.map(|known| mode == Some(known)),
            hung: snapshot.hung,
            consecutive_failures: snapshot.consecutive_failures,
            counted: Counted {
                totals: snapshot.totals,
                took: record.map(Record::coarse).unwrap_or_default(),
            },
            examples: record.and_then(Record::exemplars).map(|some| Box::from(some.as_slice())),
        }
    }

    /// Takes in another circuit: counts are summed, of everything else the worst is kept. Counters are left alone.
    pub(super) fn join(&mut self, other: &Row) {
        let severity = |state| [State::Closed, State::HalfOpen, State::Open].iter().position(|s| *s == state);
        if severity(other.state) > severity(self.state) {
            self.state = other.state;
        }
        self.not_closed = self.not_closed.max(other.not_closed);
        self.retry_at = self.retry_at.min(other.retry_at);
        self.window.calls += other.window.calls;
        self.window.failures += other.window.failures;
        self.window.slow += other.window.slow;
        self.holds = from_fn(|i| self.holds[i] || other.holds[i]);
        self.hung = self.hung.saturating_add(other.hung);
        self.consecutive_failures = self.consecutive_failures.max(other.consecutive_failures);
    }
}

/// Counter by counter, `with` of the two.
pub(super) fn zip(a: &Counted, b: &Counted, with: impl Fn(u64, u64) -> u64) -> Counted {
    let ((a_took, a_sum), (b_took, b_sum)) = (a.took, b.took);
    let took = (from_fn(|bucket| with(a_took[bucket], b_took[bucket])), with(a_sum, b_sum));
    Counted { totals: zip_totals(&a.totals, &b.totals, with), took }
}

fn zip_totals(a: &Totals, b: &Totals, with: impl Fn(u64, u64) -> u64) -> Totals {
    Totals {
        success: with(a.success, b.success),
        failure: with(a.failure, b.failure),
        slow: with(a.slow, b.slow),
        rejected: with(a.rejected, b.rejected),
        recovering: with(a.recovering, b.recovering),
        would_reject: with(a.would_reject, b.would_reject),
        unenforced: with(a.unenforced, b.unenforced),
        ignored: with(a.ignored, b.ignored),
        cancelled: with(a.cancelled, b.cancelled),
        late: with(a.late, b.late),
        changes: from_fn(|from| from_fn(|to| with(a.changes[from][to], b.changes[from][to]))),
        internal_faults: with(a.internal_faults, b.internal_faults),
    }
}
