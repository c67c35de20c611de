//! When a fallback takes the place of a result.

use crate::world::{HANGS, Plan, ends, fails, ok, overloaded};
use fusebox_core::flow::End;
use fusebox_core::pipeline::FallbackOn::{Failed, Rejected};
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Failure, Verdict};

#[test]
fn a_rejection_falls_back_whatever_the_fallback_is_for() {
    for order in [Seed, RetryOutside] {
        for on in [Failed, Rejected] {
            let world = Plan::new(order).fallback(on).build();
            world.trip(0);
            let call = world.call(&[]);
            assert!(matches!(call.end(), End::Rejected(_)) && call.falls_back());
        }
    }
}

#[test]
fn a_failure_falls_back_after_the_last_retry_unless_only_rejections_do() {
    for order in [Seed, RetryOutside] {
        for (on, falls_back) in [(Failed, true), (Rejected, false)] {
            let world = Plan::new(order).fallback(on).attempts(2, 10).build();
            let call = world.call(&[fails(5), fails(5)]);
            assert_eq!((call.end(), call.calls.len(), call.falls_back()), (End::Result, 2, falls_back));
            let world = Plan::new(order).fallback(on).attempts(2, 10).build();
            let saved = world.call(&[overloaded(5, 0), ok(5)]);
            assert!(!saved.falls_back(), "the retry saved it");
        }
    }
}

#[test]
fn a_timeout_and_a_deadline_fall_back_like_failures() {
    for order in [Seed, RetryOutside] {
        for (on, falls_back) in [(Failed, true), (Rejected, false)] {
            let call = Plan::new(order).fallback(on).timeout(50).build().call(&[HANGS]);
            assert_eq!((call.end(), call.falls_back()), (End::TimedOut, falls_back));
            let call = Plan::new(order).fallback(on).deadline(50).build().call(&[HANGS]);
            assert_eq!((call.end(), call.falls_back()), (End::DeadlineExceeded, falls_back));
        }
    }
}

#[test]
fn what_is_no_failure_of_the_dependency_never_falls_back() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).fallback(Failed).attempts(2, 10).build();
        let cancelled = Verdict { outcome: fusebox_core::Outcome::Cancelled, ..Verdict::IGNORED };
        for verdict in [Verdict::SUCCESS, Verdict::IGNORED, cancelled] {
            let call = world.call(&[ends(5, verdict)]);
            assert!(call.end() == End::Result && !call.falls_back(), "{verdict:?}");
        }
        let last = Verdict::final_failure(Failure::Malformed);
        assert!(world.call(&[ends(5, last)]).falls_back());
    }
}

#[test]
fn another_circuits_refusal_falls_back_like_a_rejection_and_is_no_evidence() {
    for order in [Seed, RetryOutside] {
        for on in [Failed, Rejected] {
            let world = Plan::new(order).fallback(on).attempts(2, 10).build();
            for _ in 0..20 {
                let call = world.call(&[ends(5, Verdict::REFUSED)]);
                assert_eq!((call.end(), call.calls.len(), call.falls_back()), (End::Result, 1, true));
            }
            assert_eq!((world.counted(), world.seen(0).totals.ignored), ([0; 4], 20));
        }
    }
}

#[test]
fn without_a_fallback_nothing_falls_back() {
    let world = Plan::new(Seed).build();
    assert!(!world.call(&[fails(5)]).falls_back());
    world.call(&[fails(5)]);
    world.call(&[fails(5)]);
    assert!(matches!(world.call(&[]).end(), End::Rejected(_)));
}
