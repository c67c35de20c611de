//! Permits: tickets that cannot be lost.

use crate::circuit::CircuitBreaker;
use crate::record::Attempt;
use fusebox_core::breaker::Watched;
use fusebox_core::{Failure, Outcome, Time};

/// Leave to make one call, for code that neither a closure nor a future fits. From [`CircuitBreaker::admit`].
///
/// Say what came of it with [`success`](Permit::success) or [`failure`](Permit::failure). A permit that is dropped, by a
/// return, a `?` or a panic unwinding past it, counts as cancelled: its slot is free at once, and it is neither success
/// nor failure.
///
/// ```
/// use fusebox::CircuitBreaker;
/// let sensor = CircuitBreaker::new("sensor");
/// let permit = sensor.admit()?;
/// let reading = std::fs::read_to_string("/proc/uptime");
/// match &reading {
///     Ok(_) => permit.success(),
///     Err(_) => permit.failure(),
/// }
/// # Ok::<(), fusebox::Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a cancelled call"]
pub struct Permit {
    circuit: CircuitBreaker,
    ticket: Option<Watched>,
    /// When it began; never, where nobody wants to know what came of it.
    began: Time,
}

impl Permit {
    pub(crate) fn new(circuit: CircuitBreaker, ticket: Watched) -> Self {
        let began = if circuit.is_recording() { circuit.began() } else { Time::NEVER };
        Permit { circuit, ticket: Some(ticket), began }
    }

    /// Whether the call is a probe of a half-open circuit.
    pub fn is_probe(&self) -> bool {
        self.ticket.as_ref().is_some_and(|watched| watched.ticket().is_probe())
    }

    /// The dependency did its work.
    pub fn success(self) {
        self.settle(Outcome::Success);
    }

    /// The dependency failed.
    pub fn failure(self) {
        self.settle(Outcome::Failure(Failure::Error));
    }

    /// Any outcome.
    pub fn settle(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    #[cold]
    #[inline(never)]
    fn record(&self, outcome: Outcome) {
        let clock = self.circuit.clock();
        let ended = Attempt { took: clock.stamp().since(self.began), outcome, trace: None };
        if let Some(record) = self.circuit.recorder() {
            ended.tell(record, clock.now(), |call| call);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.core().settle_watched(ticket, outcome, self.circuit.clock().now());
            if self.began != Time::NEVER {
                self.record(outcome);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}
