use super::*;
use crate::Rng;
use proptest::prelude::*;

const OK: Outcome = Outcome::Success;
const OVERLOADED: Outcome = Outcome::Failure(Failure::Overloaded { retry_after_secs: 0 });

fn throttle(config: Config) -> Throttle {
    Throttle::new(config.check().expect("can work"))
}

fn rng() -> SharedRng {
    SharedRng::new(Rng::seeded(5))
}

/// Callers in every class, a dependency that takes so many calls a second, and what came of it.
#[derive(Debug, Default, PartialEq)]
struct Minute {
    asked: [u64; 4],
    sent: [u64; 4],
    accepted: u64,
}

impl Minute {
    fn total_sent(&self) -> u64 {
        self.sent.iter().sum()
    }

    fn share(&self, class: Priority) -> f64 {
        self.sent[class as usize] as f64 / self.asked[class as usize] as f64
    }
}

/// A minute from `from` on, in steps of ten milliseconds: `rates` calls a second of each class.
fn minute(throttle: &Throttle, rng: &SharedRng, from: u64, rates: [u64; 4], takes: u64) -> Minute {
    let mut minute = Minute::default();
    let mut taken = 0;
    for step in 0..6_000u64 {
        let now = Time::from_millis(from * 1_000 + step * 10);
        if step % 100 == 0 {
            taken = 0;
        }
        for (class, rate) in Priority::ALL.iter().map(|(_, class)| *class).zip(rates) {
            for _ in 0..(step + 1) * rate / 100 - step * rate / 100 {
                minute.asked[class as usize] += 1;
                if throttle.admit(class, rng, now).is_err() {
                    continue;
                }
                minute.sent[class as usize] += 1;
                taken += 1;
                let outcome = if taken <= takes { OK } else { OVERLOADED };
                minute.accepted += u64::from(outcome == OK);
                throttle.settle(outcome, now);
            }
        }
    }
    minute
}

const NORMAL: [u64; 4] = [0, 1_000, 0, 0];

#[test]
fn in_overload_k_times_what_is_accepted_is_sent() {
    for (multiplier, expected) in [(2.0, 2.0), (1.5, 1.5), (4.0, 4.0)] {
        let (throttle, rng) = (throttle(Config { multiplier, ..Config::default() }), rng());
        minute(&throttle, &rng, 0, NORMAL, 200);
        minute(&throttle, &rng, 60, NORMAL, 200);
        let steady = minute(&throttle, &rng, 120, NORMAL, 200);
        let sent = steady.total_sent() as f64 / steady.accepted as f64;
        assert!((sent - expected).abs() < 0.1 * expected, "K {multiplier}: {sent}, {steady:?}");
        assert!(steady.accepted > 11_500, "the dependency is kept busy: {steady:?}");
    }
}

#[test]
fn the_chance_is_that_of_the_formula() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    let now = Time::from_secs(1_000);
    for call in 0..100 {
        assert!(
            throttle.admit(Priority::Normal, &rng, now).is_ok(),
            "in flight is accepted until it is settled"
        );
        let _ = call;
    }
    (0..20).for_each(|_| throttle.settle(OK, now));
    (0..80).for_each(|_| throttle.settle(OVERLOADED, now));
    // (100 − 2 × 20) / (100 + 1)
    assert_eq!(throttle.chance(Priority::Normal, now).ppm(), 594_059);
}

#[test]
fn a_dependency_that_takes_half_of_all_calls_has_none_turned_away() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    for call in 0..10_000u64 {
        let now = Time::from_millis(call * 10);
        assert!(throttle.admit(Priority::Normal, &rng, now).is_ok(), "call {call}");
        throttle.settle(if call % 2 == 0 { OK } else { OVERLOADED }, now);
    }
}

#[test]
fn few_calls_are_no_evidence() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    let now = Time::from_secs(1);
    for _ in 0..20 {
        assert!(throttle.admit(Priority::Normal, &rng, now).is_ok());
        throttle.settle(OVERLOADED, now);
    }
    let is_turned_away = |_: &u32| {
        let turned_away = throttle.admit(Priority::Normal, &rng, now).is_err();
        if !turned_away {
            throttle.settle(OVERLOADED, now);
        }
        turned_away
    };
    let turned_away = (0..1_000).filter(is_turned_away).count();
    assert!((850..950).contains(&turned_away), "{turned_away}");
}

