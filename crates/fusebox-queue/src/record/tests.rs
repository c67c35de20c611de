use super::*;

fn at(secs: u64) -> Timestamp {
    Timestamp(secs * 1_000)
}

fn item() -> Record {
    let item =
        NewItem { max_attempts: 2, expires_in: Duration::from_secs(100), ..NewItem::new("q", "k", "") };
    item.record(at(0))
}

fn failed(delay: u64) -> Settlement {
    Settlement::Retry { delay: Duration::from_secs(delay), reason: "500".into(), counted: true }
}

#[test]
fn an_attempt_is_counted_and_dated_when_it_is_leased() {
    let mut record = item();
    assert!(record.lease(1, at(30), at(5)));
    assert_eq!((record.attempts, record.first_attempt_at), (1, Some(at(5))));
    assert!(!record.lease(2, at(30), at(6)), "one lease at a time");
}

#[test]
fn what_was_never_sent_costs_no_attempt_and_starts_no_window() {
    let mut record = item();
    record.lease(1, at(30), at(5));
    assert_eq!(record.settle(1, Settlement::Release, at(6)), Settled::Applied);
    assert_eq!((record.attempts, record.first_attempt_at, record.needs_check), (0, None, false));
    record.lease(2, at(30), at(7));
    let shed = Settlement::Retry { delay: Duration::ZERO, reason: "open".into(), counted: false };
    record.settle(2, shed, at(8));
    assert_eq!((record.attempts, record.first_attempt_at), (0, None));
}

#[test]
fn the_last_attempt_that_fails_is_the_end() {
    let mut record = item();
    record.lease(1, at(30), at(0));
    record.settle(1, failed(10), at(1));
    assert_eq!((record.state.clone(), record.due_at, record.needs_check), (State::Ready, at(11), true));
    assert!(!record.lease(2, at(30), at(10)), "it is not due");
    record.lease(2, at(30), at(11));
    record.settle(2, failed(10), at(12));
    assert_eq!(record.state, State::Dead(Death::MaxAttempts));
}

#[test]
fn a_lease_that_is_over_can_only_bring_good_news() {
    let mut record = item();
    record.lease(1, at(10), at(0));
    assert!(record.sweep(at(10)));
    assert!(record.needs_check && record.crashes == 1);
    record.lease(2, at(30), at(10));
    let bury = Settlement::Bury { death: Death::Refused, reason: "no".into() };
    for stale in [failed(0), Settlement::Release, bury] {
        assert_eq!(record.settle(1, stale, at(11)), Settled::Fenced);
    }
    assert_eq!(record.extend(1, at(99), at(11)), Settled::Fenced);
    assert_eq!(record.extend(2, at(99), at(30)), Settled::Fenced, "over, though nobody has swept");
    let complete = || Settlement::Complete { result: b"ok".to_vec() };
    assert_eq!(record.settle(1, complete(), at(12)), Settled::LateSuccess);
    assert_eq!(
        (record.state.clone(), record.settle(2, complete(), at(13))),
        (State::Done, Settled::AlreadyDone)
    );
    assert_eq!(record.settle(2, failed(0), at(14)), Settled::Fenced);
}

#[test]
fn a_lease_that_was_never_given_completes_nothing() {
    let mut record = item();
    let complete = || Settlement::Complete { result: vec![] };
    assert_eq!(record.settle(7, complete(), at(1)), Settled::Fenced);
    record.lease(3, at(30), at(1));
    assert_eq!((record.settle(7, complete(), at(2)), record.state.clone()), (Settled::Fenced, State::Leased));
}

#[test]
fn a_call_that_outlives_its_item_and_succeeds_is_done() {
    let mut record = item();
    record.lease(1, at(200), at(99));
    assert!(!record.sweep(at(150)), "in flight");
    assert_eq!(record.settle(1, Settlement::Complete { result: vec![] }, at(150)), Settled::Applied);
    assert_eq!(record.state, State::Done);
    let mut record = item();
    record.lease(1, at(200), at(99));
    record.settle(1, failed(0), at(150));
    assert_eq!(record.state, State::Ready, "it may have been made: it is asked for");
}

#[test]
fn what_runs_out_of_time_is_expired_only_if_it_was_surely_not_made() {
    let day = LAST_QUESTIONS.as_secs();
    let mut never = item();
    assert!(never.sweep(at(100)));
    assert_eq!(never.state, State::Expired);
    let mut unsure = item();
    unsure.lease(1, at(30), at(0));
    unsure.settle(1, failed(0), at(1));
    assert!(!unsure.sweep(at(100)) && unsure.is_due(at(100 + day - 1)), "it can be asked for");
    let mut found_missing = unsure.clone();
    found_missing.lease(2, at(200), at(150));
    assert_eq!(found_missing.settle(2, Settlement::Expire, at(151)), Settled::Applied);
    assert_eq!((found_missing.state, found_missing.attempts), (State::Expired, 1));
    assert!(unsure.sweep(at(100 + day)));
    assert_eq!(unsure.state, State::Dead(Death::Unresolved));
}

#[test]
fn three_crashes_are_the_end() {
    let mut record = NewItem::new("q", "k", "").record(at(0));
    for crash in 1..=3u64 {
        assert!(record.lease(crash, at(crash * 10), at(crash * 10 - 9)));
        assert!(record.sweep(at(crash * 10)));
    }
    assert_eq!(record.state, State::Dead(Death::CrashLimit));
    assert!(record.redrive(at(50)) && !record.redrive(at(51)));
    assert!(record.needs_check && record.first_attempt_at == Some(at(1)), "the provider's window goes on");
}

#[test]
fn a_key_is_known_a_day_longer_than_it_can_be_sent() {
    let mut record = item();
    let (window, day) = (Duration::from_secs(500), Duration::from_secs(24 * 3_600));
    assert_eq!(record.keep_until(window), at(100).after(day));
    record.lease(1, at(200), at(50));
    assert_eq!(record.keep_until(window), at(550).after(day));
}
