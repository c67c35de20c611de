//! The library's faces over the core: calls, futures, permits, pipelines, events, the registry.

mod calls;
mod chain;
mod connections;
mod deadlines;
mod errors;
mod events;
mod fallback;
mod hung;
mod permits;
mod policies;
mod pool;
mod regions;
mod registry;
mod retry;
mod scopes;

use fusebox::breaker::{Config, HalfOpen, State, Totals, WaitInOpen, WaitStrategy};
use fusebox::event::Event;
use fusebox::{CircuitBreaker, Clock, ManualClock};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

/// Opens at the third failure in a row for 30 s without jitter; one probe at a time, one good one closes.
fn three_strikes() -> Config {
    Config {
        consecutive_failures: Some(3),
        failure_rate: None,
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(WAIT), jitter: 0.0 },
        half_open_probes: 1,
        half_open: HalfOpen::Count { success_threshold: 1, probe_failures: 1 },
        ..Config::default()
    }
}

/// A circuit of [`three_strikes`] and its clock.
fn circuit(name: &'static str) -> (CircuitBreaker, ManualClock) {
    let (clock, hand) = Clock::manual();
    let built = CircuitBreaker::builder(name).config(three_strikes()).clock(clock).build();
    (built.expect("the settings work"), hand)
}

/// A circuit that is open, and its clock.
fn open_circuit(name: &'static str) -> (CircuitBreaker, ManualClock) {
    let (circuit, hand) = circuit(name);
    for _ in 0..3 {
        circuit.call(|| Err::<(), _>("down")).expect_err("it fails");
    }
    assert_eq!(circuit.state(), State::Open);
    (circuit, hand)
}

fn totals(circuit: &CircuitBreaker) -> Totals {
    circuit.snapshot().totals
}

/// Writes down every change of state, as `name: from > to`.
fn transitions(circuit: &CircuitBreaker) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    circuit.on_event(move |name, event| {
        if let Event::Transition(change) = event {
            let line = format!("{name}: {} > {}", change.from, change.to);
            listener.lock().expect("no listener panics").push(line);
        }
    });
    told
}

fn told(transitions: &Mutex<Vec<String>>) -> Vec<String> {
    transitions.lock().expect("no listener panics").clone()
}
