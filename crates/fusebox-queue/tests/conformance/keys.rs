//! One key is one item.

use crate::{Make, block_on, done, item, on_every_store, secs};
use fusebox_queue::record::State;
use fusebox_queue::{Enqueued, Limits, NewItem, StoreError};

on_every_store!(
    a_key_is_one_item_while_it_lives_and_after_it_is_done,
    a_key_with_another_fingerprint_is_refused,
    one_key_twice_in_a_batch_is_one_item,
    threads_that_race_with_one_key_store_it_once,
    a_key_is_forgotten_only_when_nobody_can_send_it_again,
    what_no_store_can_keep_is_refused_and_nothing_of_its_batch_is_kept,
);

fn a_key_is_one_item_while_it_lives_and_after_it_is_done(make: Make) {
    let stand = make(Limits::default());
    let [Enqueued::Stored(id)] = stand.put([item("a")])[..] else { panic!("new") };
    assert_eq!(stand.put([item("a")]), [Enqueued::Duplicate { id, state: State::Ready }]);
    let leased = stand.one();
    assert_eq!(stand.put([item("a")]), [Enqueued::Duplicate { id, state: State::Leased }]);
    stand.settle(&leased, done());
    assert_eq!(stand.put([item("a")]), [Enqueued::Duplicate { id, state: State::Done }]);
    assert_eq!(stand.find("a").record.result.as_deref(), Some(&b"ok"[..]));
}

fn a_key_with_another_fingerprint_is_refused(make: Make) {
    let stand = make(Limits::default());
    let [Enqueued::Stored(id)] = stand.put([item("a")])[..] else { panic!("new") };
    assert_eq!(stand.put([NewItem::new("q", "a", "something else")]), [Enqueued::KeyConflict(id)]);
    assert!(matches!(stand.put([NewItem::new("other queue", "a", "x")])[..], [Enqueued::Stored(_)]));
}

fn one_key_twice_in_a_batch_is_one_item(make: Make) {
    let stand = make(Limits::default());
    let told = stand.put([item("a"), item("b"), item("a")]);
    assert!(
        matches!(told[..], [Enqueued::Stored(a), Enqueued::Stored(_), Enqueued::Duplicate { id, .. }] if a == id)
    );
    assert_eq!(stand.stats().live(), 2);
}

fn threads_that_race_with_one_key_store_it_once(make: Make) {
    let stand = make(Limits::default());
    let stored: usize = std::thread::scope(|scope| {
        let race = || block_on(stand.store.enqueue(vec![item("a")])).expect("told");
        let racers: Vec<_> = (0..64).map(|_| scope.spawn(race)).collect();
        let told = racers.into_iter().flat_map(|racer| racer.join().expect("no panic"));
        told.filter(|told| matches!(told, Enqueued::Stored(_))).count()
    });
    assert_eq!((stored, stand.stats().live()), (1, 1));
}

fn a_key_is_forgotten_only_when_nobody_can_send_it_again(make: Make) {
    let day = secs(24 * 3_600);
    let stand = make(Limits { provider_window: day * 3, ..Limits::default() });
    stand.put([NewItem { expires_in: day, ..item("a") }]);
    let leased = stand.one();
    stand.settle(&leased, done());
    // The provider's three days from the first attempt, and one more.
    stand.clock.pass(day * 4 - secs(1));
    assert_eq!(stand.sweep().forgotten, 0);
    stand.clock.pass(secs(1));
    assert_eq!(stand.sweep().forgotten, 1);
    assert!(matches!(stand.put([item("a")])[..], [Enqueued::Stored(_)]));
}

fn what_no_store_can_keep_is_refused_and_nothing_of_its_batch_is_kept(make: Make) {
    let stand = make(Limits { max_payload: 10, ..Limits::default() });
    let bad = [
        ("key", NewItem::new("q", "", "")),
        ("queue", NewItem::new("x".repeat(256), "k", "")),
        ("payload", NewItem::new("q", "k", "eleven bytes")),
        ("expires_in", NewItem { expires_in: secs(1), delay: secs(1), ..item("k") }),
        ("max_attempts or max_crashes", NewItem { max_attempts: 0, ..item("k") }),
    ];
    for (what, bad) in bad {
        let refused = block_on(stand.store.enqueue(vec![item("good"), bad])).expect_err(what);
        assert!(matches!(refused, StoreError::Invalid { field, .. } if field == what), "{refused}");
    }
    assert_eq!(stand.stats().live(), 0);
}
