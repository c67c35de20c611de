//! Random walks through random pipelines, several calls at a time, some of them abandoned: whatever happened, what was
//! taken is given back, and the books balance.
//!
//! `PROPTEST_CASES` sets how many; a failing one is printed whole, and made small.

use crate::world::{Attempt, HANGS, Plan, Walk, World, ends, head, ms};
use fusebox_core::breaker::State;
use fusebox_core::flow::{Flow, Tail};
use fusebox_core::pipeline::{FallbackOn, Order, Stage};
use fusebox_core::retry::BudgetConfig;
use fusebox_core::scope::{self, Scopes};
use fusebox_core::throttle::{self, Throttle};
use fusebox_core::{Failure, Outcome, Time, Verdict};
use proptest::prelude::*;

/// One call: when it begins, when its caller goes away, what its attempts come to, how long a body streams.
#[derive(Clone, Debug)]
struct Call {
    begins: u64,
    abandoned: Option<u64>,
    due: Option<u64>,
    driver: Driver,
    replayable: bool,
    attempts: Vec<Attempt>,
    streams: u64,
    cut: bool,
}

/// Who drives the call, as the flow knows it. This world wakes all of them alike.
#[derive(Clone, Copy, Debug)]
enum Driver {
    Timed,
    Blocking,
    WithoutTimer,
}

const MOST_ATTEMPTS: u32 = 4;
/// Each attempt may have a hedge.
const MOST_FLIGHTS: usize = 2 * MOST_ATTEMPTS as usize;

fn attempt() -> impl Strategy<Value = Attempt> {
    let takes = prop_oneof![0..30u64, 90..110u64, 0..400u64];
    let verdict = prop_oneof![
        4 => Just(Verdict::SUCCESS),
        4 => Just(Verdict::failure(Failure::Error)),
        1 => Just(Verdict::failure(Failure::Overloaded { retry_after_secs: 1 })),
        1 => Just(Verdict::final_failure(Failure::Malformed)),
        1 => Just(Verdict::IGNORED),
        1 => Just(Verdict::REFUSED),
    ];
    prop_oneof![
        6 => (takes.clone(), verdict).prop_map(|(takes, verdict)| ends(takes, verdict)),
        2 => takes.prop_map(head),
        1 => Just(HANGS),
    ]
}

prop_compose! {
    fn call()(
        begins in 0..1_500u64,
        abandoned in proptest::option::weighted(0.3, 0..600u64),
        due in proptest::option::weighted(0.2, 0..600u64),
        driver in prop_oneof![Just(Driver::Timed), Just(Driver::Blocking), Just(Driver::WithoutTimer)],
        replayable in proptest::bool::weighted(0.8),
        attempts in proptest::collection::vec(attempt(), MOST_FLIGHTS),
        streams in 0..300u64,
        cut in any::<bool>(),
    ) -> Call {
        Call { begins, abandoned, due, driver, replayable, attempts, streams, cut }
    }
}

