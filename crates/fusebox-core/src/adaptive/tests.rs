use super::server::{MS, SECOND, Server, World};
use super::*;
use core::ops::RangeInclusive;
use proptest::prelude::*;

const MINUTE: u64 = 60 * SECOND;

fn gradient(config: Gradient) -> Limit {
    Limit::new(Config::Gradient(config).check().expect("can work"), Time::ZERO)
}

fn aimd(config: Aimd) -> Limit {
    Limit::new(Config::Aimd(config).check().expect("can work"), Time::ZERO)
}

fn both() -> [Limit; 2] {
    [gradient(Gradient::default()), aimd(Aimd::default())]
}

/// From just enough to keep every worker busy to one call waiting for each.
fn band(workers: usize) -> RangeInclusive<u64> {
    workers as u64..=workers as u64 * 2
}

#[test]
fn the_gradient_finds_the_number_of_workers_and_one_waiting_for_each_at_most() {
    for exponential in [false, true] {
        for workers in [10, 100] {
            for start in [2, 20, 500] {
                let server = Server::new(workers, 20 * MS);
                let server = if exponential { server.exponential() } else { server };
                let limit = gradient(Gradient { start, ..Gradient::default() });
                let mut world = World::new(server, limit);
                world.run(2 * MINUTE);
                let trace = world.run(MINUTE);
                let case = (exponential, workers, start, trace.median(), trace.throughput());
                assert!(band(workers).contains(&trace.median()), "{case:?}");
                assert!(trace.throughput() > 0.97 * (workers * 50) as f64, "probes and all: {case:?}");
            }
        }
    }
}

#[test]
fn the_gradient_recovers_from_a_server_three_times_as_slow_and_from_its_healing() {
    for exponential in [false, true] {
        let server = Server::new(50, 20 * MS);
        let server = if exponential { server.exponential() } else { server };
        let mut world = World::new(server, gradient(Gradient::default()));
        world.run(MINUTE);
        world.server.service *= 3;
        let at_first = world.run(2 * SECOND);
        assert!(at_first.least() < 45, "slower calls look like a queue: {}", at_first.least());
        world.run(MINUTE);
        let slow = world.run(MINUTE);
        assert!(band(50).contains(&slow.median()), "as many workers as ever: {}", slow.median());
        assert!(slow.throughput() > 0.95 * 2_500.0 / 3.0, "{}", slow.throughput());
        world.server.service /= 3;
        let healing = world.run(10 * SECOND);
        assert!(healing.most() <= 150, "what is normal now is measured before it grows: {}", healing.most());
        let healed = world.run(MINUTE);
        assert!(band(50).contains(&healed.median()), "{}", healed.median());
    }
}

#[test]
fn a_latency_from_a_lucky_minute_is_forgotten() {
    let mut world = World::new(Server::new(20, 10 * MS), gradient(Gradient::default()));
    world.run(MINUTE);
    let lucky = world.limit.snapshot().no_load_rtt.expect("measured");
    assert!((9..=11).contains(&lucky.as_millis()), "{lucky:?}");
    // Not so much that it would be noticed, and for ever.
    world.server.service = 14 * MS;
    world.run(40 * SECOND);
    let now = world.limit.snapshot().no_load_rtt.expect("measured");
    assert!((13..=15).contains(&now.as_millis()), "{now:?}");
    assert!(band(20).contains(&world.run(10 * SECOND).median()));
}

#[test]
fn a_probe_looks_below_a_queue_that_half_the_limit_makes_too() {
    let start = Gradient { start: 400, probe_every: Duration::from_secs(3_600), ..Gradient::default() };
    let mut world = World::new(Server::new(10, 20 * MS), gradient(start));
    world.run(10 * SECOND);
    let no_load = world.limit.snapshot().no_load_rtt.expect("the first thing it does");
    assert!((19..=22).contains(&no_load.as_millis()), "no queue of 200 in it: {no_load:?}");
}

