//! What is NATS's own: its server dies, its timers, and many who share one queue.
#![cfg(feature = "nats")]

mod server;

use fusebox_queue::nats::{Nats, Options};
use fusebox_queue::record::{Death, State};
use fusebox_queue::{
    Enqueued, LeaseRequest, Leased, Limits, NewItem, Notices, QueueStore, Settled, Settlement, StoreError,
    View,
};
use server::{Server, block_on};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn waived() -> Options {
    Options { accept_async_durability: true, ..Options::default() }
}

fn open(server: &Server, options: Options) -> Nats {
    block_on(Nats::connect(&server.address(), options)).expect("connects")
}

fn put(store: &Nats, key: &str) -> Enqueued {
    block_on(store.enqueue(vec![NewItem::new("q", key, key.as_bytes())])).expect("kept").remove(0)
}

fn lease(store: &Nats, most: usize, ttl: Duration) -> Vec<Leased> {
    block_on(store.lease(LeaseRequest::of("q", most, ttl))).expect("leased")
}

/// Asks until it is answered well, for a minute.
fn in_the_end<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let asking = async {
        loop {
            if let Ok(answer) = ask().await {
                return answer;
            }
        }
    };
    let limited = async { tokio::time::timeout(Duration::from_secs(60), asking).await };
    block_on(limited).expect("it is answered within a minute")
}

/// Asks for an item until there is one.
fn wait_for_one(store: &Nats, ttl: Duration) -> Leased {
    in_the_end(async || {
        // A cluster may be between two leaders.
        let leased = store.lease(LeaseRequest::of("q", 1, ttl)).await?.pop();
        leased.ok_or_else(|| StoreError::Other("nothing is due".into()))
    })
}

fn settle(store: &Nats, leased: &Leased, settlement: Settlement) -> Settled {
    block_on(store.settle(vec![(leased.token, settlement)])).expect("told")[0]
}

fn done() -> Settlement {
    Settlement::Complete { result: b"ok".to_vec() }
}

fn failed(delay: Duration) -> Settlement {
    Settlement::Retry { delay, reason: "500".into(), counted: true }
}

fn state(store: &Nats, key: &str) -> State {
    block_on(store.find("q", key)).expect("read").expect("it is there").record.state
}

#[test]
fn a_server_that_acknowledges_before_it_syncs_is_refused_with_what_is_accepted() {
    let server = Server::start();
    let refused = block_on(Nats::connect(&server.address(), Options::default())).map(drop);
    let Err(StoreError::NotDurable { found }) = &refused else { panic!("{refused:?}") };
    assert!(found.contains("acknowledges before it syncs"), "{found}");
    assert!(!open(&server, waived()).capabilities().durable_on_ack);
    let needs = fusebox_queue::Needs::default().check(&open(&server, waived()).capabilities());
    assert!(needs.expect_err("a payment needs more").to_string().contains("durable"));
}

