//! A virtual world: circuits, a pipeline before them, a clock, and a driver that does what a flow asks for.

use fusebox_core::balancer::{self, Balancer, Spec};
use fusebox_core::breaker::{
    CircuitBreaker, Config, HalfOpen, Hold, Mode, Setting, Snapshot, State, WaitInOpen, WaitStrategy,
};
use fusebox_core::bulkhead::{self, Bulkhead, Place};
use fusebox_core::flow::{Circuits, Cx, End, Finish, Flow, Step, Tail, Try};
use fusebox_core::hedge::{self, After, Hedge};
use fusebox_core::limiter::{self, RateLimiter};
use fusebox_core::pipeline::{self, FallbackOn, Order, Pipeline, Stage};
use fusebox_core::retry::{self, Backoff, BudgetConfig, Jitter};
use fusebox_core::{Failure, Outcome, Rng, SharedRng, Time, Verdict};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Wake, Waker};
use std::time::Duration;

pub(crate) const FAILED: Outcome = Outcome::Failure(Failure::Error);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Trips at the third failure in a row; 100 ms are slow; waits a second, and one good probe closes.
pub(crate) fn brittle() -> Config {
    Config {
        consecutive_failures: Some(3),
        failure_rate: None,
        slow_call_duration: Setting::Is(ms(100)),
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(ms(1_000)), jitter: 0.0 },
        half_open_probes: 1,
        half_open: HalfOpen::Count { success_threshold: 1, probe_failures: 1 },
        probe_lease: Setting::Is(ms(300)),
        ..Config::default()
    }
}

/// What stands before the circuits, and what the circuits are.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) stages: pipeline::Config,
    pub(crate) breaker: Config,
    pub(crate) endpoints: usize,
}

impl Plan {
    pub(crate) fn new(order: Order) -> Plan {
        let stages = pipeline::Config { order, ..pipeline::Config::default() };
        Plan { stages, breaker: brittle(), endpoints: 1 }
    }

    pub(crate) fn timeout(mut self, millis: u64) -> Plan {
        self.stages.timeout = Some(ms(millis));
        self
    }

    pub(crate) fn deadline(mut self, millis: u64) -> Plan {
        self.stages.deadline = Some(ms(millis));
        self
    }

    /// This many attempts, with the same wait between any two.
    pub(crate) fn attempts(self, max_attempts: u32, backoff: u64) -> Plan {
        self.budgeted(max_attempts, backoff, None)
    }

    pub(crate) fn budgeted(mut self, max_attempts: u32, backoff: u64, budget: Option<BudgetConfig>) -> Plan {
        // The wait is always the base; `max` only says which wait that a dependency asks for is too long.
        let max = ms(backoff.max(10_000));
        let backoff = Backoff { base: ms(backoff), multiplier: 1.0, max, jitter: Jitter::None };
        let retry = retry::Config { max_attempts, backoff, budget };
        self.stages.retry = Some(retry.check().expect("the retry works"));
        self
    }

    pub(crate) fn fallback(mut self, on: FallbackOn) -> Plan {
        self.stages.fallback = Some(on);
        self
    }

    pub(crate) fn endpoints(mut self, endpoints: usize) -> Plan {
        self.endpoints = endpoints;
        self
    }

    /// So many places, and so many milliseconds' wait in a queue of as many.
    pub(crate) fn bulkhead(mut self, places: u64, max_wait: u64) -> Plan {
        self.stages.bulkhead = Some(places_of(places, max_wait));
        self
    }

    /// As [`bulkhead`](Self::bulkhead), for threads.
    pub(crate) fn pool(mut self, threads: u64, max_wait: u64) -> Plan {
        self.stages.pool = Some(places_of(threads, max_wait));
        self
    }

    /// One call each so many milliseconds, and so many at once after a pause.
    pub(crate) fn limit(mut self, every: u64, burst: u32, max_wait: u64) -> Plan {
        let config = limiter::Config {
            permits: 1,
            per: ms(every),
            burst,
            max_wait: ms(max_wait),
            ..limiter::Config::default()
        };
        self.stages.rate_limiter = Some(RateLimiter::new(config.check().expect("the limit works")).into());
        self
    }