#[test]
fn the_lowest_class_is_turned_away_first_and_the_critical_one_last() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    let each = [250; 4];
    minute(&throttle, &rng, 0, each, 300);
    minute(&throttle, &rng, 60, each, 300);
    let steady = minute(&throttle, &rng, 120, each, 300);
    // Room for 600 of 1,000 a second: two classes whole, and a part of the third.
    let share = |class| steady.share(class);
    assert!(share(Priority::Critical) == 1.0 && share(Priority::High) == 1.0, "{steady:?}");
    assert!((0.2..0.6).contains(&share(Priority::Normal)), "{steady:?}");
    assert!((0.08..0.12).contains(&share(Priority::Low)), "a few always go through: {steady:?}");
}

#[test]
fn critical_calls_are_turned_away_only_by_their_own_number() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    minute(&throttle, &rng, 0, [900, 0, 0, 100], 60);
    let few = minute(&throttle, &rng, 60, [900, 0, 0, 100], 60);
    assert_eq!(few.share(Priority::Critical), 1.0, "{few:?}");
    minute(&throttle, &rng, 120, [0, 0, 0, 1_000], 100);
    let many = minute(&throttle, &rng, 180, [0, 0, 0, 1_000], 100);
    assert!(many.share(Priority::Critical) < 0.5, "{many:?}");
}

#[test]
fn when_nothing_is_accepted_a_tenth_still_goes_through() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    minute(&throttle, &rng, 0, [250; 4], 0);
    let dead = minute(&throttle, &rng, 60, [250; 4], 0);
    for (name, class) in Priority::ALL {
        assert!((0.08..0.12).contains(&dead.share(class)), "{name}: {dead:?}");
    }
}

#[test]
fn it_recovers_with_the_dependency() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    for from in [0, 60, 120] {
        minute(&throttle, &rng, from, NORMAL, 0);
    }
    let mut shares = [0.0; 4];
    for (healthy, share) in shares.iter_mut().enumerate() {
        *share = minute(&throttle, &rng, 180 + 60 * healthy as u64, NORMAL, 10_000).share(Priority::Normal);
    }
    assert!(shares.is_sorted(), "{shares:?}");
    assert_eq!(shares[3], 1.0, "{shares:?}");
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    minute(&throttle, &rng, 0, NORMAL, 0);
    assert!(throttle.chance(Priority::Normal, Time::from_secs(60)) > Ratio::HALF);
    assert!(throttle.chance(Priority::Normal, Time::from_secs(109)) > Ratio::HALF);
    assert_eq!(throttle.chance(Priority::Normal, Time::from_secs(180)), Ratio::ZERO);
    assert_eq!(throttle.snapshot(Time::from_secs(180)).window, Counts::default());
    assert_eq!(throttle.snapshot(Time::from_secs(180)).totals.refused, throttle.live.0.read().refused);
}

#[test]
fn a_rejection_names_the_end_of_the_slot() {
    let (throttle, rng) = (throttle(Config { max_rejection: 0.999, ..Config::default() }), rng());
    minute(&throttle, &rng, 0, NORMAL, 0);
    let now = Time::from_secs(63);
    let rejected = (0..100).find_map(|_| throttle.admit(Priority::Normal, &rng, now).err());
    assert_eq!(rejected, Some(Rejection::of(Reason::Throttled, Time::from_secs(70))));
}

#[test]
fn only_overload_timeouts_and_refused_connections_are_refusals() {
    let refusals = [OVERLOADED, Outcome::Failure(Failure::Timeout), Outcome::Failure(Failure::Connect)];
    let accepts = [
        OK,
        Outcome::Ignored,
        Outcome::Cancelled,
        Outcome::Failure(Failure::Status(500)),
        Outcome::Failure(Failure::Reset),
        Outcome::Failure(Failure::Slow),
    ];
    for (outcomes, refused) in [(&refusals[..], 1), (&accepts[..], 0)] {
        for outcome in outcomes {
            let (throttle, rng) = (throttle(Config::default()), rng());
            assert!(throttle.admit(Priority::Normal, &rng, Time::ZERO).is_ok());
            throttle.settle(*outcome, Time::ZERO);
            let window = throttle.snapshot(Time::ZERO).window;
            assert_eq!((window.refused, window.accepted()), (refused, 1 - refused), "{outcome:?}");
        }
    }
}

