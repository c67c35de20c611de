//! Limits hold to the item and the byte.

use crate::{Make, block_on, done, failed, item, on_every_store};
use fusebox_queue::{Enqueued, Limits, NewItem};

on_every_store!(
    many_producers_fill_a_queue_to_the_item,
    bytes_are_counted_as_items_are: exact_cap,
    what_has_ended_makes_room_and_what_is_retried_does_not,
    counters_agree_with_what_is_there,
);

fn many_producers_fill_a_queue_to_the_item(make: Make) {
    let stand = make(Limits { max_items: 1_000, ..Limits::default() });
    let stored: usize = std::thread::scope(|scope| {
        let produce = |producer: usize| {
            let items = (0..25).map(|i| item(&format!("{producer}-{i}"))).collect();
            let told = block_on(stand.store.enqueue(items)).expect("told");
            told.into_iter().filter(|told| matches!(told, Enqueued::Stored(_))).count()
        };
        let producers: Vec<_> = (0..64).map(|producer| scope.spawn(move || produce(producer))).collect();
        producers.into_iter().map(|producer| producer.join().expect("no panic")).sum()
    });
    assert_eq!((stored, stand.stats().live()), (1_000, 1_000));
    assert!(matches!(stand.put([item("more")])[..], [Enqueued::Full { depth: 1_000, .. }]));
}

fn bytes_are_counted_as_items_are(make: Make) {
    let stand = make(Limits { max_bytes: 100, ..Limits::default() });
    let sized = |key, size: usize| NewItem::new("q", key, vec![b'x'; size]);
    assert!(matches!(
        stand.put([sized("a", 60), sized("b", 40)])[..],
        [Enqueued::Stored(_), Enqueued::Stored(_)]
    ));
    assert_eq!(stand.put([sized("c", 1)]), [Enqueued::Full { depth: 2, bytes: 100 }]);
    let leased = stand.one();
    stand.settle(&leased, done());
    assert!(matches!(stand.put([sized("c", 60)])[..], [Enqueued::Stored(_)]));
    assert_eq!(stand.stats().bytes(), 100);
}

fn what_has_ended_makes_room_and_what_is_retried_does_not(make: Make) {
    let stand = make(Limits { max_items: 1, ..Limits::default() });
    stand.put([item("a")]);
    let leased = stand.one();
    stand.settle(&leased, failed(true));
    assert!(matches!(stand.put([item("b")])[..], [Enqueued::Full { .. }]));
    let leased = stand.one();
    stand.settle(&leased, done());
    assert!(matches!(stand.put([item("b")])[..], [Enqueued::Stored(_)]));
}

fn counters_agree_with_what_is_there(make: Make) {
    let stand = make(Limits::default());
    stand.put((0..10).map(|i| item(&format!("{i}"))));
    let leased = stand.lease(6);
    stand.settle(&leased[0], done());
    stand.settle(&leased[1], failed(true));
    let stats = stand.stats();
    assert_eq!((stats.live(), stats.leased, stats.needs_check, stats.bytes()), (9, 4, 1, 9));
    assert_eq!(stats.oldest_created_at, Some(crate::BEGIN));
    assert_eq!(stats.classes.map(|class| class.live), [0, 9, 0, 0], "by class, the lowest first");
}