    /// A second attempt after so many milliseconds.
    pub(crate) fn hedge(mut self, after: u64) -> Plan {
        let config = hedge::Config { after: After::Fixed(ms(after)), ..hedge::Config::default() };
        self.stages.hedge = Some(Hedge::new(config.check().expect("the hedge works")).into());
        self
    }

    pub(crate) fn breaker(mut self, change: impl FnOnce(&mut Config)) -> Plan {
        change(&mut self.breaker);
        self
    }

    pub(crate) fn build(mut self) -> World {
        if self.endpoints > 1 && self.stages.balancer.is_none() {
            let config =
                balancer::Config { outliers: None, slow_start: ms(0), ..balancer::Config::default() };
            let endpoints: Vec<Spec> = (0..self.endpoints).map(|i| Spec::named(&format!("e{i}"))).collect();
            let settings = config.check().expect("the balancer works");
            self.stages.balancer = Some(Balancer::new(settings, &endpoints, Time::ZERO).into());
        }
        let settings = self.breaker.check(self.stages.timeout).expect("the settings work");
        let circuit = |_| CircuitBreaker::new(settings.clone(), Rng::seeded(1), Time::ZERO);
        let wide = self.stages.scopes.as_ref().map(|_| Wide { service: circuit(0), tenant: circuit(0) });
        World {
            wide,
            circuits: (0..self.endpoints).map(circuit).collect(),
            pipeline: Pipeline::new(self.stages),
            rng: SharedRng::new(Rng::seeded(2)),
            now: Cell::new(Time::ZERO),
        }
    }
}

fn places_of(places: u64, max_wait: u64) -> Arc<Bulkhead> {
    let config = bulkhead::Config {
        max_concurrent: places,
        max_queue: places as u32,
        max_wait: ms(max_wait),
        ..bulkhead::Config::default()
    };
    Arc::new(Bulkhead::new(config.check().expect("the bulkhead works")))
}

/// The circuits of the service, and of the tenant that all calls are of.
#[derive(Debug)]
pub(crate) struct Wide {
    pub(crate) service: CircuitBreaker,
    pub(crate) tenant: CircuitBreaker,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) wide: Option<Wide>,
    pub(crate) circuits: Vec<CircuitBreaker>,
    pub(crate) pipeline: Pipeline,
    rng: SharedRng,
    now: Cell<Time>,
}

impl Circuits for World {
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker {
        &self.circuits[endpoint]
    }

    fn service(&self) -> Option<&CircuitBreaker> {
        self.wide.as_ref().map(|wide| &wide.service)
    }

    fn tenant(&self) -> Option<(u64, &CircuitBreaker)> {
        self.wide.as_ref().map(|wide| (7, &wide.tenant))
    }
}

impl World {
    pub(crate) fn now(&self) -> Time {
        self.now.get()
    }

    pub(crate) fn go_to(&self, at: Time) {
        assert!(at >= self.now(), "time goes forward only");
        self.now.set(at);
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.go_to(self.now() + ms(millis));
    }

    pub(crate) fn seen(&self, endpoint: usize) -> Snapshot {
        self.circuits[endpoint].snapshot(self.now())
    }

    /// Places taken in the bulkhead.
    pub(crate) fn in_use(&self) -> u64 {
        let bulkheads = self.pipeline.stages().iter().filter_map(|stage| match stage {
            Stage::Bulkhead(bulkhead) => Some(bulkhead.snapshot(self.now()).in_use),
            _ => None,
        });
        bulkheads.sum()
    }

    fn pool(&self) -> &Bulkhead {
        let pool = self.pipeline.stages().iter().find_map(|stage| match stage {
            Stage::Pool(pool) => Some(pool),
            _ => None,
        });
        pool.expect("a pool")
    }

    /// Threads at work.
    pub(crate) fn in_pool(&self) -> u64 {
        self.pool().snapshot(self.now()).in_use
    }

    /// A job has ended.
    pub(crate) fn leave_pool(&self, place: Place) {
        self.pool().leave(place, Outcome::Ignored, self.now());
    }

    /// Success, failure, slow, cancelled: what the first circuit has counted.
    pub(crate) fn counted(&self) -> [u64; 4] {
        let totals = self.seen(0).totals;
        [totals.success, totals.failure, totals.slow, totals.cancelled]
    }

