//! Items in the caller's own transaction.

use crate::{RUNTIME, SERVER, anew, begin, connect, item, live, put};
use fusebox_queue::postgres::sqlx::{self, Executor, PgPool};
use fusebox_queue::postgres::{Options, Postgres};
use fusebox_queue::record::State;
use fusebox_queue::{Enqueued, Limits, NewItem, QueueStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

#[test]
fn an_item_is_there_with_what_it_was_enqueued_with_or_neither_is() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        let payment = format!("{}.payment", options.schema);
        pool.execute(&*format!("CREATE TABLE {payment} (id text)")).await.expect("made");
        for (key, commit) in [("kept", true), ("not", false)] {
            let mut transaction = pool.begin().await.expect("begun");
            transaction.execute(&*format!("INSERT INTO {payment} VALUES ('{key}')")).await.expect("written");
            let told = store.enqueue_in(&mut transaction, vec![item(key)]).await.expect("told");
            assert!(matches!(told[..], [Enqueued::Stored(_)]));
            assert!(store.find("q", key).await.expect("read").is_none(), "nobody sees it yet");
            match commit {
                true => transaction.commit().await.expect("committed"),
                false => transaction.rollback().await.expect("rolled back"),
            }
        }
        let payments = format!("SELECT id FROM {payment}");
        let payments: Vec<String> = sqlx::query_scalar(&payments).fetch_all(&pool).await.expect("read");
        assert_eq!(payments, ["kept"]);
        assert!(store.find("q", "kept").await.expect("read").is_some());
        assert!(store.find("q", "not").await.expect("read").is_none());
        assert_eq!(live(&store).await, 1, "what was rolled back is not counted");
        assert!(store.capabilities().transactional_enqueue && store.capabilities().durable_on_ack);
    });
}

/// Has 64 transactions enqueue at once, and end as `commits` says; what each that was committed was told.
async fn race(
    store: &Postgres,
    pool: &PgPool,
    items: impl Fn(usize) -> Vec<NewItem>,
    commits: fn(usize) -> bool,
) -> Vec<Enqueued> {
    let start = Arc::new(Barrier::new(64));
    let racers: Vec<_> = (0..64)
        .map(|racer| {
            let (store, pool, start, items) = (store.clone(), pool.clone(), Arc::clone(&start), items(racer));
            RUNTIME.spawn(async move {
                let mut transaction = pool.begin().await.expect("begun");
                start.wait().await;
                let told = store.enqueue_in(&mut transaction, items).await.expect("told");
                match commits(racer) {
                    true => transaction.commit().await.expect("committed"),
                    false => transaction.rollback().await.expect("rolled back"),
                }
                if commits(racer) { told } else { Vec::new() }
            })
        })
        .collect();
    let mut told = Vec::new();
    for racer in racers {
        told.extend(racer.await.expect("no panic"));
    }
    told
}

#[test]
fn of_transactions_that_race_with_one_key_one_that_commits_stores_it() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let told = race(&store, &pool, |_| vec![item("a")], |racer| racer % 2 == 0).await;
        let id = store.find("q", "a").await.expect("read").expect("somebody has committed").id;
        let (stored, rest): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|told| matches!(told, Enqueued::Stored(_)));
        assert_eq!(stored, [Enqueued::Stored(id)]);
        assert_eq!(rest.len(), 31);
        assert!(rest.iter().all(|told| *told == Enqueued::Duplicate { id, state: State::Ready }), "{rest:?}");
        assert_eq!(live(&store).await, 1);
    });
}

#[test]
fn of_transactions_that_race_and_roll_back_nothing_is_left() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        assert!(race(&store, &pool, |_| vec![item("a")], |_| false).await.is_empty());
        assert!(store.find("q", "a").await.expect("read").is_none());
        assert_eq!(live(&store).await, 0);
        assert!(matches!(put(&store, "a").await, Enqueued::Stored(_)));
    });
}