#[test]
fn a_call_that_was_never_made_is_no_request() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    let now = Time::from_secs(1);
    for _ in 0..1_000 {
        assert!(throttle.admit(Priority::High, &rng, now).is_ok());
        throttle.give_back(Priority::High);
    }
    let window = throttle.snapshot(now).window;
    assert_eq!((window.requests(Priority::High), window.accepted()), (0, 0));
    // They would be a thousand accepts otherwise, and hide that nothing is taken.
    for _ in 0..30 {
        let _ = throttle.admit(Priority::High, &rng, now);
        throttle.settle(OVERLOADED, now);
    }
    assert!(throttle.chance(Priority::High, now) > Ratio::HALF);
}

#[test]
fn a_caller_with_a_stale_clock_brings_nothing_back() {
    let (throttle, rng) = (throttle(Config::default()), rng());
    minute(&throttle, &rng, 0, NORMAL, 0);
    let later = Time::from_secs(1_000);
    assert_eq!(throttle.chance(Priority::Normal, later), Ratio::ZERO);
    assert!(throttle.admit(Priority::Normal, &rng, Time::from_secs(5)).is_ok());
    assert_eq!(throttle.chance(Priority::Normal, Time::from_secs(5)), Ratio::ZERO);
}

#[test]
fn no_call_is_lost_between_threads_and_slots() {
    extern crate std;
    let (throttle, rng) =
        (throttle(Config { window: core::time::Duration::from_secs(1), ..Config::default() }), rng());
    let calls = |thread: u64| {
        for call in 0..20_000u64 {
            let now = Time::from_nanos(call * 50_000 + thread);
            let priority = Priority::ALL[(call % 4) as usize].1;
            if throttle.admit(priority, &rng, now).is_ok() {
                throttle.settle(if call % 3 == 0 { OK } else { OVERLOADED }, now);
            }
        }
    };
    let calls = &calls;
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || calls(thread)))));
    let totals = throttle.snapshot(Time::from_secs(1)).totals;
    assert_eq!(Priority::ALL.map(|(_, class)| totals.requests(class)), [20_000; 4]);
    assert_eq!(totals.given_back, [0; 4]);
    assert!(totals.throttled.iter().sum::<u64>() > 10_000, "{totals:?}");
    assert_eq!(throttle.snapshot(Time::from_secs(60)).window, Counts::default());
}

proptest! {
    /// Against a plain list of everything that happened, whatever the gaps.
    #[test]
    fn the_window_holds_what_happened_in_its_slots(
        steps in prop::collection::vec((0..4usize, 0..5u8, 0..40_000u64), 1..300),
    ) {
        let (throttle, rng) = (throttle(Config::default()), rng());
        let mut happened = alloc::vec::Vec::new();
        let mut millis = 0;
        for (class, what, gap) in steps {
            // Mostly dense, now and then hours apart.
            millis += if gap > 39_000 { gap * 100 } else { gap / 20 };
            let (now, priority) = (Time::from_millis(millis), Priority::ALL[class].1);
            let mut counts = Counts::default();
            match what {
                0 => {
                    throttle.settle(OVERLOADED, now);
                    counts.refused = 1;
                }
                _ => match throttle.admit(priority, &rng, now) {
                    Ok(()) => counts.sent[class] = 1,
                    Err(_) => counts.throttled[class] = 1,
                },
            }
            happened.push((millis / 10_000, counts));
            let recent = happened.iter().filter(|(slot, _)| slot + 12 > millis / 10_000);
            let mut expected = Counts::default();
            for (_, counts) in recent {
                expected.refused += counts.refused;
                for class in 0..4 {
                    expected.sent[class] += counts.sent[class];
                    expected.throttled[class] += counts.throttled[class];
                }
            }
            let snapshot = throttle.snapshot(now);
            prop_assert_eq!(snapshot.window, expected);
            if throttle.live.0.refused.load(Relaxed) <= throttle.calm.load(Relaxed) {
                prop_assert_eq!(snapshot.chances, [Ratio::ZERO; 4], "the short way is the formula's");
            }
        }
    }
}
