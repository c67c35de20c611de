//! Whether a route's dependency takes calls, and how many it takes.

use crate::lane::Route;
use fusebox::queue::{Gate, GateState, gate_state};
use fusebox::{CircuitBreaker, Clock, Time};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often calls are counted.
const SAMPLE: Duration = Duration::from_secs(1);
/// How much of the measure a sample is: it follows within a minute.
const WEIGHT: f64 = 0.05;
/// What a dependency is taken to stand while nobody has seen it take more, in calls a second.
const LEAST: f64 = 100.0;

/// The circuits of a route.
pub(super) struct RouteGate {
    route: Arc<Route>,
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
    pub(super) fn new(route: Arc<Route>, clock: Clock) -> Self {
        RouteGate { route, clock, measure: Mutex::default() }
    }
}

impl Gate for RouteGate {
    fn state(&self) -> GateState {
        let whole = self.route.whole().map_or(GateState::Closed, gate_state);
        if whole != GateState::Closed {
            return whole;
        }
        // One endpoint that takes calls is enough; circuits by key judge each call by itself.
        let states: Vec<_> = self.route.circuits().iter().map(gate_state).collect();
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
            let calls = self.route.circuits().iter().map(successes).sum::<u64>();
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
