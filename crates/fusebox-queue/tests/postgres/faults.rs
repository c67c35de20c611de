//! A server that goes away, and one that has no room.

use crate::{RUNTIME, anew, begin, item, live, put};
use fusebox_queue::postgres::sqlx::{self, Executor, PgPool};
use fusebox_queue::postgres::{Options, Postgres};
use fusebox_queue::record::State;
use fusebox_queue::{Enqueued, LeaseRequest, QueueStore, Settlement, StoreError};
use fusebox_testbed::postgres::Server;
use futures_executor::block_on;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::Duration;

enum Told {
    Kept(String),
    Gone,
}

#[test]
fn a_server_that_is_killed_has_all_it_acknowledged_and_the_store_goes_on_once_it_is_back() {
    let mut server = Server::start();
    let options = Options { patience: Duration::from_secs(1), ..Options::default() };
    let store = RUNTIME.block_on(Postgres::connect(&server.url(), options)).expect("connects");
    block_on(store.enqueue(vec![item("done"), item("leased")])).expect("kept");
    let leased = block_on(store.lease(LeaseRequest::of("q", 2, Duration::from_secs(3_600)))).expect("leased");
    let done = Settlement::Complete { result: b"charged".to_vec() };
    block_on(store.settle(vec![(leased[0].token, done)])).expect("told");

    let (tell, told) = channel();
    let over = AtomicBool::new(false);
    let mut kept = Vec::new();
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let (tell, store, over) = (tell.clone(), &store, &over);
            scope.spawn(move || {
                for i in 0.. {
                    if over.load(Relaxed) {
                        break;
                    }
                    let key = format!("{producer}-{i}");
                    let said = match block_on(store.enqueue(vec![item(&key)])) {
                        Ok(told) => {
                            assert!(matches!(told[..], [Enqueued::Stored(_)]), "{told:?}");
                            Told::Kept(key)
                        }
                        Err(StoreError::Unreachable { .. }) => Told::Gone,
                        Err(other) => panic!("{other}"),
                    };
                    if tell.send(said).is_err() {
                        break;
                    }
                }
            });
        }
        let mut until = |what: &str, mut kept_more: usize, mut gone_more: usize| {
            while kept_more > 0 || gone_more > 0 {
                match told.recv_timeout(Duration::from_secs(60)).expect(what) {
                    Told::Kept(key) => {
                        kept.push(key);
                        kept_more = kept_more.saturating_sub(1);
                    }
                    Told::Gone => gone_more = gone_more.saturating_sub(1),
                }
            }
        };
        until("it works", 100, 0);
        server.kill9();
        until("who asks hears that it is out of reach", 0, 4);
        server.restart();
        until("it goes on by itself", 50, 0);
        over.store(true, Relaxed);
        kept.extend(told.try_iter().filter_map(|told| match told {
            Told::Kept(key) => Some(key),
            Told::Gone => None,
        }));
    });

    for key in &kept {
        assert!(
            block_on(store.find("q", key)).expect("read").is_some(),
            "{key} was acknowledged and is gone"
        );
    }
    assert!(kept.len() >= 150);
    let state = |key| block_on(store.find("q", key)).expect("read").expect("there").record.state;
    assert_eq!((state("done"), state("leased")), (State::Done, State::Leased));
}

#[test]
fn a_server_that_is_not_there_is_out_of_reach_at_once_and_why_is_told() {
    RUNTIME.block_on(async {
        let port = fusebox_testbed::free_port();
        let refused = Postgres::connect(&format!("postgres://127.0.0.1:{port}/x"), anew()).await;
        let refused = refused.expect_err("nobody listens");
        assert!(matches!(&refused, StoreError::Unreachable { why } if why.contains("refused")), "{refused}");
    });
}

#[test]
fn a_server_without_room_is_told_of_loses_nothing_and_takes_more_once_there_is() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        put(&store, "before").await;
        let schema = &options.schema;
        let full = format!(
            "CREATE FUNCTION {schema}.no_room() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; \
             CREATE TRIGGER no_room BEFORE INSERT ON {schema}.item EXECUTE FUNCTION {schema}.no_room()"
        );
        pool.execute(&*full).await.expect("made");
        let refused = store.enqueue(vec![item("a")]).await.expect_err("full");
        assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
        let leased = store.lease(LeaseRequest::of("q", 1, Duration::from_secs(60))).await.expect("leased");
        assert_eq!((leased.len(), live(&store).await), (1, 1));
        pool.execute(&*format!("DROP TRIGGER no_room ON {schema}.item")).await.expect("room");
        assert!(matches!(put(&store, "a").await, Enqueued::Stored(_)));
    });
}

/// Ends connections by what `which` says of them, once there is one.
async fn end(pool: &PgPool, which: &str) {
    let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {which}");
    while sqlx::query_scalar::<_, i64>(&end).fetch_one(pool).await.expect("read") == 0 {}
}

#[test]
fn a_connection_that_an_operator_ends_in_the_middle_is_made_again() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let mut transaction = pool.begin().await.expect("begun");
        store.enqueue_in(&mut transaction, vec![item("b")]).await.expect("told");
        // This one waits for the queue, and is ended as it waits.
        let waits = RUNTIME.spawn({
            let store = store.clone();
            async move { store.enqueue(vec![item("c")]).await }
        });
        let me = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *transaction).await;
        let me: i32 = me.expect("read");
        end(&pool, &format!("wait_event_type = 'Lock' AND {me} = ANY(pg_blocking_pids(pid))")).await;
        let refused = waits.await.expect("no panic").expect_err("ended");
        assert!(matches!(refused, StoreError::Unreachable { .. }), "{refused}");
        transaction.commit().await.expect("committed");
        assert!(matches!(put(&store, "c").await, Enqueued::Stored(_)));
        assert_eq!(live(&store).await, 2);
    });
}

#[test]
fn a_bell_whose_connection_is_ended_rings_again() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        let mut bell = store.bell("q").await.expect("listens");
        end(&pool, &format!("query = 'LISTEN \"{}_enqueued\"'", options.schema)).await;
        // What comes before it listens again is not told.
        for tries in 0.. {
            assert!(tries < 100, "it has never rung");
            put(&store, &format!("{tries}")).await;
            if bell.rung(Duration::from_millis(200)).await {
                break;
            }
        }
    });
}

#[test]
fn a_callers_transaction_that_stays_open_keeps_no_call_from_being_settled() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        put(&store, "a").await;
        let leased = store.lease(LeaseRequest::of("q", 1, Duration::from_secs(60))).await.expect("leased");
        let mut open = pool.begin().await.expect("begun");
        store.enqueue_in(&mut open, vec![item("b")]).await.expect("told");
        let done = Settlement::Complete { result: Vec::new() };
        store.settle(vec![(leased[0].token, done)]).await.expect("it does not wait for the transaction");
        assert_eq!(live(&store).await, 0);
        open.commit().await.expect("committed");
        assert_eq!(live(&store).await, 1);
    });
}
