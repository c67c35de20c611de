//! Several processes, each with a handle of its own, and one queue.

use crate::{RUNTIME, SERVER, anew, begin, connect, item, live, put};
use fusebox_queue::postgres::Options;
use fusebox_queue::postgres::sqlx;
use fusebox_queue::record::State;
use fusebox_queue::{Enqueued, LeaseRequest, Limits, NewItem, QueueStore, Settled, Settlement};
use futures_executor::block_on;
use std::collections::HashSet;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3_600);

fn done() -> Settlement {
    Settlement::Complete { result: b"ok".to_vec() }
}

#[test]
fn two_processes_share_a_queue_and_neither_takes_over_what_the_other_is_sending() {
    RUNTIME.block_on(async {
        let options = anew();
        let (one, two) = (connect(&options).await, connect(&options).await);
        put(&one, "a").await;
        let leased = two.lease(LeaseRequest::of("q", 9, LONG)).await.expect("leased").remove(0);
        assert!(one.lease(LeaseRequest::of("q", 9, LONG)).await.expect("leased").is_empty());
        let third = connect(&options).await;
        assert_eq!(third.find("q", "a").await.expect("read").expect("there").record.state, State::Leased);
        assert_eq!(two.settle(vec![(leased.token, done())]).await.expect("told"), [Settled::Applied]);
        assert_eq!(one.find("q", "a").await.expect("read").expect("there").record.state, State::Done);
        assert_eq!(one.settle(vec![(leased.token, done())]).await.expect("told"), [Settled::AlreadyDone]);
    });
}

#[test]
fn workers_of_two_processes_race_and_have_no_item_twice() {
    let options = anew();
    let stores = RUNTIME.block_on(async { [connect(&options).await, connect(&options).await] });
    let items = (0..400).map(|i| item(&format!("{i}"))).collect();
    block_on(stores[0].enqueue(items)).expect("kept");
    let had: Vec<_> = std::thread::scope(|scope| {
        let work = |worker: usize| {
            let store = &stores[worker % 2];
            let lease = || block_on(store.lease(LeaseRequest::of("q", 7, LONG))).expect("leased");
            let batches = std::iter::from_fn(|| Some(lease()).filter(|leased| !leased.is_empty()));
            batches.flatten().map(|leased| (leased.view.id, leased.token.lease)).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..16).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let items: HashSet<_> = had.iter().map(|(id, _)| id).collect();
    let leases: HashSet<_> = had.iter().map(|(_, lease)| lease).collect();
    assert_eq!((had.len(), items.len(), leases.len()), (400, 400, 400));
}

#[test]
fn producers_of_two_processes_fill_a_queue_to_the_item_and_the_byte() {
    let limits = Limits { max_items: 500, max_bytes: 4_321, ..Limits::default() };
    let options = Options { limits, max_connections: 32, ..anew() };
    let stores = RUNTIME.block_on(async { [connect(&options).await, connect(&options).await] });
    let stored: usize = std::thread::scope(|scope| {
        let produce = |producer: usize| {
            // One batch each, and one by one.
            let batch =
                (0..10).map(|i| NewItem::new("q", format!("{producer}-{i}"), vec![b'x'; 9])).collect();
            let single = vec![NewItem::new("q", format!("{producer}-single"), vec![b'x'; 9])];
            let store = &stores[producer % 2];
            let told = [block_on(store.enqueue(batch)), block_on(store.enqueue(single))];
            let told = told.into_iter().flat_map(|told| told.expect("told"));
            told.filter(|told| matches!(told, Enqueued::Stored(_))).count()
        };
        let producers: Vec<_> = (0..64).map(|producer| scope.spawn(move || produce(producer))).collect();
        producers.into_iter().map(|producer| producer.join().expect("no panic")).sum()
    });
    let stats = block_on(stores[1].stats("q")).expect("read");
    assert_eq!((stored, stats.live(), stats.bytes()), (480, 480, 4_320), "480 of 9 bytes, and no 481st");
}

#[test]
fn of_settlements_that_race_for_one_lease_one_is_applied() {
    let options = anew();
    let stores = RUNTIME.block_on(async { [connect(&options).await, connect(&options).await] });
    for key in ["a", "b", "c", "d", "e"] {
        block_on(stores[0].enqueue(vec![item(key)])).expect("kept");
        let leased = block_on(stores[0].lease(LeaseRequest::of("q", 1, LONG))).expect("leased").remove(0);
        let told: Vec<Settled> = std::thread::scope(|scope| {
            let settle = |racer: usize| block_on(stores[racer % 2].settle(vec![(leased.token, done())]));
            let racers: Vec<_> = (0..16).map(|racer| scope.spawn(move || settle(racer))).collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic").expect("told")[0]).collect()
        });
        let applied = told.iter().filter(|told| **told == Settled::Applied).count();
        let already = told.iter().filter(|told| **told == Settled::AlreadyDone).count();
        assert_eq!((applied, already), (1, 15), "{told:?}");
    }
    assert_eq!(RUNTIME.block_on(live(&stores[0])), 0, "each counted once");
}

#[test]
fn settlements_and_enqueues_that_race_leave_counters_that_agree_with_what_is_there() {
    let options = anew();
    let store = RUNTIME.block_on(connect(&options));
    block_on(store.enqueue((0..200).map(|i| item(&format!("{i}"))).collect())).expect("kept");
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..5 {
                    let leased = block_on(store.lease(LeaseRequest::of("q", 4, LONG))).expect("leased");
                    let settled = leased.iter().map(|leased| (leased.token, done())).collect();
                    block_on(store.settle(settled)).expect("told");
                    block_on(store.enqueue(vec![item(&format!("{worker}-{round}"))])).expect("kept");
                    block_on(store.sweep(100)).expect("swept");
                }
            });
        }
    });
    RUNTIME.block_on(async {
        let all = store.list(fusebox_queue::Filter::default(), 1_000).await.expect("read");
        let really = all.iter().filter(|view| view.record.state.is_live()).count() as u64;
        assert_eq!((all.len(), live(&store).await), (240, really));
        assert_eq!(really, 240 - 8 * 5 * 4);
    });
}

