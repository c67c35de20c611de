//! Rows that somebody has spoilt, and words that PostgreSQL cannot keep.

use crate::{RUNTIME, begin, item, live, put};
use fusebox_queue::notice::NOTICES;
use fusebox_queue::postgres::sqlx::Executor;
use fusebox_queue::record::{Death, State};
use fusebox_queue::{
    Act, Event, Events, Filter, LeaseRequest, NewItem, Notice, Notices, Order, QueueStore, Settled,
    Settlement, StoreError,
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_item_whose_row_cannot_be_read_is_dead_and_the_others_are_leased() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        let told = Notices { contact: "c".into(), events: Events::of([Event::Dead]), delayed_after: None };
        store
            .enqueue(vec![NewItem { notices: Some(told), ..item("bad") }, item("good")])
            .await
            .expect("kept");
        let spoil = format!("UPDATE {}.item SET attempts = -1 WHERE key = 'bad'", options.schema);
        pool.execute(&*spoil).await.expect("spoilt");

        let all = store.list(Filter::default(), 10).await.expect("read");
        assert_eq!(all[0].record.state, State::Dead(Death::Undecodable), "it is shown, and as what it is");
        let leased = store.lease(LeaseRequest::of("q", 9, MINUTE)).await.expect("leased");
        assert_eq!(leased.iter().map(|leased| &*leased.view.key).collect::<Vec<_>>(), ["good"]);
        let stats = store.stats("q").await.expect("read");
        assert_eq!((stats.live(), stats.bytes(), stats.dead()), (1, 4, 1));
        let bad = store.find("q", "bad").await.expect("read").expect("it is there").record;
        assert!(bad.ended_at.is_some() && bad.reason.is_some_and(|reason| reason.contains("count")));
        let notices = store.lease(LeaseRequest::of(NOTICES, 9, MINUTE)).await.expect("leased");
        let notice: Notice = serde_json::from_slice(&notices[0].payload).expect("a notice");
        assert_eq!((notices.len(), notice.event, &*notice.key), (1, Event::Dead, "bad"));

        let redrive = Order::new(Act::Redrive, Filter::default(), "ann", "");
        assert!(
            store.operate(redrive).await.expect("told").is_empty(),
            "it would be as unreadable as before"
        );
    });
}

#[test]
fn a_lease_that_runs_out_of_an_item_that_cannot_be_read_blocks_no_sweep() {
    RUNTIME.block_on(async {
        let (options, store, pool) = begin().await;
        store.enqueue(vec![item("bad"), item("good")]).await.expect("kept");
        let leased = store.lease(LeaseRequest::of("q", 9, Duration::ZERO)).await.expect("leased");
        let spoil = format!("UPDATE {}.item SET due_at = -5, events = -1 WHERE key = 'bad'", options.schema);
        pool.execute(&*spoil).await.expect("spoilt");
        let cancelled = store.cancel(leased[0].view.id).await.expect("told");
        assert_eq!(cancelled, fusebox_queue::Cancelled::TooLate(State::Dead(Death::Undecodable)));
        let swept = store.sweep(10).await.expect("swept");
        assert_eq!((swept.crashed, live(&store).await), (1, 1));
        let done = Settlement::Complete { result: Vec::new() };
        let settled = leased.iter().map(|leased| (leased.token, done.clone())).collect();
        assert_eq!(store.settle(settled).await.expect("told"), [Settled::Fenced, Settled::LateSuccess]);
    });
}

#[test]
fn a_letter_that_postgres_cannot_keep_is_refused_in_a_name_and_replaced_in_a_reason() {
    RUNTIME.block_on(async {
        let (_, store, _) = begin().await;
        let refused = store.enqueue(vec![item("a\0")]).await.expect_err("refused");
        assert!(matches!(refused, StoreError::Invalid { field: "key", .. }), "{refused}");
        put(&store, "a").await;
        let leased = store.lease(LeaseRequest::of("q", 1, MINUTE)).await.expect("leased").remove(0);
        let reason = "the provider said \0".into();
        let retry = Settlement::Retry { delay: MINUTE, reason, counted: true };
        assert_eq!(store.settle(vec![(leased.token, retry)]).await.expect("told"), [Settled::Applied]);
        let record = store.find("q", "a").await.expect("read").expect("there").record;
        assert_eq!(record.reason.as_deref(), Some("the provider said \u{fffd}"));
    });
}