    /// Fails an endpoint's circuit open, by others' calls.
    pub(crate) fn trip(&self, endpoint: usize) {
        self.fail_open(&self.circuits[endpoint]);
    }

    /// Fails the service's circuit open.
    pub(crate) fn trip_service(&self) {
        self.fail_open(&self.wide.as_ref().expect("there are scopes").service);
    }

    fn fail_open(&self, circuit: &CircuitBreaker) {
        while circuit.state(self.now()) == State::Closed {
            circuit.settle(circuit.admit(self.now()).expect("closed"), FAILED, self.now());
        }
    }

    /// Fails an endpoint's circuit open and lets its wait pass: the next call is its only probe.
    pub(crate) fn half_open(&self, endpoint: usize) {
        self.trip(endpoint);
        self.pass(1_000);
    }

    pub(crate) fn hold(&self, mode: Mode) {
        let expires = self.now() + ms(100_000);
        self.circuits[0].hold(Hold { mode, actor: "ops".into(), reason: "test".into(), expires }, self.now());
    }

    /// A call with a timer, from now on.
    pub(crate) fn begin(&self, attempts: &[Attempt]) -> Walk {
        self.begin_as(Flow::new(true), attempts)
    }

    pub(crate) fn begin_as(&self, flow: Flow, attempts: &[Attempt]) -> Walk {
        let mut walk = Walk::new(flow, self.now(), attempts);
        self.run_until(&mut walk, self.now());
        walk
    }

    /// A whole call.
    pub(crate) fn call(&self, attempts: &[Attempt]) -> Walk {
        let mut walk = self.begin(attempts);
        self.finish(&mut walk);
        walk
    }

    /// Lets everything happen to `walk` that happens by `at`.
    pub(crate) fn run_until(&self, walk: &mut Walk, at: Time) {
        while walk.finish.is_none() && walk.next_event() <= at {
            self.go_to(walk.next_event().max(self.now()));
            walk.step(self);
        }
        self.go_to(at);
    }

    pub(crate) fn run_for(&self, walk: &mut Walk, millis: u64) {
        self.run_until(walk, self.now() + ms(millis));
    }

    pub(crate) fn finish(&self, walk: &mut Walk) {
        while walk.finish.is_none() {
            assert!(walk.next_event() < Time::NEVER, "the call is stuck: {walk:?}");
            self.run_until(walk, walk.next_event().max(self.now()));
        }
    }

    pub(crate) fn abandon(&self, walk: &mut Walk) {
        walk.flow.take().expect("not abandoned before").abandon(&self.pipeline, self, self.now());
    }
}

/// What one attempt will come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) takes: Duration,
    pub(crate) verdict: Verdict,
    /// What has come then is the response head.
    pub(crate) head: bool,
}

pub(crate) const fn ends(millis: u64, verdict: Verdict) -> Attempt {
    Attempt { takes: ms(millis), verdict, head: false }
}

pub(crate) const fn ok(millis: u64) -> Attempt {
    ends(millis, Verdict::SUCCESS)
}

pub(crate) const fn fails(millis: u64) -> Attempt {
    ends(millis, Verdict::failure(Failure::Error))
}

/// Never answers.
pub(crate) const HANGS: Attempt = Attempt { takes: Duration::MAX, verdict: Verdict::SUCCESS, head: false };

/// Asks to be called again only after so many seconds.
pub(crate) const fn overloaded(millis: u64, retry_after_secs: u32) -> Attempt {
    ends(millis, Verdict::failure(Failure::Overloaded { retry_after_secs }))
}

/// A good response head; the body follows.
pub(crate) const fn head(millis: u64) -> Attempt {
    Attempt { head: true, ..ok(millis) }
}

/// Rung when a place has come free.
#[derive(Debug, Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// One call, and what its driver knows.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) flow: Option<Flow>,
    attempts: Vec<Attempt>,
    wake: Time,
    in_flight: Vec<(Try, Attempt, Time)>,
    bell: Arc<Bell>,
    /// Every attempt, with the moment it began.
    pub(crate) calls: Vec<(Try, Time)>,
    pub(crate) cancelled: Vec<u32>,
    pub(crate) finish: Option<Finish>,
    pub(crate) ended: Time,
    pub(crate) tail: Option<Tail>,
}