#[test]
fn a_bell_rings_for_what_is_enqueued_in_its_queue_and_for_nothing_else() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let mut bell = store.bell("q").await.expect("listens");
        store.enqueue(vec![NewItem::new("other", "a", "")]).await.expect("kept");
        let mut transaction = pool.begin().await.expect("begun");
        store.enqueue_in(&mut transaction, vec![item("rolled back")]).await.expect("told");
        transaction.rollback().await.expect("rolled back");
        put(&store, "a").await;
        assert!(bell.rung(LONG).await);
    });
}

#[test]
fn who_waits_for_a_bell_is_woken_and_by_no_key_that_is_there_already() {
    RUNTIME.block_on(async {
        let store = connect(&anew()).await;
        let mut bell = store.bell("q").await.expect("listens");
        let waiting = RUNTIME.spawn(async move { bell.rung(LONG).await });
        put(&store, "a").await;
        assert!(waiting.await.expect("no panic"));
        let mut bell = store.bell("q").await.expect("listens");
        put(&store, "a").await;
        assert!(!bell.rung(Duration::from_millis(100)).await);
    });
}

#[test]
fn a_store_that_is_not_to_ring_does_not() {
    RUNTIME.block_on(async {
        let options = Options { notify: false, ..anew() };
        let store = connect(&options).await;
        let mut bell = store.bell("q").await.expect("listens");
        put(&store, "a").await;
        assert!(!bell.rung(Duration::from_millis(100)).await);
    });
}

#[test]
fn time_is_the_servers() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let now =
            || async { sqlx::query_scalar::<_, i64>(clock).fetch_one(&pool).await.expect("read") as u64 };
        let before = now().await;
        put(&store, "a").await;
        let came = store.find("q", "a").await.expect("read").expect("there").record.created_at.0;
        assert!((before..=now().await).contains(&came), "{before} {came}");
        let lost = store.lease(LeaseRequest::of("q", 1, Duration::ZERO)).await.expect("leased").remove(0);
        assert_eq!(store.sweep(10).await.expect("swept").crashed, 1);
        let again = store.lease(LeaseRequest::of("q", 1, LONG)).await.expect("leased").remove(0);
        assert!(again.view.record.needs_check && again.token.lease > lost.token.lease);
    });
}

#[test]
fn a_server_that_may_lose_what_it_commits_is_not_called_durable() {
    RUNTIME.block_on(async {
        let url = format!("{}?options=-c%20synchronous_commit=off", SERVER.url());
        let store = fusebox_queue::postgres::Postgres::connect(&url, anew()).await.expect("connects");
        assert!(!store.capabilities().durable_on_ack);
        assert!(fusebox_queue::Needs::default().check(&store.capabilities()).is_err());
    });
}
