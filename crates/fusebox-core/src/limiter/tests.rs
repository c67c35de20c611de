use super::*;
use crate::Reason;
use alloc::vec::Vec;
use core::time::Duration;

const MS: u64 = 1_000_000;
const NEVER: Time = Time::NEVER;

/// Ten calls a second, three at once.
const TEN: Config = Config {
    permits: 10,
    per: Duration::from_secs(1),
    burst: 3,
    max_wait: Duration::ZERO,
    keyed: false,
    max_keys: 10,
};

fn limiter(config: Config) -> RateLimiter {
    RateLimiter::new(config.check().expect("the settings work"))
}

fn ms(millis: u64) -> Time {
    Time::from_millis(10_000 + millis)
}

/// Takes permits until one is refused; how many there were, and when there is the next.
fn exhaust(limiter: &RateLimiter, key: u64, now: Time) -> (usize, Time) {
    for taken in 0.. {
        if let Err(rejection) = limiter.admit(key, now, NEVER) {
            assert_eq!(rejection.reason, Reason::RateLimited);
            return (taken, rejection.retry_at);
        }
    }
    unreachable!("a limiter that never refuses")
}

#[test]
fn a_burst_goes_at_once_and_the_next_call_an_interval_later_to_the_nanosecond() {
    let limiter = limiter(TEN);
    let (taken, retry_at) = exhaust(&limiter, 0, ms(0));
    assert_eq!((taken, retry_at), (3, ms(100)));
    assert!(limiter.admit(0, retry_at.minus_nanos(1), NEVER).is_err());
    assert_eq!(limiter.admit(0, retry_at, NEVER).map(Grant::at), Ok(retry_at));
    assert_eq!(exhaust(&limiter, 0, ms(10_000)), (3, ms(10_100)), "a pause saves no more than a burst");
}

#[test]
fn a_rate_that_does_not_divide_a_second_is_never_exceeded() {
    let seven = limiter(Config { permits: 7, burst: 1, ..TEN });
    assert_eq!(seven.snapshot(ms(0)).interval_nanos, Some(142_857_143));
    let (mut now, mut taken) = (ms(0), 0);
    while now < ms(1_000_000) {
        let _ = seven.admit(0, now, NEVER).expect("its turn");
        taken += 1;
        now = seven.admit(0, now, NEVER).expect_err("one at a time").retry_at;
    }
    assert_eq!(taken, 7_000, "seven a second for a thousand seconds");
}

#[test]
fn a_call_waits_for_its_turn_and_reserves_it() {
    let limiter = limiter(Config { burst: 1, max_wait: Duration::from_millis(250), ..TEN });
    let at: Vec<_> = (0..3).map(|_| limiter.admit(0, ms(0), NEVER).expect("waits").at()).collect();
    assert_eq!(at, [ms(0), ms(100), ms(200)]);
    let refused = limiter.admit(0, ms(0), NEVER).expect_err("its turn is in 300 ms");
    assert_eq!(refused.retry_at, ms(50), "from there on it is within 250 ms");
    assert!(limiter.admit(0, ms(50).minus_nanos(1), NEVER).is_err());
    assert_eq!(limiter.admit(0, ms(50), NEVER).map(Grant::at), Ok(ms(300)));
    assert_eq!(limiter.snapshot(ms(50)).totals, Tally { admitted: 4, waited: 3, rejected: 2, refunded: 0 });
}

#[test]
fn nobody_waits_beyond_the_latest_moment_of_the_call() {
    let limiter = limiter(Config { burst: 1, max_wait: Duration::from_secs(1), ..TEN });
    let _ = limiter.admit(0, ms(0), NEVER).expect("the first");
    let refused = limiter.admit(0, ms(0), ms(99)).expect_err("its turn is at 100 ms");
    assert_eq!(refused.retry_at, ms(1), "a call that can wait 99 ms gets its turn from there on");
    assert_eq!(limiter.admit(0, ms(0), ms(100)).map(Grant::at), Ok(ms(100)));
    assert_eq!(
        limiter.admit(0, ms(300), ms(0)).map(Grant::at),
        Ok(ms(300)),
        "no wait, so nothing is too late"
    );
}

#[test]
fn a_refund_gives_back_what_has_not_drained_and_no_more() {
    let limiter = limiter(Config { burst: 1, ..TEN });
    let grant = limiter.admit(0, ms(0), NEVER).expect("the first");
    limiter.refund(grant, 0, ms(0));
    let grant = limiter.admit(0, ms(0), NEVER).expect("it is whole again");
    assert!(limiter.admit(0, ms(40), NEVER).is_err());
    limiter.refund(grant, 0, ms(40));
    let grant = limiter.admit(0, ms(40), NEVER).expect("the rest is back");
    assert_eq!(limiter.admit(0, ms(40), NEVER).map_err(|r| r.retry_at), Err(ms(140)), "and not a whole one");
    limiter.refund(grant, 0, ms(140));
    assert_eq!(exhaust(&limiter, 0, ms(140)), (1, ms(240)), "what has drained is not given back");
    assert_eq!(limiter.snapshot(ms(140)).totals.refunded, 3);
}

#[test]
fn a_turn_that_was_reserved_and_given_back_goes_to_the_next() {
    let limiter = limiter(Config { burst: 1, max_wait: Duration::from_millis(100), ..TEN });
    let _ = limiter.admit(0, ms(0), NEVER).expect("goes at once");
    let waits = limiter.admit(0, ms(0), NEVER).expect("waits");
    limiter.refund(waits, 0, ms(60));
    assert_eq!(limiter.admit(0, ms(60), NEVER).map(Grant::at), Ok(ms(100)));
}

