//! Whether a route's dependency takes calls, and how many it takes.

use crate::lane::Route;
use fusebox::queue::{Gate, GateState, gate_state};
use fusebox::{CircuitBreaker, Clock, Time};
use fusebox_core::breaker;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often calls are counted.
const SAMPLE: Duration = Duration::from_secs(1);
/// How much of the measure a sample is: it follows within a minute.
const WEIGHT: f64 = 0.05;
/// What a dependency is taken to stand while nobody has seen it take more, in calls a second.
const LEAST: f64 = 100.0;

/// The circuits of a route. They are the same as others if they are the very same circuits.
#[derive(Clone, Debug)]
pub(super) struct Circuits {
    whole: Option<CircuitBreaker>,
    each: Vec<CircuitBreaker>,
}

impl Circuits {
    pub(super) fn of(route: &Route) -> Self {
        Circuits { whole: route.whole().cloned(), each: route.circuits().to_vec() }
    }

    fn all(&self) -> impl Iterator<Item = *const breaker::CircuitBreaker> {
        self.each.iter().chain(&self.whole).map(|circuit| std::ptr::from_ref(circuit.core()))
    }
}

impl PartialEq for Circuits {
    fn eq(&self, other: &Self) -> bool {
        self.whole.is_some() == other.whole.is_some() && self.all().eq(other.all())
    }
}

/// Lets calls go as the circuits of a route do.
pub(super) struct RouteGate {
    circuits: Circuits,
    clock: Clock,
    measure: Mutex<Measure>,
}

#[derive(Debug, Default)]
struct Measure {
    at: Time,
    calls: u64,
    /// Calls a second that succeed, while there is no outage.
    rate: f64,
}

impl RouteGate {
    pub(super) fn new(circuits: Circuits, clock: Clock) -> Self {
        RouteGate { circuits, clock, measure: Mutex::default() }
    }
}

impl Gate for RouteGate {
    fn state(&self) -> GateState {
        let whole = self.circuits.whole.as_ref().map_or(GateState::Closed, gate_state);
        if whole != GateState::Closed {
            return whole;
        }
        // One endpoint that takes calls is enough; circuits by key judge each call by itself.
        let states: Vec<_> = self.circuits.each.iter().map(gate_state).collect();
        [GateState::Closed, GateState::HalfOpen]
            .into_iter()
            .find(|state| states.contains(state) || (states.is_empty() && *state == GateState::Closed))
            .unwrap_or(GateState::Open)
    }

    fn baseline(&self) -> Option<f64> {
        let now = self.clock.now();
        let mut measure = self.measure.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.since(measure.at);
        if passed >= SAMPLE {
            let successes = |circuit: &CircuitBreaker| circuit.snapshot().totals.success;
            let calls = self.circuits.each.iter().map(successes).sum::<u64>();
            let rate = calls.saturating_sub(measure.calls) as f64 / passed.as_secs_f64();
            let first = measure.at == Time::ZERO;
            // An outage says nothing of what it takes when it is well.
            if !first && rate > 0.0 {
                measure.rate += WEIGHT * (rate - measure.rate);
            }
            (measure.at, measure.calls) = (now, calls);
        }
        Some(measure.rate.max(LEAST))
    }
}