prop_compose! {
    fn plan()(
        order in prop_oneof![Just(Order::Seed), Just(Order::RetryOutside)],
        timeout in proptest::option::of(20..200u64),
        deadline in proptest::option::of(20..500u64),
        attempts in 1..=MOST_ATTEMPTS,
        backoff in 0..100u64,
        budget in proptest::option::of(Just(BudgetConfig::default())),
        fallback in proptest::option::of(prop_oneof![Just(FallbackOn::Failed), Just(FallbackOn::Rejected)]),
        endpoints in 1..4usize,
        run in 1..4u32,
        probes in 1..3u32,
        limit in proptest::option::weighted(0.3, (1..100u64, 1..4u32, 0..200u64)),
        places in proptest::option::weighted(0.5, (1..4u64, 0..200u64)),
        threads in proptest::option::weighted(0.2, (1..4u64, 0..200u64)),
        hedge in proptest::option::weighted(0.4, 1..100u64),
        throttled in any::<bool>(),
        without_breaker in proptest::bool::weighted(0.15),
        scoped in proptest::bool::weighted(0.4),
    ) -> Plan {
        let mut plan = Plan::new(order).budgeted(attempts, backoff, budget).endpoints(endpoints);
        if let Some((every, burst, max_wait)) = limit {
            plan = plan.limit(every, burst, max_wait);
        }
        if let Some((places, max_wait)) = places {
            plan = plan.bulkhead(places, max_wait);
        }
        if let Some((threads, max_wait)) = threads {
            plan = plan.pool(threads, max_wait);
        }
        if let Some(after) = hedge {
            plan = plan.hedge(after);
        }
        if throttled {
            plan.stages.throttle = Some(Throttle::new(throttle::Settings::default()).into());
        }
        plan.stages.without_breaker = without_breaker;
        if scoped && !without_breaker {
            plan.stages.scopes = Some(Scopes::new(scope::Settings::default(), endpoints).into());
        }
        plan.stages.timeout = timeout.map(ms);
        plan.stages.deadline = deadline.map(ms);
        plan.stages.fallback = fallback;
        plan.breaker(|config| {
            config.consecutive_failures = Some(run);
            config.half_open_probes = probes;
            config.wait_in_open.strategy = fusebox_core::breaker::WaitStrategy::Fixed(ms(150));
        })
    }
}

/// A call under way, and the body it left behind.
struct Driven {
    plan: Call,
    walk: Walk,
    abandon_at: Time,
    body: Option<(Tail, Time)>,
    done: bool,
}

impl Driven {
    fn new(plan: &Call) -> Driven {
        let begins = Time::from_millis(plan.begins);
        let mut flow = match plan.driver {
            Driver::Timed => Flow::new(plan.replayable),
            Driver::Blocking => Flow::blocking(plan.replayable),
            Driver::WithoutTimer => Flow::without_timer(plan.replayable),
        };
        if let Some(due) = plan.due {
            flow.due_by(begins + ms(due));
        }
        // An attempt that never ends and that nothing interrupts is a call that its caller gives up in the end.
        let abandon_at = begins + ms(plan.abandoned.unwrap_or(60_000));
        let walk = Walk::new(flow, begins, &plan.attempts);
        Driven { plan: plan.clone(), walk, abandon_at, body: None, done: false }
    }

    fn next_event(&self) -> Time {
        match &self.body {
            _ if self.done => Time::NEVER,
            Some((_, ends)) => *ends,
            None => self.walk.next_event().min(self.abandon_at),
        }
    }

    fn step(&mut self, world: &World) {
        let now = world.now();
        if let Some((tail, _)) = self.body.take() {
            let cut = if self.plan.cut { Outcome::Failure(Failure::Reset) } else { Outcome::Success };
            let ended = now < tail.settle_by();
            tail.end(&world.pipeline, world, if ended { cut } else { Outcome::Success }, now);
            self.done = true;
        } else if self.abandon_at <= now {
            world.abandon(&mut self.walk);
            self.done = true;
        } else {
            self.walk.step(world);
            if self.walk.finish.is_some() {
                let streams = now + ms(self.plan.streams);
                let tail = self.walk.tail.take();
                self.body = tail.map(|tail| {
                    let ends = streams.min(tail.settle_by());
                    (tail, ends)
                });
                self.done = self.body.is_none();
            }
        }
    }
}

fn drive(world: &World, calls: &[Call]) -> Vec<Driven> {
    let mut calls: Vec<Driven> = calls.iter().map(Driven::new).collect();
    while let Some(next) = calls.iter_mut().min_by_key(|call| call.next_event()) {
        let at = next.next_event();
        if at == Time::NEVER {
            break;
        }
        world.go_to(at.max(world.now()));
        next.step(world);
    }
    calls
}

