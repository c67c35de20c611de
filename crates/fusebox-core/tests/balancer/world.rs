//! Endpoints that behave as a test says, in virtual time.

use fusebox_core::balancer::{Balancer, Config, Spec, Tried};
use fusebox_core::breaker::{self, CircuitBreaker};
use fusebox_core::flow::Circuits;
use fusebox_core::{Failure, Outcome, Rejection, Rng, SharedRng, Time};
use std::sync::Arc;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const FAILED: Outcome = Outcome::Failure(Failure::Connect);

pub(crate) struct Fleet(pub(crate) Vec<Arc<CircuitBreaker>>);

impl Circuits for Fleet {
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker {
        &self.0[endpoint]
    }
}

/// A circuit that opens at the third failure in a row, waits 30 s, and closes after one good probe.
pub(crate) fn circuit() -> Arc<CircuitBreaker> {
    let config = breaker::Config {
        consecutive_failures: Some(3),
        failure_rate: None,
        wait_in_open: breaker::WaitInOpen {
            strategy: breaker::WaitStrategy::Fixed(std::time::Duration::from_secs(30)),
            jitter: 0.0,
        },
        half_open: breaker::HalfOpen::Count { success_threshold: 1, probe_failures: 1 },
        ..breaker::Config::default()
    };
    let settings = config.check(None).expect("works");
    Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO))
}

pub(crate) struct World {
    pub(crate) balancer: Balancer,
    pub(crate) circuits: Fleet,
    pub(crate) rng: SharedRng,
    pub(crate) now: Time,
}

impl World {
    pub(crate) fn new(config: Config, specs: &[Spec]) -> Self {
        let settings = config.check().expect("works");
        World {
            balancer: Balancer::new(settings, specs, Time::ZERO),
            circuits: Fleet(specs.iter().map(|_| circuit()).collect()),
            rng: SharedRng::new(Rng::seeded(42)),
            now: Time::ZERO,
        }
    }

    pub(crate) fn pass(&mut self, nanos: u64) {
        self.now = self.now.plus_nanos(nanos);
    }

    pub(crate) fn pick(&self) -> Result<usize, Rejection> {
        self.pick_not(Tried::default())
    }

    pub(crate) fn pick_not(&self, tried: Tried) -> Result<usize, Rejection> {
        self.balancer.pick(tried, &self.circuits, &self.rng, self.now)
    }

    /// One call after another, `gap` apart, each ended at once with what `answer` says; answers how many each endpoint had.
    pub(crate) fn run(
        &mut self,
        calls: usize,
        gap: u64,
        answer: impl Fn(usize) -> (Outcome, u64),
    ) -> Vec<usize> {
        let mut had = vec![0; self.balancer.endpoints()];
        for _ in 0..calls {
            self.pass(gap);
            let picked = self.pick().expect("one is fit");
            let (outcome, nanos) = answer(picked);
            self.balancer.settle(picked, outcome, nanos, self.now);
            had[picked] += 1;
        }
        had
    }

    /// Opens the endpoint's circuit.
    pub(crate) fn trip(&self, endpoint: usize) {
        for _ in 0..3 {
            let ticket = self.circuits.0[endpoint].admit(self.now).expect("closed");
            self.circuits.0[endpoint].settle(ticket, FAILED, self.now);
        }
    }

    /// Closes the endpoint's circuit, whose wait is over, with a good probe.
    pub(crate) fn mend(&self, endpoint: usize) {
        let ticket = self.circuits.0[endpoint].admit(self.now).expect("half-open");
        self.circuits.0[endpoint].settle(ticket, Outcome::Success, self.now);
    }
}

pub(crate) fn specs(count: usize) -> Vec<Spec> {
    (0..count).map(|i| Spec::named(&format!("endpoint-{i}"))).collect()
}

pub(crate) fn fast(_: usize) -> (Outcome, u64) {
    (Outcome::Success, MILLI)
}
