//! `#[protect]`: which functions it goes on, and what their circuits learn.

mod fallback;
mod shapes;
mod ui;
mod verdicts;

use fusebox::breaker::Totals;
use fusebox::{CircuitBreaker, Clock, Rejected};
use std::sync::LazyLock;

/// A circuit that opens at the third failure in a row, on a clock that stands still.
fn three_strikes(name: &'static str) -> CircuitBreaker {
    let builder = CircuitBreaker::builder(name).clock(Clock::manual().0);
    builder.with(|config| config.consecutive_failures = Some(3)).build().expect("the settings work")
}

type Circuit = LazyLock<CircuitBreaker>;

/// The error of the tests' functions.
#[derive(Clone, Debug, PartialEq)]
enum Wrong {
    Refused(Rejected),
    Broken(u32),
}

impl From<Rejected> for Wrong {
    fn from(rejected: Rejected) -> Self {
        Wrong::Refused(rejected)
    }
}

impl From<std::num::ParseIntError> for Wrong {
    fn from(_: std::num::ParseIntError) -> Self {
        Wrong::Broken(400)
    }
}

fn totals(circuit: &CircuitBreaker) -> Totals {
    circuit.snapshot().totals
}
