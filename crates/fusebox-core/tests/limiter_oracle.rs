//! The rate limiter beside `governor`, and beside itself: the same decisions to the nanosecond over random traces.

use fusebox_core::limiter::{Config, Grant, RateLimiter};
use fusebox_core::{Ratio, Time};
use governor::Quota;
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

type Governor = governor::RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

fn ours(config: Config) -> RateLimiter {
    RateLimiter::new(config.check().expect("the settings work"))
}

/// The quota that governor makes of the same words, but with the interval rounded up as ours is.
fn theirs(config: &Config, clock: &FakeRelativeClock) -> Governor {
    let interval = config.per.as_nanos().div_ceil(u128::from(config.permits));
    let quota = Quota::with_period(Duration::from_nanos(interval as u64)).expect("no zero");
    let burst = NonZeroU32::new(config.burst).expect("no zero");
    governor::RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone())
}

/// Quotas from one a minute to ten million a second.
fn quotas() -> impl Strategy<Value = Config> {
    (1..10_000u32, 1..60_000_000u64, 1..50u32).prop_map(|(permits, per_micros, burst)| Config {
        permits,
        per: Duration::from_micros(per_micros),
        burst,
        max_wait: Duration::ZERO,
        keyed: false,
        max_keys: 100,
    })
}

/// Pauses in thousandths of the interval: mostly none, some about an interval, a few far longer than a burst.
fn pauses() -> impl Strategy<Value = Vec<u64>> {
    let pause = prop_oneof![4 => Just(0), 4 => 0..3_000u64, 1 => 0..100_000u64];
    proptest::collection::vec(pause, 1..300)
}

