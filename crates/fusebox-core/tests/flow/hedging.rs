//! Hedging: a second attempt beside a slow one, and the first good answer wins.

use crate::world::{HANGS, Plan, ends, fails, head, ok, overloaded};
use fusebox_core::Verdict;
use fusebox_core::breaker::State;
use fusebox_core::flow::{End, Flow};
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::pipeline::Stage;

const ORDERS: [fusebox_core::pipeline::Order; 2] = [Seed, RetryOutside];

#[test]
fn a_fast_answer_is_not_hedged() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        let call = world.call(&[ok(19)]);
        assert_eq!((call.end(), call.calls.len(), call.ended()), (End::Result, 1, 19));
    }
}

#[test]
fn the_first_good_answer_wins_and_the_loser_is_cancelled() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).endpoints(2).build();
        let call = world.call(&[HANGS, ok(5)]);
        assert_eq!((call.end(), call.began(), call.ended()), (End::Result, vec![0, 20], 25));
        assert_eq!(call.cancelled, [1]);
        let call = world.call(&[ok(30), ok(50)]);
        assert_eq!(
            (call.end(), call.calls.len(), call.cancelled, call.ended),
            (End::Result, 2, vec![2], world.now())
        );
    }
}

#[test]
fn in_the_retry_outside_order_the_hedge_goes_elsewhere_and_each_endpoint_settles_its_own() {
    let world = Plan::new(RetryOutside).hedge(20).endpoints(2).build();
    let call = world.call(&[HANGS, ok(5)]);
    assert_eq!(call.endpoints(), [0, 1]);
    assert_eq!((world.seen(0).totals.cancelled, world.seen(1).totals.success), (1, 1));
}

#[test]
fn in_the_seed_order_one_ticket_covers_both_and_settles_with_the_winner() {
    let world = Plan::new(Seed).hedge(20).endpoints(2).build();
    let call = world.call(&[HANGS, ok(5)]);
    assert_eq!(call.endpoints(), [0, 0]);
    assert_eq!(world.counted(), [1, 0, 0, 0]);
}

#[test]
fn when_both_fail_the_call_has_failed_once_and_the_last_word_stands() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        let call = world.call(&[fails(30), fails(30)]);
        assert_eq!((call.end(), call.ended(), call.cancelled), (End::Result, 50, vec![]));
        let failures = if order == Seed { 1 } else { 2 };
        assert_eq!(world.counted(), [0, failures, 0, 0]);
    }
}

#[test]
fn a_failed_attempt_waits_for_its_hedge() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        let call = world.call(&[fails(25), ok(30)]);
        assert_eq!((call.end(), call.ended()), (End::Result, 50));
        let call = world.call(&[ok(60), fails(5)]);
        assert_eq!((call.end(), call.calls.len()), (End::Result, 2));
    }
}

#[test]
fn a_hedge_that_is_refused_costs_the_call_nothing() {
    let world = Plan::new(RetryOutside).hedge(20).endpoints(2).build();
    world.trip(1);
    let call = world.call(&[ok(60), ok(60)]);
    assert_eq!((call.end(), call.ended()), (End::Result, 60));
    assert!(world.seen(0).state == State::Closed);
}

#[test]
fn timeouts_and_retries_go_on_around_a_hedge() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).timeout(50).attempts(2, 10).build();
        let call = world.call(&[HANGS, HANGS, ok(5)]);
        assert_eq!(
            (call.end(), call.began()),
            (End::Result, vec![0, 20, 80]),
            "cut at 50 and 70, retried at 80"
        );
        assert_eq!(call.cancelled, [1, 2]);
    }
}

#[test]
fn the_deadline_cuts_both() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).deadline(60).build();
        let call = world.call(&[HANGS, HANGS]);
        assert_eq!((call.end(), call.ended(), call.cancelled), (End::DeadlineExceeded, 60, vec![1, 2]));
    }
}

#[test]
fn a_hedge_that_only_the_deadline_cuts_off_does_not_take_back_that_the_first_attempt_failed() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(40).timeout(50).deadline(60).build();
        let call = world.call(&[HANGS, HANGS]);
        assert_eq!((call.end(), call.ended()), (End::TimedOut, 60), "{order:?}");
        assert_eq!(world.counted()[1], 1, "the first attempt timed out at 50: {order:?}");
    }
}