impl Walk {
    /// A call that begins at `at`.
    pub(crate) fn new(flow: Flow, at: Time, attempts: &[Attempt]) -> Walk {
        Walk {
            flow: Some(flow),
            attempts: attempts.to_vec(),
            wake: at,
            in_flight: Vec::new(),
            bell: Arc::default(),
            calls: Vec::new(),
            cancelled: Vec::new(),
            finish: None,
            ended: Time::NEVER,
            tail: None,
        }
    }

    pub(crate) fn next_event(&self) -> Time {
        if self.bell.0.load(Relaxed) {
            return Time::ZERO;
        }
        self.in_flight.iter().map(|(.., ends)| *ends).min().unwrap_or(Time::NEVER).min(self.wake)
    }

    /// Whether it waits for a place.
    pub(crate) fn is_queued(&self) -> bool {
        self.flow.as_ref().is_some_and(Flow::is_queued)
    }

    /// What a driver does when it wakes: tells what has ended, and does what it is asked to.
    pub(crate) fn step(&mut self, world: &World) {
        let (now, flow) = (world.now(), self.flow.as_mut().expect("not abandoned"));
        let waker = Waker::from(self.bell.clone());
        self.bell.0.store(false, Relaxed);
        let ended = self.in_flight.iter().position(|(.., ends)| *ends <= now);
        if let Some((attempt, plan, _)) = ended.map(|at| self.in_flight.remove(at)) {
            if plan.head {
                flow.told_head(attempt, plan.verdict);
            } else {
                flow.told(attempt, plan.verdict);
            }
        }
        let cx = Cx { now, rng: &world.rng, waker: &waker };
        loop {
            match flow.next(&world.pipeline, world, &cx) {
                Step::Call(attempt) => {
                    assert!(self.in_flight.len() < 2, "three attempts at once");
                    let plan = self.attempts[attempt.attempt as usize - 1];
                    self.in_flight.push((attempt, plan, now + plan.takes));
                    self.calls.push((attempt, now));
                }
                Step::Cancel(attempt) => {
                    let at = self.in_flight.iter().position(|(flight, ..)| *flight == attempt);
                    self.in_flight.remove(at.expect("what is cancelled is in flight"));
                    self.cancelled.push(attempt.attempt);
                }
                Step::Wait(until) => {
                    assert!(until > now, "a wait for what is past makes a driver spin");
                    self.wake = until;
                    return;
                }
                Step::Finish(finish) => {
                    assert!(self.in_flight.is_empty(), "finished with an attempt in flight");
                    let again = flow.next(&world.pipeline, world, &cx);
                    assert_eq!(again, Step::Finish(finish), "a walk that is over stays over");
                    (self.finish, self.ended, self.tail) = (Some(finish), now, flow.tail());
                    return;
                }
            }
        }
    }

    /// Goes on to the end after a told head, and loses the flow before anybody has taken the tail.
    pub(crate) fn settle_untaken(&mut self, world: &World) {
        let mut flow = self.flow.take().expect("not abandoned before");
        let cx = Cx { now: world.now(), rng: &world.rng, waker: Waker::noop() };
        let step = flow.next(&world.pipeline, world, &cx);
        assert!(matches!(step, Step::Finish(_)) && !flow.is_over());
        flow.abandon(&world.pipeline, world, world.now());
    }

    pub(crate) fn end(&self) -> End {
        self.finish.expect("finished").end
    }

    pub(crate) fn falls_back(&self) -> bool {
        self.finish.expect("finished").fallback
    }

    /// The endpoints that were called, in order.
    pub(crate) fn endpoints(&self) -> Vec<usize> {
        self.calls.iter().map(|(attempt, _)| attempt.endpoint).collect()
    }

    /// When the attempts began, in milliseconds.
    pub(crate) fn began(&self) -> Vec<u128> {
        self.calls.iter().map(|(_, at)| at.since(Time::ZERO).as_millis()).collect()
    }

    /// When the call ended, in milliseconds.
    pub(crate) fn ended(&self) -> u128 {
        self.ended.since(Time::ZERO).as_millis()
    }
}