#[test]
fn half_a_share_is_half_the_rate_and_what_was_spent_stays_spent() {
    let limiter = limiter(TEN);
    assert_eq!(exhaust(&limiter, 0, ms(0)).0, 3);
    limiter.set_share(Ratio::HALF, ms(0));
    assert_eq!(
        exhaust(&limiter, 0, ms(0)),
        (0, ms(200)),
        "no permit appears, and the next takes twice as long"
    );
    assert_eq!(exhaust(&limiter, 0, ms(600)).0, 3);
    limiter.set_share(Ratio::ONE, ms(600));
    assert_eq!(exhaust(&limiter, 0, ms(600)), (0, ms(700)), "nor by turning it up again");
}

#[test]
fn no_share_is_no_call_until_there_is_one_again() {
    let limiter = limiter(Config { max_wait: Duration::from_secs(60), ..TEN });
    limiter.set_share(Ratio::ZERO, ms(0));
    assert_eq!(limiter.admit(0, ms(0), NEVER).map_err(|r| r.retry_at), Err(NEVER));
    assert_eq!(limiter.snapshot(ms(0)).interval_nanos, None);
    assert_eq!(limiter.snapshot(ms(0)).available, 0);
    limiter.set_share(Ratio::ONE, ms(10));
    assert_eq!(limiter.snapshot(ms(10)).available, 3);
    assert!(limiter.admit(0, ms(10), NEVER).is_ok());
}

#[test]
fn a_new_rate_holds_at_once_and_keeps_the_share() {
    let limiter = limiter(TEN);
    limiter.set_share(Ratio::HALF, ms(0));
    let faster = Config { permits: 100, burst: 5, ..TEN };
    limiter.reconfigure(faster.check().expect("works"), ms(0)).expect("the same kind");
    let seen = limiter.snapshot(ms(0));
    assert_eq!((seen.interval_nanos, seen.burst, seen.share), (Some(20 * MS), 5, Ratio::HALF));
    assert_eq!(exhaust(&limiter, 0, ms(0)), (5, ms(20)));
    let keyed = Config { keyed: true, ..TEN }.check().expect("works");
    assert_eq!(limiter.reconfigure(keyed, ms(0)).expect_err("another kind").field, "keyed");
}

#[test]
fn each_key_has_its_own_quota_and_nobodys_calls_share_one() {
    let limiter = limiter(Config { keyed: true, ..TEN });
    for key in 0..=10 {
        assert_eq!(exhaust(&limiter, key, ms(0)), (3, ms(100)), "key {key}");
    }
    let seen = limiter.snapshot(ms(0));
    assert_eq!((seen.keys, seen.turned_away), (10, 0));
    assert_eq!(seen.totals, Tally { admitted: 33, waited: 0, rejected: 11, refunded: 0 });
}

#[test]
fn newcomers_share_one_quota_while_every_key_is_in_use_and_are_counted() {
    let limiter = limiter(Config { keyed: true, max_keys: 2, ..TEN });
    for key in [1, 2] {
        assert_eq!(exhaust(&limiter, key, ms(0)).0, 3);
    }
    let grant = limiter.admit(3, ms(0), NEVER).expect("of the shared quota");
    assert_eq!(exhaust(&limiter, 4, ms(0)).0, 2, "the rest of the same quota");
    limiter.refund(grant, 3, ms(0));
    assert_eq!(exhaust(&limiter, 5, ms(0)).0, 1, "which got one back");
    let seen = limiter.snapshot(ms(0));
    assert_eq!((seen.keys, seen.turned_away), (2, 6));
    assert_eq!(exhaust(&limiter, 6, ms(300)).0, 3, "the first two have drained and made room");
    assert_eq!(limiter.snapshot(ms(300)).keys, 1);
}

#[test]
fn room_is_found_in_the_whole_table_and_never_beyond_its_size() {
    let limiter = limiter(Config { keyed: true, max_keys: 1_000, ..TEN });
    for key in 1..=5_000 {
        let _ = limiter.admit(key, ms(0), NEVER);
    }
    let seen = limiter.snapshot(ms(0));
    assert_eq!((seen.keys, seen.turned_away), (1_000, 4_000));
    for key in 10_001..=11_000 {
        assert!(limiter.admit(key, ms(5_000), NEVER).is_ok(), "key {key}");
    }
    let seen = limiter.snapshot(ms(5_000));
    assert_eq!((seen.keys, seen.turned_away), (1_000, 4_000), "all the old keys have made room");
}

#[test]
fn a_share_turns_every_key_down() {
    let limiter = limiter(Config { keyed: true, ..TEN });
    assert_eq!(exhaust(&limiter, 7, ms(0)).0, 3);
    limiter.set_share(Ratio::HALF, ms(0));
    assert_eq!(exhaust(&limiter, 7, ms(0)), (0, ms(200)));
    assert_eq!(exhaust(&limiter, 8, ms(0)), (3, ms(200)));
}

#[test]
fn the_end_of_time_is_no_end_of_the_quota() {
    let limiter = limiter(TEN);
    let last = Time::from_nanos(u64::MAX - 5);
    assert_eq!(exhaust(&limiter, 0, Time::ZERO).0, 3, "and neither is its beginning");
    let _ = limiter.admit(0, last, NEVER).expect("the last call");
    limiter.set_share(Ratio::new(0.000_001).expect("a share"), last);
    let _ = limiter.admit(0, last, NEVER);
}
