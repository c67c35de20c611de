//! Making deferred calls: through the pipeline, when the circuit lets them, on tokio's timer.

use crate::circuit::CircuitBreaker;
use crate::classify::Classify;
use crate::driver::pause;
use crate::error::Error;
use crate::fuse::Fuse;
use fusebox_core::breaker::State;
use fusebox_queue::replay::rules::Sent;
use fusebox_queue::replay::{Courier, Gate, GateState, Replay};
use fusebox_queue::{QueueStore, StoreError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How often a replay turns.
const TICK: Duration = Duration::from_millis(100);
/// How long it rests when the store does not answer, at most.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Asks this circuit whether calls may be made. One that is open and due for a probe counts as half-open.
pub fn gate(circuit: &CircuitBreaker) -> impl Gate + use<> {
    let circuit = circuit.clone();
    move || gate_state(&circuit)
}

/// How a circuit stands, as a gate: one that is open and due for a probe is half-open.
pub fn gate_state(circuit: &CircuitBreaker) -> GateState {
    let snapshot = circuit.snapshot();
    match snapshot.state {
        State::Closed => GateState::Closed,
        State::HalfOpen => GateState::HalfOpen,
        State::Open if snapshot.retry_at <= circuit.clock().now() => GateState::HalfOpen,
        State::Open => GateState::Open,
    }
}

/// Makes one deferred call through a pipeline, as live traffic goes: what its policies refuse has not been sent, and what ran out of
/// time may have been done.
pub async fn send<K, E, Fut>(fuse: &Fuse<K>, mut op: impl FnMut() -> Fut) -> Sent
where
    K: Classify<Vec<u8>, E>,
    E: fmt::Display,
    Fut: Future<Output = Result<Vec<u8>, E>>,
{
    let mut begun = false;
    let called = fuse.run(|| {
        begun = true;
        op()
    });
    match called.await {
        Ok(result) => Sent::Done(result),
        Err(error @ Error::Rejected(_)) if !begun => Sent::NotSent(format!("failed to {error}")),
        Err(error) => Sent::Failed(format!("failed to {error}")),
    }
}

/// Tells a [`work`] to end. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No further call is begun from now on.
    pub fn now(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Turns a replay ten times a second, until told to stop: calls under way are finished then, and what was leased and not sent goes
/// back without an attempt spent. `trouble` hears each time the store does not answer, and it is tried again, later and later, up to
/// every ten seconds. Needs a tokio runtime with its timer enabled.
///
/// # Cancel safety
///
/// Dropped, it leaves the calls under way as a crash would: they come back when their leases end, to be checked.
pub async fn work<S: QueueStore, C: Courier, G: Gate>(
    replay: Replay<S, C, G>,
    stop: Stop,
    mut trouble: impl FnMut(&StoreError),
) {
    let replay = replay.pulse(Box::new(|span| Box::pin(pause(span))));
    let mut rest = TICK;
    while !stop.is_told() {
        match replay.turn_until(|| stop.is_told()).await {
            Ok(_) => rest = TICK,
            Err(error) => {
                trouble(&error);
                rest = (rest * 2).min(LONGEST_REST);
            }
        }
        let mut left = rest;
        while !left.is_zero() && !stop.is_told() {
            let nap = left.min(TICK);
            pause(nap).await;
            left -= nap;
        }
    }
}
