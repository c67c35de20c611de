//! `/circuits`: circuits as JSON. The field names are a contract; `docs/admin.md` has them all.

mod settings;
mod trip;

use crate::admin::left_closed::LeftClosed;
use crate::admin::wall::Wall;
use crate::admin::watch::{Live, Watch};
use crate::breaker::{Hold, Snapshot, State, Totals};
use crate::{CircuitBreaker, Ratio, Registry, Time};
use serde::Serialize;
use settings::SettingsShown;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use trip::TripShown;

/// What is told of circuits, and where it comes from.
pub(crate) struct From<'a> {
    pub(crate) wall: Wall,
    pub(crate) left_closed: &'a LeftClosed,
    pub(crate) watch: &'a Watch,
}

/// Every circuit.
pub(crate) fn all(registry: &Registry, from: &From<'_>) -> impl Serialize + use<> {
    let circuits = registry.all().iter().map(|circuit| Circuit::new(circuit, from)).collect();
    let generated_at = from.wall.rfc3339(from.wall.now());
    Circuits { generated_at, turned_away: registry.turned_away(), circuits }
}

/// One circuit, and its revision.
pub(crate) fn one(circuit: &CircuitBreaker, from: &From<'_>) -> (impl Serialize + use<>, String) {
    let circuit = Circuit::new(circuit, from);
    let revision = circuit.revision.clone();
    (One { generated_at: from.wall.rfc3339(from.wall.now()), circuit }, revision)
}

#[derive(Serialize)]
struct Circuits {
    generated_at: Option<String>,
    turned_away: u64,
    circuits: Vec<Circuit>,
}

#[derive(Serialize)]
struct One {
    generated_at: Option<String>,
    #[serde(flatten)]
    circuit: Circuit,
}

#[derive(Serialize)]
struct Circuit {
    name: String,
    service: String,
    state: &'static str,
    shadow: Option<&'static str>,
    ramp: Option<f64>,
    since: Option<String>,
    since_seconds_ago: f64,
    not_closed_since: Option<String>,
    not_closed_seconds: f64,
    epoch: u64,
    revision: String,
    retry_at: Option<String>,
    retry_after_ms: Option<u64>,
    reason: Option<String>,
    last_trip: Option<TripShown>,
    hold: Option<HoldShown>,
    streak: u32,
    recovery_seconds: Option<f64>,
    window: WindowShown,
    consecutive_failures: u32,
    hung: u32,
    probes: ProbesShown,
    totals: TotalsShown,
    settings: SettingsShown,
    #[serde(flatten)]
    live: Live,
}

impl Circuit {
    fn new(circuit: &CircuitBreaker, from: &From<'_>) -> Circuit {
        let wall = &from.wall;
        let snapshot = circuit.core().snapshot(wall.now());
        let ago = |at| wall.now().since(at).as_secs_f64();
        let left = from.left_closed.moment(circuit.name(), &snapshot);
        let retry_after = (snapshot.retry_at != Time::NEVER).then(|| snapshot.retry_at.since(wall.now()));
        Circuit {
            name: circuit.name().to_string(),
            service: circuit.service().to_string(),
            state: snapshot.state.as_str(),
            shadow: snapshot.shadow.map(|state| state.as_str()),
            ramp: snapshot.ramp.map(Ratio::as_f64),
            since: wall.rfc3339(snapshot.since),
            since_seconds_ago: ago(snapshot.since),
            not_closed_since: left.and_then(|left| wall.rfc3339(left)),
            not_closed_seconds: left.map_or(0.0, ago),
            epoch: snapshot.epoch,
            revision: revision(&snapshot),
            retry_at: wall.rfc3339(snapshot.retry_at),
            retry_after_ms: retry_after.map(whole_millis),
            reason: reason(&snapshot),
            last_trip: snapshot.last_trip.map(|trip| TripShown::new(&trip, wall)),
            hold: snapshot.hold.as_deref().map(|hold| HoldShown::new(hold, wall)),
            streak: snapshot.streak,
            recovery_seconds: snapshot.recovery.map(|span| span.as_secs_f64()),
            window: WindowShown::new(&snapshot),
            consecutive_failures: snapshot.consecutive_failures,
            hung: snapshot.hung,
            probes: ProbesShown {
                in_flight: snapshot.probes.in_flight,
                good: snapshot.probes.good,
                bad: snapshot.probes.bad,
            },
            totals: TotalsShown::new(&snapshot.totals),
            settings: SettingsShown::new(&circuit.core().settings()),
            live: from.watch.live(circuit.name()),
        }
    }
}

/// Changes with the state and with an operator's hold: what an order is checked against.
pub(crate) fn revision(snapshot: &Snapshot) -> String {
    let Some(hold) = snapshot.hold.as_deref() else { return snapshot.epoch.to_string() };
    let mut hasher = DefaultHasher::new();
    (hold.mode, &hold.actor, &hold.reason, hold.expires).hash(&mut hasher);
    format!("{}-{:016x}", snapshot.epoch, hasher.finish())
}

/// Why the circuit is not simply closed.
pub(crate) fn reason(snapshot: &Snapshot) -> Option<String> {
    match (&snapshot.hold, snapshot.state) {
        (Some(hold), _) => Some(format!("{} by {}: {}", hold.mode.as_str(), hold.actor, hold.reason)),
        (None, State::Closed) => None,
        (None, _) => snapshot.last_trip.map(|trip| trip.to_string()),
    }
}

/// Rounded up: who comes back after this many is not early.
pub(crate) fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// An operator's hold.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HoldShown {
    mode: &'static str,
    actor: String,
    reason: String,
    expires_at: Option<String>,
    expires_in_seconds: f64,
}

impl HoldShown {
    pub(crate) fn new(hold: &Hold, wall: &Wall) -> HoldShown {
        HoldShown {
            mode: hold.mode.as_str(),
            actor: hold.actor.clone(),
            reason: hold.reason.clone(),
            expires_at: wall.rfc3339(hold.expires),
            expires_in_seconds: hold.expires.since(wall.now()).as_secs_f64(),
        }
    }
}

#[derive(Serialize)]
struct WindowShown {
    calls: u64,
    failures: u64,
    slow: u64,
    failure_rate: f64,
    slow_rate: f64,
}

impl WindowShown {
    fn new(snapshot: &Snapshot) -> WindowShown {
        let window = &snapshot.window;
        WindowShown {
            calls: window.calls,
            failures: window.failures,
            slow: window.slow,
            failure_rate: window.failure_rate(),
            slow_rate: window.slow_rate(),
        }
    }
}

#[derive(Serialize)]
struct ProbesShown {
    in_flight: u32,
    good: u32,
    bad: u32,
}

#[derive(Serialize)]
struct TotalsShown {
    success: u64,
    failure: u64,
    rejected: u64,
    slow: u64,
    ignored: u64,
    cancelled: u64,
    late: u64,
    recovering: u64,
    would_reject: u64,
    unenforced: u64,
    trips: u64,
    internal_faults: u64,
}

impl TotalsShown {
    fn new(totals: &Totals) -> TotalsShown {
        TotalsShown {
            success: totals.success,
            failure: totals.failure,
            rejected: totals.rejected,
            slow: totals.slow,
            ignored: totals.ignored,
            cancelled: totals.cancelled,
            late: totals.late,
            recovering: totals.recovering,
            would_reject: totals.would_reject,
            unenforced: totals.unenforced,
            trips: totals.trips(),
            internal_faults: totals.internal_faults,
        }
    }
}