#[test]
fn in_bulk_a_key_that_many_have_is_stored_once_and_another_call_under_it_is_refused() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let items = |racer: usize| {
            let own = item(&format!("own-{racer}"));
            vec![own, item("a"), NewItem::new("q", "a", "another call"), item("a")]
        };
        let told = race(&store, &pool, items, |racer| racer % 2 == 0).await;
        let count = |is: fn(&Enqueued) -> bool| told.iter().filter(|told| is(told)).count();
        assert_eq!(count(|told| matches!(told, Enqueued::Stored(_))), 32 + 1);
        assert_eq!(count(|told| matches!(told, Enqueued::KeyConflict(_))), 32);
        assert_eq!(count(|told| matches!(told, Enqueued::Duplicate { .. })), 32 + 31);
        assert_eq!(live(&store).await, 33);
    });
}

#[test]
fn a_limit_holds_to_the_item_where_half_of_what_races_rolls_back() {
    RUNTIME.block_on(async {
        let (_, _, pool) = begin().await;
        let limits = Limits { max_items: 20, ..Limits::default() };
        let store = connect(&Options { limits, ..anew() }).await;
        let own = |racer: usize| vec![item(&format!("{racer}"))];
        let told = race(&store, &pool, own, |racer| racer % 2 == 0).await;
        let stored = told.iter().filter(|told| matches!(told, Enqueued::Stored(_))).count();
        assert_eq!(live(&store).await, stored as u64);
        assert!(stored <= 20, "{stored}");
        let rest = |racer: usize| vec![item(&format!("rest-{racer}"))];
        let told = race(&store, &pool, rest, |_| true).await;
        let more = told.iter().filter(|told| matches!(told, Enqueued::Stored(_))).count();
        assert_eq!((stored + more, live(&store).await), (20, 20));
    });
}

#[test]
fn what_is_enqueued_while_a_queue_is_taken_is_in_the_next_transaction_together() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        let mut open = pool.begin().await.expect("begun");
        store.enqueue_in(&mut open, vec![item("first")]).await.expect("told");
        let keys = (0..64).map(|i| format!("{}", i % 60));
        let answers: Vec<_> = keys.map(|key| store.enqueue(vec![item(&key), item("first")])).collect();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *open).await;
        wait_for(&pool, pid.expect("read")).await;
        open.commit().await.expect("committed");

        let (mut stored, mut there) = (0, 0);
        for answer in answers {
            let told = answer.await.expect("told");
            stored += told.iter().filter(|told| matches!(told, Enqueued::Stored(_))).count();
            there += told.iter().filter(|told| matches!(told, Enqueued::Duplicate { .. })).count();
        }
        assert_eq!((stored, there, live(&store).await), (60, 64 + 4, 61), "each hears of its own");
        let transactions = format!("SELECT count(DISTINCT xmin::text) FROM {}.item", options.schema);
        let transactions = sqlx::query_scalar::<_, i64>(&transactions).fetch_one(&pool).await.expect("read");
        assert!(transactions < 32, "{transactions} transactions for 64 calls");
    });
}

/// Waits until the store waits for what this server process has locked.
async fn wait_for(pool: &PgPool, process: i32) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'fusebox' \
         AND $1 = ANY(pg_blocking_pids(pid))";
    while sqlx::query_scalar::<_, i64>(waiting).bind(process).fetch_one(pool).await.expect("read") == 0 {}
}

#[test]
fn a_transaction_that_stands_in_anothers_way_is_done_again() {
    RUNTIME.block_on(async {
        let (_, _, pool) = begin().await;
        // The server ends whoever has waited for so long and finds that each waits for the other.
        let url = format!("{}?options=-c%20deadlock_timeout=3s", SERVER.url());
        let options = Options { patience: Duration::from_secs(60), ..anew() };
        let store = Postgres::connect(&url, options).await.expect("connects");
        let of = |queue: &str| NewItem::new(queue, "k", "");

        let mut first = pool.begin().await.expect("begun");
        first.execute("SET LOCAL deadlock_timeout = '1min'").await.expect("set");
        store.enqueue_in(&mut first, vec![of("b")]).await.expect("told");
        let second = RUNTIME.spawn({
            let (store, items) = (store.clone(), vec![of("a"), of("b")]);
            async move { store.enqueue(items).await }
        });
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *first).await;
        wait_for(&pool, pid.expect("read")).await;
        store.enqueue_in(&mut first, vec![of("a")]).await.expect("told, and the other one has been ended");
        first.commit().await.expect("committed");

        let told = second.await.expect("no panic").expect("done again");
        assert!(told.iter().all(|told| matches!(told, Enqueued::Duplicate { .. })), "{told:?}");
    });
}
