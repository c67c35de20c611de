//! tower-resilience: Tower only, a boxed future per call. Its count window is not a sliding one, and its time
//! window keeps every call, so that the figure grows with the traffic in the window.

use crate::subject::{AtOnce, Served, Setup, Subject, Traffic};
use std::time::Duration;
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, SlidingWindowType};

pub(crate) fn build(setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
    let builder = CircuitBreakerLayer::builder().wait_duration_in_open(Duration::from_secs(600));
    let builder = match setup {
        Setup::Consecutive => builder.consecutive_failures(10),
        Setup::Count => builder.sliding_window_size(100).minimum_number_of_calls(10),
        Setup::Time => builder
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(Duration::from_secs(60))
            .minimum_number_of_calls(10),
        Setup::Precise | Setup::Layer => CircuitBreakerLayer::builder(),
        Setup::Coarse | Setup::Handle | Setup::StaticLayer => return None,
    };
    let layer = builder.build().expect("the configuration is one its documentation shows");
    Served::boxed(traffic, layer.layer_fn(AtOnce), |error| matches!(error, CircuitBreakerError::OpenCircuit))
}