fn check(plan: &Plan, world: &World, calls: &[Driven]) -> Result<(), TestCaseError> {
    let retry = plan.stages.retry.as_ref().expect("every plan has one").config();
    let hedged = plan.stages.hedge.is_some();
    let mut tickets = 0;
    for call in calls {
        let made = call.walk.calls.len() as u32;
        let most = retry.max_attempts * if hedged { 2 } else { 1 };
        prop_assert!(made <= most, "{made} attempts");
        for (i, (attempt, _)) in call.walk.calls.iter().enumerate() {
            prop_assert_eq!(attempt.attempt as usize, i + 1);
            prop_assert!(attempt.endpoint < plan.endpoints);
        }
        if let (Some(deadline), true) = (plan.stages.deadline, call.walk.finish.is_some()) {
            // In the seed order it begins when the limiter lets the call in.
            let patience = plan.stages.rate_limiter.as_ref().map_or(ms(0), |_| ms(200));
            let begins = Time::from_millis(call.plan.begins) + patience;
            prop_assert!(call.walk.ended <= begins + deadline, "past its deadline");
        }
        tickets += match plan.stages.order {
            _ if plan.stages.without_breaker => 0,
            Order::Seed => u64::from(made > 0),
            Order::RetryOutside => u64::from(made),
        };
    }
    check_stages(world, calls)?;
    for wide in world.wide.iter().flat_map(|wide| [&wide.service, &wide.tenant]) {
        let seen = wide.snapshot(world.now());
        prop_assert_eq!((seen.probes.in_flight, seen.hung, seen.totals.internal_faults), (0, 0, 0));
    }
    let mut settled = 0;
    for (endpoint, circuit) in world.circuits.iter().enumerate() {
        let seen = world.seen(endpoint);
        prop_assert_eq!((seen.probes.in_flight, seen.hung), (0, 0), "endpoint {}", endpoint);
        let t = seen.totals;
        settled += t.success + t.failure + t.ignored + t.cancelled + t.late;
        prop_assert_eq!(t.internal_faults, 0);
        let later = world.now() + ms(1_000);
        if circuit.state(later) == State::HalfOpen {
            circuit.settle(circuit.admit(later).expect("a free slot"), Outcome::Success, later);
            prop_assert_eq!(circuit.state(later), State::Closed, "a healthy endpoint's circuit closes");
        }
    }
    prop_assert!(settled >= tickets, "{settled} of {tickets} tickets settled");
    if plan.stages.pool.is_none() {
        prop_assert_eq!(settled, tickets, "every ticket settles exactly once");
    }
    Ok(())
}

/// What each policy has handed out is back, and its books balance.
fn check_stages(world: &World, calls: &[Driven]) -> Result<(), TestCaseError> {
    let begun = calls.iter().filter(|call| !call.walk.calls.is_empty()).count() as u64;
    for stage in world.pipeline.stages() {
        match stage {
            Stage::Bulkhead(places) | Stage::Pool(places) => {
                let seen = places.snapshot(world.now());
                prop_assert_eq!((seen.in_use, seen.waiting, seen.granted), (0, 0, 0), "{}", stage.name());
            }
            Stage::Pick(balancer) => {
                let seen = balancer.snapshot(world.now());
                prop_assert!(seen.endpoints.iter().all(|endpoint| endpoint.in_flight == 0));
            }
            Stage::RateLimiter(limiter) => {
                let totals = limiter.snapshot(world.now()).totals;
                prop_assert!(totals.admitted >= begun + totals.refunded, "{totals:?}, {begun} begun");
            }
            Stage::Hedge(hedge) => {
                let seen = hedge.snapshot(world.now());
                prop_assert!(seen.wins <= seen.hedges, "{seen:?}");
                prop_assert!(seen.first_tries >= begun && seen.first_tries <= calls.len() as u64, "{seen:?}");
                // The budget: a tenth of the first tries, and ten in its ten seconds.
                prop_assert!(seen.hedges <= 10 + seen.first_tries / 10, "{seen:?}");
            }
            Stage::Retry { budget: Some(budget), .. } => {
                let seen = budget.snapshot(world.now());
                prop_assert!(seen.granted <= 10 + seen.first_tries / 10, "{seen:?}");
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn whatever_happens_everything_taken_is_given_back(
        plan in plan(),
        calls in proptest::collection::vec(call(), 1..8),
    ) {
        let world = plan.clone().build();
        let calls = drive(&world, &calls);
        check(&plan, &world, &calls)?;
    }
}
