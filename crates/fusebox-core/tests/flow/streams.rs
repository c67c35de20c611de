//! Response heads and bodies: clocks stop at the head, the verdict waits for the body.

use crate::world::{FAILED, Plan, ends, fails, head, ms, ok};
use fusebox_core::breaker::{Setting, State};
use fusebox_core::flow::{End, Tail};
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Failure, Outcome, Verdict};

const ORDERS: [fusebox_core::pipeline::Order; 2] = [Seed, RetryOutside];

#[test]
fn a_call_with_a_body_settles_when_the_body_ends() {
    for order in ORDERS {
        let world = Plan::new(order).build();
        let mut call = world.call(&[head(5)]);
        assert_eq!((call.end(), world.counted()), (End::Result, [0, 0, 0, 0]), "not settled at the head");
        let tail = call.tail.take().expect("a body follows");
        world.pass(50);
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!(world.counted(), [1, 0, 0, 0]);
    }
}

#[test]
fn a_stream_settles_no_later_than_the_slow_threshold_after_its_head_and_is_not_slow_for_it() {
    for order in ORDERS {
        let world = Plan::new(order).build();
        let tail = world.call(&[head(99)]).tail.expect("a body follows");
        assert_eq!(tail.settle_by(), world.now() + ms(100));
        world.go_to(tail.settle_by());
        assert_eq!(world.seen(0).hung, 0, "no clock runs after the head");
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!(world.counted(), [1, 0, 0, 0], "the head came after 99 ms");
    }
}

#[test]
fn a_head_that_came_late_makes_the_call_slow() {
    for order in ORDERS {
        let world = Plan::new(order).build();
        let tail = world.call(&[head(100)]).tail.expect("a body follows");
        world.pass(10);
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!((world.counted(), world.seen(0).hung), ([1, 0, 1, 0], 0));
    }
}

#[test]
fn a_body_that_is_cut_off_is_a_failure() {
    for order in ORDERS {
        let world = Plan::new(order).build();
        let tail = world.call(&[head(5)]).tail.expect("a body follows");
        tail.end(&world.pipeline, &world, Outcome::Failure(Failure::Reset), world.now());
        assert_eq!(world.counted(), [0, 1, 0, 0]);
    }
}

#[test]
fn a_bad_head_is_settled_at_once_and_can_be_retried() {
    for order in ORDERS {
        let world = Plan::new(order).attempts(2, 10).build();
        let bad = Verdict::failure(Failure::Status(503));
        let call = world.call(&[crate::world::Attempt { head: true, ..ends(5, bad) }, ok(5)]);
        assert!(call.tail.is_none(), "the second answer came whole");
        assert_eq!(world.counted(), [1, u64::from(order == RetryOutside), 0, 0]);
        let call = world.call(&[fails(5), head(5)]);
        assert!(call.tail.is_some());
    }
}

/// A probe's head, after which its lease would end at 300 ms.
fn probe_head(order: fusebox_core::pipeline::Order) -> (crate::world::World, Tail) {
    let world = Plan::new(order).breaker(|config| config.slow_call_duration = Setting::Is(ms(500))).build();
    world.half_open(0);
    let tail = world.call(&[head(250)]).tail.expect("a body follows");
    (world, tail)
}

#[test]
fn a_probes_lease_does_not_lapse_while_its_body_streams() {
    for order in ORDERS {
        let (world, tail) = probe_head(order);
        world.go_to(tail.settle_by());
        assert_eq!((world.seen(0).state, world.seen(0).probes.in_flight), (State::HalfOpen, 1));
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!(world.seen(0).state, State::Closed);
    }
}

#[test]
fn a_tail_that_is_lost_costs_a_probe_its_lease_and_not_the_circuit_its_slot() {
    for order in ORDERS {
        let (world, tail) = probe_head(order);
        world.go_to(tail.settle_by() + ms(300));
        assert_eq!((world.seen(0).state, world.seen(0).probes.in_flight), (State::Open, 0));
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!(world.seen(0).totals.late, 1);
    }
}

#[test]
fn an_endless_stream_holds_no_probe_slot_for_ever_even_where_slowness_is_not_measured() {
    for order in ORDERS {
        let plan = Plan::new(order).breaker(|config| {
            config.slow_call_duration = Setting::Off;
            config.slow_call_rate = None;
        });
        let world = plan.build();
        world.half_open(0);
        let tail = world.call(&[head(250)]).tail.expect("a body follows");
        assert_eq!(tail.settle_by(), world.now() + ms(300), "the lease is the limit");
        world.go_to(tail.settle_by());
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!(world.seen(0).state, State::Closed);
    }
}

#[test]
fn a_head_that_comes_after_the_lease_is_over_does_not_bring_the_slot_back() {
    for order in ORDERS {
        let world = Plan::new(order).build();
        world.half_open(0);
        let tail = world.call(&[head(350)]).tail.expect("a body follows");
        assert_eq!((world.seen(0).state, world.seen(0).probes.in_flight), (State::Open, 0));
        tail.end(&world.pipeline, &world, FAILED, world.now());
        assert_eq!((world.seen(0).totals.late, world.seen(0).streak), (1, 2));
    }
}

#[test]
fn a_body_keeps_its_place_and_endpoint_where_no_circuit_listens() {
    for order in ORDERS {
        let mut plan = Plan::new(order).bulkhead(1, 0).endpoints(2);
        plan.stages.without_breaker = true;
        let world = plan.build();
        let mut call = world.call(&[head(5)]);
        assert_eq!((call.end(), world.in_use()), (End::Result, 1), "the body has it");
        let tail = call.tail.take().expect("a body follows");
        assert_eq!(tail.settle_by(), fusebox_core::Time::NEVER, "nobody waits to hear of it");
        tail.end(&world.pipeline, &world, Outcome::Success, world.now());
        assert_eq!((world.in_use(), world.counted()), (0, [0, 0, 0, 0]));
    }
}

#[test]
fn a_call_that_is_given_up_just_when_its_head_has_come_leaves_nothing_behind() {
    for order in ORDERS {
        for without_breaker in [false, true] {
            let mut plan = Plan::new(order).bulkhead(1, 0).pool(1, 0).endpoints(2);
            plan.stages.without_breaker = without_breaker;
            let world = plan.build();
            let mut call = world.begin(&[head(5)]);
            let attempt = call.calls[0].0;
            call.flow.as_mut().expect("not abandoned").told_head(attempt, Verdict::SUCCESS);
            world.abandon(&mut call);
            assert_eq!(
                (world.in_use(), world.in_pool()),
                (0, 0),
                "{order:?}, without a breaker: {without_breaker}"
            );
        }
    }
}