#[test]
fn aimd_finds_where_a_server_refuses() {
    for start in [2, 20, 500] {
        let server = Server::new(20, 20 * MS).refusing_beyond(10);
        let mut world = World::new(server, aimd(Aimd { start, ..Aimd::default() }));
        world.run(MINUTE);
        let trace = world.run(MINUTE);
        assert!(
            (24..=31).contains(&trace.median()),
            "thirty at most, a fifth less after a cut: {}",
            trace.median()
        );
        assert!(trace.throughput() > 0.97 * 1_000.0, "{}", trace.throughput());
    }
}

#[test]
fn aimd_finds_where_calls_time_out() {
    let mut world = World::new(Server::new(10, 20 * MS), aimd(Aimd { start: 500, ..Aimd::default() }));
    world.timeout = 100 * MS;
    world.run(MINUTE);
    // Ten workers at 20 ms each: fifty calls take 100 ms.
    let trace = world.run(MINUTE);
    assert!((38..=51).contains(&trace.median()), "{}", trace.median());
    world.server.service *= 3;
    world.run(MINUTE);
    let slow = world.run(MINUTE);
    assert!((10..=18).contains(&slow.median()), "seventeen calls take 100 ms now: {}", slow.median());
    world.server.service /= 3;
    world.run(MINUTE);
    let healed = world.run(MINUTE);
    assert!((38..=51).contains(&healed.median()), "{}", healed.median());
}

#[test]
fn aimd_takes_a_slow_answer_for_a_drop_where_it_is_told_to() {
    let slow = Some(Duration::from_millis(100));
    let mut world = World::new(Server::new(10, 20 * MS), aimd(Aimd { slow, ..Aimd::default() }));
    world.run(MINUTE);
    let trace = world.run(MINUTE);
    assert!((38..=51).contains(&trace.median()), "{}", trace.median());
}

#[test]
fn an_hour_of_few_calls_moves_no_limit_up() {
    for limit in both() {
        let mut world = World::new(Server::new(100, 50 * MS), limit);
        world.demand = 3;
        let trace = world.run(3_600 * SECOND);
        assert!(trace.limits.len() > 200_000);
        assert_eq!(trace.most(), 20, "{:?}", world.limit);
        assert_eq!(world.limit.limit(), 20, "{:?}", world.limit);
    }
}

#[test]
fn few_calls_are_a_probe_for_nothing() {
    let mut world = World::new(Server::new(100, 50 * MS), gradient(Gradient::default()));
    world.demand = 3;
    world.run(MINUTE);
    let probes = world.limit.snapshot().probes;
    world.run(60 * MINUTE);
    assert_eq!(world.limit.snapshot().probes, probes, "nobody was kept out");
    world.server.service *= 2;
    world.run(MINUTE);
    let no_load = world.limit.snapshot().no_load_rtt.expect("measured");
    assert!((95..=105).contains(&no_load.as_millis()), "{no_load:?}");
}

#[test]
fn the_first_calls_after_an_idle_stretch_move_nothing() {
    for limit in both() {
        let mut world = World::new(Server::new(20, 20 * MS), limit);
        world.run(MINUTE);
        let (limit, mut state) = (world.limit.limit(), world.limit);
        for outcome in [Outcome::Success, Outcome::Failure(Failure::Timeout)] {
            for hour in 1..50 {
                for call in 0..100 {
                    let now = Time::from_nanos(hour * 60 * MINUTE + MINUTE + 2 * SECOND + call);
                    let rtt = 2 * SECOND;
                    assert_eq!(state.sample(Sample { rtt, in_flight: 100, outcome, now }), limit);
                }
            }
        }
        assert!(state.snapshot().totals.cold >= 2 * 49 * 100);
    }
}

#[test]
fn nothing_but_timeouts_takes_the_limit_to_its_floor_and_no_further() {
    for limit in both() {
        let mut world = World::new(Server::new(100, 20 * MS), limit);
        world.timeout = 500 * MS;
        world.run(10 * SECOND);
        let before = world.limit.limit();
        world.server.service = 3_600 * SECOND;
        world.run(5 * SECOND);
        assert!(world.limit.limit() <= before / 2, "{before}, then {:?}", world.limit);
        let trace = world.run(MINUTE);
        assert_eq!(world.limit.limit(), 2);
        assert!(trace.least() > 0);
    }
}

