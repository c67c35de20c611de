//! The schema: made once, and left alone where it is not understood.

use crate::{RUNTIME, SERVER, anew, begin, connect, item, live, put};
use fusebox_queue::postgres::sqlx::{self, Executor};
use fusebox_queue::postgres::{Options, Postgres};
use fusebox_queue::{Enqueued, LeaseRequest, QueueStore, StoreError};
use std::time::Duration;

#[test]
fn a_schema_of_a_later_version_is_refused_and_left_as_it_is() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        put(&store, "a").await;
        let later = format!("INSERT INTO {}.migration (version) VALUES (99)", options.schema);
        pool.execute(&*later).await.expect("written");
        let refused = Postgres::connect(&SERVER.url(), options.clone()).await.expect_err("too new");
        assert!(matches!(refused, StoreError::TooNew { found: 99, known: 1, .. }), "{refused}");
        assert!(refused.to_string().contains(&options.schema), "{refused}");
        let versions = format!("SELECT version FROM {}.migration ORDER BY version", options.schema);
        let versions: Vec<i64> = sqlx::query_scalar(&versions).fetch_all(&pool).await.expect("read");
        assert_eq!((versions, live(&store).await), (vec![1, 99], 1));
    });
}

#[test]
fn processes_that_come_at_once_make_a_schema_once() {
    RUNTIME.block_on(async {
        let options = anew();
        let connects: Vec<_> = (0..16)
            .map(|_| {
                let options = options.clone();
                RUNTIME.spawn(async move { connect(&options).await })
            })
            .collect();
        let mut stored = 0;
        for connect in connects {
            let store = connect.await.expect("connected");
            stored += usize::from(matches!(put(&store, "a").await, Enqueued::Stored(_)));
        }
        assert_eq!(stored, 1);
    });
}

#[test]
fn who_may_use_a_schema_need_not_be_one_who_may_make_it() {
    RUNTIME.block_on(async {
        let (options, _, pool) = begin().await;
        let schema = &options.schema;
        let user = format!(
            "CREATE ROLE {schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {schema}; \
             GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {schema}"
        );
        pool.execute(&*user).await.expect("granted");
        let url = SERVER.url().replace("postgres@", &format!("{schema}@"));
        let store = Postgres::connect(&url, options.clone()).await.expect("connects");
        put(&store, "a").await;
        let leased = store.lease(LeaseRequest::of("q", 1, Duration::from_secs(60))).await.expect("leased");
        assert_eq!(leased.len(), 1);
    });
}

#[test]
fn two_schemas_of_a_database_are_two_stores() {
    RUNTIME.block_on(async {
        let (one, two) = (connect(&anew()).await, connect(&anew()).await);
        put(&one, "a").await;
        assert!(two.find("q", "a").await.expect("read").is_none());
        assert_eq!(two.enqueue(vec![item("a")]).await.expect("told").len(), 1);
        assert_eq!((live(&one).await, live(&two).await), (1, 1));
    });
}

#[test]
fn a_schema_whose_name_would_need_quoting_is_refused() {
    RUNTIME.block_on(async {
        let options = Options { schema: "a\"; DROP".into(), ..Options::default() };
        let refused = Postgres::connect(&SERVER.url(), options).await.expect_err("refused");
        assert!(matches!(refused, StoreError::Invalid { field: "schema", .. }), "{refused}");
    });
}

#[test]
fn without_a_runtime_it_says_so() {
    let refused = futures_executor::block_on(Postgres::connect("postgres://127.0.0.1/x", anew()));
    assert!(refused.expect_err("no runtime").to_string().contains("Tokio"));
}

#[test]
fn an_old_transaction_is_seen() {
    RUNTIME.block_on(async {
        let (_, store, pool) = begin().await;
        let mut old = pool.begin().await.expect("begun");
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.expect("set");
        old.execute("SELECT 1").await.expect("read");
        let health = store.health().await.expect("read");
        assert!(health.oldest_snapshot.is_some() && health.held_by.is_some(), "{health:?}");
        assert!(!health.is_held_back(), "it is not old");
    });
}