#[test]
fn a_hedge_that_is_refused_further_on_leaves_the_failure_that_was_there() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        let call = world.call(&[fails(30), ends(30, Verdict::REFUSED)]);
        assert_eq!(call.end(), End::Result);
        assert_eq!(world.counted()[1], 1, "{order:?}");
    }
}

#[test]
fn a_further_round_is_no_first_try_of_the_hedge_s_budget() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).attempts(3, 10).build();
        world.call(&[fails(1), fails(1), ok(1)]);
        let hedge = world.pipeline.stages().iter().find_map(|stage| match stage {
            Stage::Hedge(hedge) => Some(hedge.snapshot(world.now()).first_tries),
            _ => None,
        });
        assert_eq!(hedge, Some(1), "{order:?}");
    }
}

#[test]
fn a_probe_is_not_hedged() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        world.half_open(0);
        let call = world.call(&[ok(60)]);
        assert_eq!((call.end(), call.calls.len()), (End::Result, 1));
    }
}

#[test]
fn what_may_not_be_made_twice_is_not_hedged_nor_what_nobody_can_wake() {
    for flow in [Flow::new(false), Flow::blocking(true), Flow::without_timer(true)] {
        let world = Plan::new(Seed).hedge(20).build();
        let mut call = world.begin_as(flow, &[ok(60)]);
        world.finish(&mut call);
        assert_eq!(call.calls.len(), 1);
    }
}

#[test]
fn the_winners_body_goes_on_under_its_own_ticket() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).endpoints(2).bulkhead(3, 0).build();
        let mut call = world.call(&[HANGS, head(5)]);
        let tail = call.tail.take().expect("a body follows");
        assert_eq!(world.in_use(), 1, "the body keeps the winner's place");
        tail.end(&world.pipeline, &world, fusebox_core::Outcome::Success, world.now());
        let winner = usize::from(order == RetryOutside);
        assert_eq!((world.in_use(), world.seen(winner).totals.success), (0, 1));
    }
}

#[test]
fn a_call_given_up_gives_back_what_both_hold() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).endpoints(2).bulkhead(4, 0).build();
        let mut call = world.begin(&[HANGS, HANGS]);
        world.run_for(&mut call, 40);
        assert_eq!(world.in_use(), if order == Seed { 1 } else { 2 });
        world.abandon(&mut call);
        assert_eq!(world.in_use(), 0);
        let cancelled: u64 = (0..2).map(|i| world.seen(i).totals.cancelled).sum();
        assert_eq!(cancelled, if order == Seed { 1 } else { 2 });
    }
}

#[test]
fn a_hedges_overload_is_not_worse_than_no_hedge() {
    let world = Plan::new(RetryOutside).hedge(20).endpoints(2).attempts(2, 10).build();
    let call = world.call(&[ok(60), overloaded(5, 1)]);
    assert_eq!((call.end(), call.ended(), call.calls.len()), (End::Result, 60, 2));
}

#[test]
fn a_call_whose_body_is_still_coming_has_no_second_attempt_beside_it_and_one_that_is_gone_none_after_it() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).timeout(50).attempts(2, 5).build();
        let of = |again, beside| {
            let mut flow = Flow::new(true);
            flow.replays(again, beside);
            flow
        };
        let mut call = world.begin_as(of(true, false), &[HANGS, ok(5)]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.began()), (End::Result, vec![0, 55]), "after it, not beside it");
        let mut call = world.begin_as(of(false, false), &[HANGS, ok(5)]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.calls.len()), (End::TimedOut, 1));
    }
}

#[test]
fn a_hedge_that_hangs_after_the_first_attempt_has_failed_counts_as_hung() {
    for order in ORDERS {
        let world = Plan::new(order).hedge(20).build();
        let mut call = world.begin(&[fails(30), HANGS]);
        world.run_for(&mut call, 119);
        assert_eq!(world.seen(0).hung, 0, "it began at 20 ms, and 100 ms are slow");
        world.run_for(&mut call, 1);
        assert_eq!(world.seen(0).hung, 1);
        world.abandon(&mut call);
        assert_eq!(world.seen(0).hung, 0);
    }
}