#[test]
fn a_timeout_is_no_latency() {
    let mut limit = gradient(Gradient::default());
    for call in 0..10_000u64 {
        let in_time = call % 4 != 0;
        let outcome = if in_time { Outcome::Success } else { Outcome::Failure(Failure::Timeout) };
        let rtt = if in_time { 100 * MS } else { MS };
        let _ = limit.sample(Sample { rtt, in_flight: 20, outcome, now: Time::from_nanos(call * 5 * MS) });
    }
    let snapshot = limit.snapshot();
    assert_eq!(
        snapshot.no_load_rtt,
        Some(Duration::from_millis(100)),
        "a short timeout makes nothing look fast"
    );
    assert_eq!(snapshot.limit, 2);
}

#[test]
fn the_drops_of_one_overload_are_one_cut() {
    let mut limit = aimd(Aimd { start: 100, ..Aimd::default() });
    let now = Time::from_secs(1);
    let outcome = Outcome::Success;
    let _ = limit.sample(Sample { rtt: MS, in_flight: 1, outcome, now });
    let outcome = Outcome::Failure(Failure::Timeout);
    for _ in 0..100 {
        let now = Time::from_secs(2);
        assert_eq!(limit.sample(Sample { rtt: 500 * MS, in_flight: 100, outcome, now }), 80);
    }
    let now = Time::from_secs(3);
    assert_eq!(limit.sample(Sample { rtt: 500 * MS, in_flight: 80, outcome, now }), 64);
}

#[test]
fn other_failures_and_callers_who_leave_say_nothing_of_load() {
    let silent = [
        Outcome::Failure(Failure::Status(500)),
        Outcome::Failure(Failure::Connect),
        Outcome::Ignored,
        Outcome::Cancelled,
    ];
    for mut limit in both() {
        let before = limit.limit();
        for call in 0..10_000u64 {
            let outcome = silent[call as usize % silent.len()];
            let sample = Sample { rtt: MS, in_flight: 20, outcome, now: Time::from_millis(call) };
            assert_eq!(limit.sample(sample), before);
        }
        assert_eq!(limit.snapshot().totals.without_evidence, 10_000);
    }
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Failure(Failure::Timeout)),
        1 => Just(Outcome::Failure(Failure::Overloaded { retry_after_secs: 1 })),
        1 => Just(Outcome::Failure(Failure::Error)),
        1 => Just(Outcome::Cancelled),
    ]
}

fn any_limit() -> impl Strategy<Value = (u64, u64, Config)> {
    (1..50u64, 0..500u64, 0..=100u64, any::<bool>(), 1..100u64).prop_map(
        |(min, more, at, latency, window)| {
            let (max, start) = (min + more, min + more * at / 100);
            let window = Duration::from_millis(window);
            let config = if latency {
                Config::Gradient(Gradient {
                    start,
                    min,
                    max,
                    window,
                    minimum_samples: 3,
                    ..Gradient::default()
                })
            } else {
                Config::Aimd(Aimd { start, min, max, increase: 7, ..Aimd::default() })
            };
            (min, max, config)
        },
    )
}

proptest! {
    /// Whatever it is told, in whatever order of time.
    #[test]
    fn no_history_moves_a_limit_out_of_its_bounds(
        (min, max, config) in any_limit(),
        calls in prop::collection::vec((any_outcome(), 0..200_000 * MS, 0..1_000u64, 0..3_000 * MS), 1..400),
    ) {
        let mut limit = Limit::new(config.check().expect("can work"), Time::ZERO);
        prop_assert!((min..=max).contains(&limit.limit()));
        let mut clock = 0;
        for (outcome, back, in_flight, rtt) in calls {
            clock += 20 * MS;
            let now = Time::from_nanos(if back % 3 == 0 { clock.saturating_sub(back) } else { clock });
            let now_allowed = limit.sample(Sample { rtt, in_flight, outcome, now });
            prop_assert!((min..=max).contains(&now_allowed), "{} after {:?}", now_allowed, limit);
            prop_assert_eq!(now_allowed, limit.limit());
        }
        let totals = limit.snapshot().totals;
        prop_assert!(totals.cold <= totals.answers + totals.drops + totals.without_evidence);
    }
}
