//! How fast a queue is replayed at present, for operators.

use super::{Gate, GateState, Ramp};
use std::sync::{Arc, Mutex, PoisonError};

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Whether the dependency takes calls.
    pub gate: GateState,
    /// Calls a second that it makes at most now: nothing while the gate lets none through, and else what the ramp has come to.
    pub rate: f64,
    /// Calls a second that the ramp never grows beyond.
    pub ceiling: f64,
}

/// Reads how a replay stands. It waits for no store.
pub type StandingReader = Arc<dyn Fn() -> Standing + Send + Sync>;

/// Reads this gate and this ramp. A gate that is half-open lets calls through if it is probed with items.
pub(super) fn reader(
    gate: &Arc<impl Gate + 'static>,
    ramp: &Arc<Mutex<Ramp>>,
    probes: bool,
) -> StandingReader {
    let (gate, ramp) = (gate.clone(), ramp.clone());
    Arc::new(move || {
        // One after the other: a gate may be the caller's own code.
        let gate = gate.state();
        let ramp = ramp.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = match gate {
            GateState::Open => 0.0,
            GateState::HalfOpen if !probes => 0.0,
            GateState::HalfOpen | GateState::Closed => ramp.rate(),
        };
        Standing { gate, rate, ceiling: ramp.ceiling() }
    })
}