#[test]
fn three_servers_are_not_found_where_there_is_one() {
    let server = Server::start();
    let options = Options { replicas: 3, ..Options::default() };
    let refused = block_on(Nats::connect(&server.address(), options)).map(drop).expect_err("one server");
    assert!(matches!(&refused, StoreError::Server(said) if said.contains("replicas")), "{refused}");
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed_in_the_middle() {
    let mut server = Server::start();
    let store = open(&server, waived());
    let (made, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    // What meets a server that is gone fails, and whoever did it goes on.
    let (kept, ended) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut kept = HashSet::new();
            for i in (0..).take_while(|_| !is_over.load(Relaxed)) {
                let key = format!("{i}");
                if block_on(store.enqueue(vec![NewItem::new("q", &*key, &*key)])).is_ok() {
                    kept.insert(key);
                    made.fetch_add(1, Relaxed);
                }
            }
            kept
        });
        let worker = scope.spawn(|| {
            let mut ended = HashSet::new();
            while !is_over.load(Relaxed) {
                let request = LeaseRequest::of("q", 2, Duration::from_secs(3_600));
                for leased in block_on(store.lease(request)).unwrap_or_default() {
                    if block_on(store.settle(vec![(leased.token, done())])).is_ok() {
                        ended.insert(leased.view.key);
                    }
                }
            }
            ended
        });
        for round in 1..=3 {
            while made.load(Relaxed) < 60 * round {
                std::thread::yield_now();
            }
            server.kill_and_restart();
        }
        while made.load(Relaxed) < 60 * 4 {
            std::thread::yield_now();
        }
        is_over.store(true, Relaxed);
        (producer.join().expect("no panic"), worker.join().expect("no panic"))
    });
    let rows = block_on(store.list(fusebox_queue::Filter::default(), usize::MAX)).expect("read");
    let keys = |rows: &[&View]| rows.iter().map(|view| view.key.clone()).collect::<HashSet<_>>();
    let there = keys(&rows.iter().collect::<Vec<_>>());
    let done = keys(&rows.iter().filter(|view| view.record.state == State::Done).collect::<Vec<_>>());
    assert!(kept.is_subset(&there), "{:?}", kept.difference(&there));
    assert!(ended.is_subset(&done), "{:?}", ended.difference(&done));
    assert!(kept.len() >= 240 && ended.len() >= 10, "{} kept, {} done", kept.len(), ended.len());
    // And nothing is stuck: whatever nobody has in hand is leased.
    let (mut waiting, ready) = (0, State::Ready);
    for view in rows.iter().filter(|view| view.record.state == ready) {
        waiting += usize::from(kept.contains(&view.key));
    }
    let leased: usize = std::iter::from_fn(|| Some(lease(&store, 100, Duration::from_secs(60)).len()))
        .take_while(|leased| *leased > 0)
        .sum();
    assert!(leased >= waiting, "{leased} of {waiting}");
}

