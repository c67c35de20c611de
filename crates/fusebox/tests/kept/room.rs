//! How much is kept.

use crate::{FRESH, STALE, built, front, pages};
use fusebox::Clock;
use fusebox::cache::{Config, Key, NotKept};
use std::time::Duration;

const KIB: usize = 1_024;

#[test]
fn the_least_recently_used_make_room_by_their_bytes() {
    let cache = built(pages(&Clock::manual().0).max_bytes(100 * KIB as u64));
    for page in 0..200 {
        cache.store(Key::shared(page), "x".repeat(4 * KIB)).expect("kept");
        assert!(cache.look(&Key::shared(0)).is_some(), "read all the time");
    }
    let snapshot = cache.snapshot();
    assert!(snapshot.bytes <= snapshot.max_bytes, "{snapshot:?}");
    assert!((15..=25).contains(&snapshot.entries), "{snapshot:?}");
    assert_eq!(snapshot.entries + snapshot.evictions, 200);
    assert!(cache.look(&Key::shared(199)).is_some(), "the last one stored is there");
    assert!(cache.look(&Key::shared(100)).is_none());
}

#[test]
fn empty_answers_take_room_too() {
    let cache = built(pages(&Clock::manual().0).max_bytes(64 * KIB as u64));
    for page in 0..10_000 {
        cache.store(Key::shared(page), String::new()).expect("kept");
    }
    let snapshot = cache.snapshot();
    assert!(snapshot.entries < 500, "{snapshot:?}");
    assert!(snapshot.bytes <= snapshot.max_bytes, "{snapshot:?}");
}

#[test]
fn an_answer_too_heavy_is_not_kept_and_leaves_the_older_one() {
    let config = Config { max_bytes: 8_000, max_entry_bytes: Some(1_000), ..Config::default() };
    let cache = built(pages(&Clock::manual().0).config(config));
    cache.store(front(), "light".into()).expect("kept");
    let heavy = cache.store(front(), "x".repeat(1_000)).expect_err("too heavy");
    assert!(matches!(heavy, NotKept::TooLarge { bytes: 1_001.., most: 1_000 }), "{heavy}");
    assert_eq!(cache.look(&front()).map(|kept| kept.value), Some("light".into()));
}

#[test]
fn what_has_expired_is_swept_and_what_is_forgotten_is_gone() {
    let (clock, hand) = Clock::manual();
    let cache = built(pages(&clock));
    cache.store(Key::shared(1), "old".into()).expect("kept");
    hand.advance(FRESH + STALE - Duration::from_nanos(1));
    cache.store(Key::shared(2), "new".into()).expect("kept");
    cache.store(Key::shared(3), "new".into()).expect("kept");
    assert_eq!(cache.sweep(), 0);
    hand.advance(Duration::from_nanos(1));
    assert_eq!(cache.sweep(), 1);
    cache.forget(&Key::shared(2));
    assert!(cache.look(&Key::shared(2)).is_none());
    assert_eq!(cache.snapshot().entries, 1);
    cache.clear();
    assert!(cache.look(&Key::shared(3)).is_none());
    assert_eq!(cache.snapshot().evictions, 0, "none of them made room");
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let wrong = pages(&Clock::manual().0).max_bytes(0).build().expect_err("no room");
    assert_eq!(wrong.to_string(), "use max_bytes = 0: 1 or more is accepted");
}

#[test]
fn threads_share_the_entries() {
    let cache = built(pages(&Clock::manual().0).max_bytes(256 * KIB as u64));
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let cache = cache.clone();
            scope.spawn(move || {
                for page in 0..2_000 {
                    cache.store(Key::of("ann", page), format!("{thread}")).expect("kept");
                    let kept = cache.look(&Key::of("ann", page));
                    assert!(kept.is_none_or(|kept| ["0", "1"].contains(&kept.value.as_str())));
                }
            });
        }
    });
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.stored, 4_000);
    assert!(snapshot.bytes <= snapshot.max_bytes, "{snapshot:?}");
}