fn interval(config: &Config) -> u64 {
    config.per.as_nanos().div_ceil(u128::from(config.permits)) as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_decision_and_every_way_out_is_governors(config in quotas(), pauses in pauses()) {
        let clock = FakeRelativeClock::default();
        let (ours, theirs) = (ours(config), theirs(&config, &clock));
        let mut now = Time::ZERO;
        for pause in pauses {
            let span = Duration::from_nanos(interval(&config) * pause / 1_000);
            clock.advance(span);
            now = now + span;
            let expected = theirs.check().map_err(|refused| refused.earliest_possible().as_u64());
            let seen = ours.admit(0, now, Time::NEVER);
            prop_assert_eq!(seen.map(|_| ()).map_err(|refused| refused.retry_at.as_nanos()), expected);
        }
    }

    #[test]
    fn every_key_is_decided_as_governor_does(config in quotas(), trace in pauses(), seed in any::<u64>()) {
        let clock = FakeRelativeClock::default();
        let ours = ours(Config { keyed: true, ..config });
        let theirs: [Governor; 5] = std::array::from_fn(|_| theirs(&config, &clock));
        let mut now = Time::ZERO;
        for (i, pause) in trace.into_iter().enumerate() {
            let span = Duration::from_nanos(interval(&config) * pause / 1_000);
            clock.advance(span);
            now = now + span;
            let key = (seed.rotate_left(i as u32) % 5) as usize;
            let expected = theirs[key].check().map_err(|refused| refused.earliest_possible().as_u64());
            let seen = ours.admit(key as u64, now, Time::NEVER);
            prop_assert_eq!(seen.map(|_| ()).map_err(|refused| refused.retry_at.as_nanos()), expected);
        }
    }

    #[test]
    fn a_refused_call_is_let_through_at_retry_at_and_not_a_nanosecond_before(
        config in quotas(),
        wait in 0..20_000u64,
        patience in 0..20_000u64,
        pauses in pauses(),
    ) {
        let max_wait = interval(&config) * wait / 1_000;
        let patience = interval(&config) * patience / 1_000;
        let limiter = ours(Config { max_wait: Duration::from_nanos(max_wait), ..config });
        let mut now = Time::ZERO;
        for pause in pauses {
            now = now.plus_nanos(interval(&config) * pause / 1_000);
            match limiter.admit(0, now, now.plus_nanos(patience)) {
                Ok(grant) => prop_assert!(grant.at() <= now.plus_nanos(max_wait.min(patience))),
                Err(refused) => {
                    let before = refused.retry_at.minus_nanos(1);
                    prop_assert!(refused.retry_at > now);
                    prop_assert!(limiter.admit(0, before, before.plus_nanos(patience)).is_err());
                    let then = refused.retry_at;
                    prop_assert!(limiter.admit(0, then, then.plus_nanos(patience)).is_ok());
                    now = then;
                }
            }
        }
    }

    #[test]
    fn calls_that_wait_go_no_faster_than_the_quota(config in quotas(), wait in 0..50_000u64, pauses in pauses()) {
        let interval = interval(&config);
        let limiter = ours(Config { max_wait: Duration::from_nanos(interval * wait / 1_000), ..config });
        let (mut now, mut went) = (Time::ZERO, Vec::<Time>::new());
        for pause in pauses {
            now = now.plus_nanos(interval * pause / 1_000);
            went.extend(limiter.admit(0, now, Time::NEVER).map(Grant::at));
        }
        prop_assert!(went.is_sorted());
        for (i, first) in went.iter().enumerate() {
            for (more, last) in went[i..].iter().enumerate() {
                let allowed = u64::from(config.burst) + last.nanos_since(*first) / interval;
                prop_assert!((more as u64) < allowed, "{} calls from {first} to {last}", more + 1);
            }
        }
    }

    #[test]
    fn a_refund_leaves_the_quota_as_if_the_call_had_never_been_or_a_little_less(
        config in quotas(),
        before in pauses(),
        between in proptest::collection::vec(0..1_500u64, 0..4),
        after in 0..1_500u64,
    ) {
        let interval = interval(&config);
        let (limiter, twin) = (ours(config), ours(config));
        let mut now = Time::ZERO;
        for pause in before {
            now = now.plus_nanos(interval * pause / 1_000);
            prop_assert_eq!(limiter.admit(0, now, Time::NEVER), twin.admit(0, now, Time::NEVER));
        }
        let grant = match limiter.admit(0, now, Time::NEVER) {
            Ok(grant) => grant,
            Err(refused) => {
                now = refused.retry_at;
                limiter.admit(0, now, Time::NEVER).expect("at retry_at")
            }
        };
        let mut others = 0;
        for pause in between {
            now = now.plus_nanos(interval * pause / 1_000);
            if limiter.admit(0, now, Time::NEVER).is_ok() {
                let _ = twin.admit(0, now, Time::NEVER).expect("the twin has one more");
                others += 1;
            }
        }
        now = now.plus_nanos(interval * after / 1_000);
        limiter.refund(grant, 0, now);
        let left = |limiter: &RateLimiter| {
            let mut taken = 0u64;
            loop {
                match limiter.admit(0, now, Time::NEVER) {
                    Ok(_) => taken += 1,
                    Err(refused) => return (taken, refused.retry_at),
                }
            }
        };
        let ((seen, seen_next), (expected, next)) = (left(&limiter), left(&twin));
        if others == 0 {
            prop_assert_eq!((seen, seen_next), (expected, next));
        } else {
            prop_assert!(seen < expected || (seen == expected && seen_next >= next));
            prop_assert!(seen + 1 >= expected);
        }
    }

    #[test]
    fn turning_the_rate_down_and_up_makes_no_permit(
        config in quotas(),
        turns in proptest::collection::vec((0..2_000u64, 1..=1_000_000u32), 1..40),
    ) {
        let interval = interval(&config);
        let limiter = ours(config);
        let mut now = Time::ZERO;
        let mut taken = 0u64;
        for (pause, ppm) in turns {
            now = now.plus_nanos(interval * pause / 1_000);
            limiter.set_share(Ratio::new(f64::from(ppm) / 1e6).expect("a share"), now);
            while limiter.admit(0, now, Time::NEVER).is_ok() {
                taken += 1;
            }
            prop_assert!(taken <= u64::from(config.burst) + now.as_nanos() / interval);
        }
    }
}

#[test]
fn a_second_that_divides_evenly_needs_no_rounding_at_all() {
    for permits in [1, 2, 5, 50, 1_000, 1_000_000] {
        let clock = FakeRelativeClock::default();
        let config = Config { permits, burst: permits, ..Config::default() };
        let quota = Quota::per_second(NonZeroU32::new(permits).expect("no zero"));
        let theirs = governor::RateLimiter::direct_with_clock(quota, clock.clone());
        let ours = ours(config);
        let mut now = Time::ZERO;
        for step in 0..5_000u64 {
            let span = Duration::from_nanos(step * 7_919_531 % 900_000_001);
            clock.advance(span);
            now = now + span;
            assert_eq!(ours.admit(0, now, Time::NEVER).is_ok(), theirs.check().is_ok());
        }
    }
}

#[test]
fn threads_that_race_take_no_permit_twice() {
    let config = Config { permits: 1, per: Duration::from_secs(1), burst: 10_000, ..Config::default() };
    for keyed in [false, true] {
        let limiter = ours(Config { keyed, ..config });
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..5_000).filter(|_| limiter.admit(1, Time::ZERO, Time::NEVER).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(taken, 10_000);
        let totals = limiter.snapshot(Time::ZERO).totals;
        assert_eq!((totals.admitted, totals.rejected), (10_000, 10_000));
    }
}
