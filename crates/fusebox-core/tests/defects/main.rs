//! Every defect that was found in the classic samples, in other breakers and in this one, as a test that it is not
//! here.

mod peers;
mod reference;
mod samples;

use fusebox_core::breaker::{
    CircuitBreaker, Config, HalfOpen, Snapshot, State, Ticket, WaitInOpen, WaitStrategy, Window,
};
use fusebox_core::{Failure, Outcome, Rejection, Rng, Time};
use std::time::Duration;

const FAILED: Outcome = Outcome::Failure(Failure::Error);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Trips at five failures in the last hundred calls and waits 30 s, without jitter.
fn plain() -> Config {
    let strategy = WaitStrategy::Exponential { base: secs(30), multiplier: 2.0, max: secs(300) };
    Config {
        window: Window::Calls(100),
        failure_count: Some(5),
        consecutive_failures: None,
        failure_rate: None,
        wait_in_open: WaitInOpen { strategy, jitter: 0.0 },
        ..Config::default()
    }
}

fn one_probe_closes() -> HalfOpen {
    HalfOpen::Count { success_threshold: 1, probe_failures: 1 }
}

/// A circuit and the time.
struct Circuit {
    breaker: CircuitBreaker,
    now: Time,
}

impl Circuit {
    fn new(config: Config) -> Circuit {
        Circuit::drawing(config, Rng::seeded(1))
    }

    fn drawing(config: Config, rng: Rng) -> Circuit {
        let settings = config.check(None).expect("the settings work");
        Circuit { breaker: CircuitBreaker::new(settings, rng, Time::ZERO), now: Time::ZERO }
    }

    fn admit(&self) -> Result<Ticket, Rejection> {
        self.breaker.admit(self.now)
    }

    /// A ticket that the circuit must give.
    fn ticket(&self) -> Ticket {
        self.admit().expect("the circuit admits")
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) {
        self.breaker.settle(ticket, outcome, self.now);
    }

    /// Calls that all begin now and end after `lasting`.
    fn calls(&mut self, count: usize, outcome: Outcome, lasting: Duration) {
        let tickets: Vec<Ticket> = (0..count).map(|_| self.ticket()).collect();
        self.pass(lasting);
        for ticket in tickets {
            self.settle(ticket, outcome);
        }
    }

    /// Calls one after the other that take no time; answers how many it took until the circuit opened.
    fn until_open(&mut self, most: usize, outcome: Outcome) -> usize {
        for calls in 1..=most {
            let ticket = self.ticket();
            self.settle(ticket, outcome);
            if self.state() == State::Open {
                return calls;
            }
        }
        panic!("{most} calls did not open it: {:?}", self.seen());
    }

    /// A circuit of `config` whose first wait is over.
    fn half_open(config: Config) -> Circuit {
        let mut circuit = Circuit::new(config);
        circuit.until_open(1_000, FAILED);
        circuit.now = circuit.seen().retry_at;
        assert_eq!(circuit.state(), State::HalfOpen);
        circuit
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    fn seen(&self) -> Snapshot {
        self.breaker.snapshot(self.now)
    }
}

#[test]
fn the_plain_circuit_of_these_tests_trips_and_recovers() {
    let mut circuit = Circuit::half_open(Config { half_open: one_probe_closes(), ..plain() });
    circuit.calls(1, Outcome::Success, Duration::ZERO);
    assert_eq!(circuit.state(), State::Closed);
}