#[test]
fn two_handles_share_a_queue_and_none_has_what_the_other_has() {
    let server = Server::start();
    let stores = [open(&server, waived()), open(&server, waived())];
    for i in 0..100 {
        put(&stores[i % 2], &format!("{i}"));
    }
    assert!(matches!(put(&stores[1], "0"), Enqueued::Duplicate { .. }), "the first one's key");
    let mut had: Vec<_> = std::thread::scope(|scope| {
        let work = |store| {
            let mut had = Vec::new();
            while block_on(Nats::stats(store, "q")).expect("read").live() > 0 {
                for leased in lease(store, 5, Duration::from_secs(60)) {
                    assert_eq!(settle(store, &leased, done()), Settled::Applied);
                    had.push(leased.view.key);
                }
            }
            had
        };
        let workers: Vec<_> = stores.iter().map(|store| scope.spawn(move || work(store))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    had.sort();
    assert_eq!(had.len(), 100);
    had.dedup();
    assert_eq!(had.len(), 100, "each once");
}

#[test]
fn what_a_vanished_worker_had_is_delivered_to_another_and_must_be_checked() {
    let server = Server::start();
    let options = || Options { ack_wait: millis(200), ..waived() };
    let (gone, other) = (open(&server, options()), open(&server, options()));
    put(&gone, "a");
    let lost = lease(&gone, 1, millis(100)).pop().expect("it is due");
    // Nobody sweeps: the server's own timer brings it back.
    let again = wait_for_one(&other, Duration::from_secs(60));
    let record = &again.view.record;
    assert_eq!((record.needs_check, record.crashes, record.attempts), (true, 1, 2));
    assert_eq!(record.first_attempt_at, lost.view.record.first_attempt_at);
    assert_eq!(settle(&gone, &lost, failed(Duration::ZERO)), Settled::Fenced);
    assert_eq!(settle(&gone, &lost, done()), Settled::LateSuccess);
    assert_eq!(settle(&other, &again, failed(Duration::ZERO)), Settled::Fenced);
    assert_eq!(settle(&other, &again, done()), Settled::AlreadyDone);
    assert_eq!((state(&other, "a"), block_on(other.stats("q")).expect("read").live()), (State::Done, 0));
    assert!(lease(&other, 1, millis(100)).is_empty());
}

#[test]
fn a_lease_that_outlasts_the_servers_patience_is_nobody_elses() {
    let server = Server::start();
    let options = Options { ack_wait: millis(50), longest_nap: millis(20), ..waived() };
    let (store, other) = (open(&server, options.clone()), open(&server, options));
    put(&store, "a");
    let leased = lease(&store, 1, Duration::from_secs(60)).pop().expect("it is due");
    // The server brings its carrier back several times meanwhile.
    let deadline = store_now(&store, "b").after(millis(300));
    for i in 0.. {
        assert!(lease(&other, 1, millis(10)).is_empty());
        if store_now(&store, &format!("tick {i}")) > deadline {
            break;
        }
    }
    assert_eq!(settle(&store, &leased, done()), Settled::Applied);
}

/// The store's time, as a new item of another queue tells it.
fn store_now(store: &Nats, key: &str) -> fusebox_queue::Timestamp {
    block_on(store.enqueue(vec![NewItem::new("ticks", key, "")])).expect("kept");
    block_on(store.find("ticks", key)).expect("read").expect("it is there").record.created_at
}

#[test]
fn what_is_retried_is_due_when_its_time_has_come() {
    let server = Server::start();
    let store = open(&server, waived());
    put(&store, "a");
    let first = lease(&store, 1, Duration::from_secs(60)).pop().expect("it is due");
    settle(&store, &first, failed(millis(300)));
    let due_at = block_on(store.find("q", "a")).expect("read").expect("there").record.due_at;
    let second = wait_for_one(&store, Duration::from_secs(60));
    let record = second.view.record;
    assert!(record.lease.expect("leased").until.since(due_at) >= Duration::from_secs(60), "not before");
    assert_eq!((record.attempts, record.needs_check), (2, true));
}

#[test]
fn the_dead_are_in_their_stream_with_their_call_and_their_reason() {
    let server = Server::start();
    let store = open(&server, waived());
    put(&store, "a");
    let leased = lease(&store, 1, Duration::from_secs(60)).pop().expect("it is due");
    let bury = Settlement::Bury { death: Death::Refused, reason: "card\r\nexpired".into() };
    assert_eq!(settle(&store, &leased, bury), Settled::Applied);
    let shown = block_on(store.show(leased.view.id)).expect("read").expect("there");
    assert_eq!((shown.payload, shown.view.record.state), (b"a".to_vec(), State::Dead(Death::Refused)));
    let (queue, dead) = block_on(async {
        let client = async_nats::connect(server.address()).await.expect("connects");
        let context = async_nats::jetstream::new(client);
        let count =
            async |name| context.get_stream(name).await.expect("there").get_info().await.expect("told");
        let dead = context.get_stream("fusebox-dead").await.expect("there");
        let message = dead.get_last_raw_message_by_subject("fusebox.dead.n-q.*.*").await.expect("kept");
        (count("fusebox-queue-n-q").await.state.messages, message)
    });
    assert_eq!((queue, &*dead.payload), (0, &b"a"[..]), "the carrier is gone, the call is not");
    assert_eq!(dead.headers.get("Fusebox-Reason").expect("said").as_str(), "card  expired");
    // It succeeded after all.
    assert_eq!(settle(&store, &leased, done()), Settled::LateSuccess);
    let shown = block_on(store.show(leased.view.id)).expect("read").expect("there");
    assert_eq!((shown.view.record.state, shown.payload), (State::Done, vec![]));
}

#[test]
fn a_key_that_is_forgotten_and_used_again_has_its_new_call() {
    let server = Server::start();
    let clock = fusebox_queue::StoreClock::manual(fusebox_queue::Timestamp(1_700_000_000_000));
    let limits = Limits { provider_window: Duration::from_secs(1), ..Limits::default() };
    let options = Options { clock: Some(clock.clone()), limits, longest_nap: Duration::ZERO, ..waived() };
    let store = open(&server, options);
    let id = match put(&store, "a") {
        Enqueued::Stored(id) => id,
        other => panic!("{other:?}"),
    };
    block_on(store.cancel(id)).expect("told");
    clock.pass(Duration::from_secs(3 * 24 * 3_600));
    assert_eq!(block_on(store.sweep(100)).expect("swept").forgotten, 1);
    // The old carrier is in the stream still.
    let again = block_on(store.enqueue(vec![NewItem::new("q", "a", "another call")])).expect("kept");
    assert!(matches!(again[..], [Enqueued::Stored(same)] if same == id));
    let leased = lease(&store, 9, Duration::from_secs(60));
    assert_eq!(leased.iter().map(|leased| &*leased.payload).collect::<Vec<_>>(), [&b"another call"[..]]);
}

#[test]
fn any_name_is_a_queue_and_any_text_a_key() {
    let server = Server::start();
    let store = open(&server, waived());
    let queues = ["a.b", "a b", "*", ">", "ä", "h-", "n-q", &"x".repeat(255)];
    let key = "k\r\nFusebox-Death: none ä\u{0}";
    for queue in queues {
        let item = NewItem::new(queue, key, queue.as_bytes());
        block_on(store.enqueue(vec![item])).expect(queue);
    }
    for queue in queues {
        let leased = block_on(store.lease(LeaseRequest::of(queue, 9, Duration::from_secs(60)))).expect(queue);
        let [leased] = &leased[..] else { panic!("one item in {queue}: {leased:?}") };
        assert_eq!((&*leased.payload, &*leased.view.key), (queue.as_bytes(), key));
        let bury = Settlement::Bury { death: Death::Refused, reason: "no".into() };
        assert_eq!(settle(&store, leased, bury), Settled::Applied);
        let shown = block_on(store.show(leased.view.id)).expect(queue).expect("there");
        assert_eq!((&*shown.payload, shown.view.queue), (queue.as_bytes(), queue.to_owned()));
    }
}

#[test]
fn what_it_does_not_do_is_refused_by_name() {
    let server = Server::start();
    let store = open(&server, Options { key_ttl: Duration::from_secs(3 * 24 * 3_600), ..waived() });
    let notices = Notices { contact: "c".into(), events: fusebox_queue::Events::ALL, delayed_after: None };
    let refused = |item| block_on(store.enqueue(vec![item])).expect_err("refused").to_string();
    assert!(refused(NewItem { notices: Some(notices), ..NewItem::new("q", "a", "") }).contains("notices"));
    let long = NewItem { expires_in: Duration::from_secs(3 * 24 * 3_600), ..NewItem::new("q", "a", "") };
    assert!(refused(long).contains("expires_in"));
    let audit = block_on(store.audit(1)).expect_err("refused");
    assert_eq!(audit, StoreError::Unsupported { what: "an audit trail" });
    assert_eq!(block_on(store.stats("q")).expect("read").live(), 0);
}

#[test]
fn three_servers_keep_every_write_and_one_of_them_may_go() {
    let routes: Vec<u16> = (0..3).map(|_| server::free_port()).collect();
    let all = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let member = |at: usize| {
        let cluster = format!("nats://127.0.0.1:{}", routes[at]);
        let name = format!("member-{at}");
        let more = ["--cluster_name", "three", "--cluster", &cluster, "--routes", &all, "-n", &name];
        Server::with(&more.map(String::from))
    };
    let mut servers: Vec<_> = (0..3).map(member).collect();
    let options = || Options { replicas: 3, ..Options::default() };
    // They have to find each other, and a leader.
    let store = in_the_end(async || Nats::connect(&servers[0].address(), options()).await);
    assert!(store.capabilities().durable_on_ack);
    assert_eq!(fusebox_queue::Needs::default().check(&store.capabilities()), Ok(()));
    put(&store, "a");
    servers[2].kill();
    // Two are enough, once they have a leader again.
    in_the_end(async || store.enqueue(vec![NewItem::new("q", "b", "b")]).await);
    let mut keys: Vec<_> = (0..2).map(|_| wait_for_one(&store, Duration::from_secs(600)).view.key).collect();
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
}
