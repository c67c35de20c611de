use super::*;
use core::time::Duration;

const MS: u64 = 1_000_000;
const CUT: Outcome = Outcome::Failure(Failure::Timeout);

const ADAPTIVE: Config = Config::Adaptive {
    percentile: 0.99,
    factor: 2.0,
    min: Duration::from_millis(20),
    max: Duration::from_secs(5),
    start: Duration::from_secs(1),
    minimum_calls: 100,
};

fn timeout(config: Config) -> Timeout {
    Timeout::new(config.check().expect("the settings work"))
}

/// A dependency that answers after `latency`, called each 10 ms for so many seconds from `since`; how many calls were
/// cut off in the last of them.
fn call(timeout: &Timeout, latency: u64, since: u64, seconds: u64) -> usize {
    let mut cut_off = 0;
    for i in 0..seconds * 100 {
        let began = Time::from_millis(since * 1_000 + i * 10);
        let span = timeout.span(began);
        let took = latency.min(span);
        let outcome = if latency < span { Outcome::Success } else { CUT };
        timeout.record(took, outcome, began.plus_nanos(took));
        cut_off += usize::from(outcome == CUT && i >= (seconds - 1) * 100);
    }
    cut_off
}

#[test]
fn a_fixed_timeout_learns_nothing() {
    let timeout = timeout(Config::Fixed(Duration::from_millis(300)));
    call(&timeout, 10 * MS, 0, 10);
    assert_eq!(timeout.span(Time::from_secs(10)), 300 * MS);
    assert!(!timeout.snapshot(Time::from_secs(10)).adaptive);
}

#[test]
fn it_starts_where_it_is_told_until_there_are_calls_to_go_by() {
    let timeout = timeout(ADAPTIVE);
    for i in 0..99 {
        timeout.record(50 * MS, Outcome::Success, Time::from_millis(i));
    }
    assert_eq!(timeout.span(Time::from_millis(200)), 1_000 * MS);
    timeout.record(50 * MS, Outcome::Success, Time::from_millis(200));
    assert_eq!(timeout.span(Time::from_millis(299)), 1_000 * MS, "it is worked out ten times a second");
    let span = timeout.span(Time::from_millis(300));
    assert!((100 * MS..=113 * MS).contains(&span), "twice the percentile and an eighth at most: {span}");
    assert_eq!(timeout.span(Time::from_secs(300)), 1_000 * MS, "and after a long silence it starts again");
}

#[test]
fn it_stays_within_its_bounds() {
    let fast = timeout(ADAPTIVE);
    call(&fast, MS, 0, 5);
    assert_eq!(fast.span(Time::from_secs(6)), 20 * MS);
    let slow = timeout(ADAPTIVE);
    for i in 0..200 {
        slow.record(100_000 * MS, Outcome::Success, Time::from_millis(i));
    }
    assert_eq!(slow.span(Time::from_secs(1)), 5_000 * MS);
}

#[test]
fn a_dependency_that_takes_three_times_as_long_is_cut_off_for_a_moment_only() {
    let timeout = timeout(ADAPTIVE);
    assert_eq!(call(&timeout, 100 * MS, 0, 30), 0);
    let before = timeout.span(Time::from_secs(30));
    assert!(before < 300 * MS, "the timeout was close: {before}");
    assert_eq!(call(&timeout, 300 * MS, 30, 3), 0, "within three seconds all calls get through again");
    let cut_off = timeout.snapshot(Time::from_secs(33)).timed_out;
    assert!((1..=100).contains(&cut_off), "{cut_off} calls were cut off");
    call(&timeout, 300 * MS, 33, 90);
    let after = timeout.span(Time::from_secs(123));
    assert!((600 * MS..=675 * MS).contains(&after), "it has settled at twice the new latency: {after}");
}

#[test]
fn a_dependency_that_hangs_lets_the_timeout_grow_to_its_bound_and_never_shrink() {
    for factor in [1.0, 1.05, 2.0] {
        let Config::Adaptive { percentile, min, max, start, minimum_calls, .. } = ADAPTIVE else {
            unreachable!("it is adaptive")
        };
        let timeout = timeout(Config::Adaptive { percentile, factor, min, max, start, minimum_calls });
        call(&timeout, 100 * MS, 0, 30);
        let mut last = timeout.span(Time::from_secs(30));
        for second in 30..300 {
            call(&timeout, u64::MAX, second, 1);
            let span = timeout.span(Time::from_secs(second + 1));
            assert!(span >= last, "factor {factor}: from {last} to {span}");
            last = span;
        }
        assert_eq!(last, 5_000 * MS, "factor {factor}");
    }
}

#[test]
fn failures_that_are_fast_do_not_pull_it_down() {
    let timeout = timeout(ADAPTIVE);
    for i in 0..2_000 {
        let now = Time::from_millis(i);
        timeout.record(200 * MS, Outcome::Success, now);
        for outcome in [Outcome::Failure(Failure::Connect), Outcome::Ignored, Outcome::Cancelled] {
            timeout.record(MS / 10, outcome, now);
        }
    }
    assert!(timeout.span(Time::from_secs(3)) >= 400 * MS);
    assert_eq!(timeout.snapshot(Time::from_secs(3)).samples, 2_000);
}
