//! Calls that are kept while their dependency is down: from blocking and async code, and made when it is back.

#![expect(clippy::disallowed_methods, reason = "a caller's own patience is measured on tokio's clock")]

use fusebox::breaker::{Config, WaitInOpen, WaitStrategy};
use fusebox::queue::record::State;
use fusebox::queue::sqlite::Sqlite;
use fusebox::queue::{
    Checked, Courier, Deferred, Deferrer, Filter, Leased, Limits, Memory, Needs, NewItem, Plan, QueueStore,
    Replay, Sent, Settlement, Stop, StoreClock, StoreError, Told, gate, send, work,
};
use fusebox::{BlockingFuse, Fallbacks, Fuse, Rng, outcome::Source, retry};
use std::collections::HashMap;
use std::io::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn down() -> Result<String, Error> {
    Err(Error::other("connection refused"))
}

fn payment(key: &str) -> NewItem {
    NewItem::new("payments", key, key.as_bytes())
}

fn told(deferred: Deferred) -> String {
    format!("accepted: {}", deferred.is_new)
}

fn in_memory(limits: Limits) -> Deferrer {
    Deferrer::new(Memory::new(limits), &Needs { durable: false, ..Needs::default() }).expect("it is enough")
}

/// Opens after the first failure, and stays open.
fn touchy() -> Config {
    Config { consecutive_failures: Some(1), ..Config::default() }
}

async fn kept(deferrer: &Deferrer, key: &str) -> fusebox::queue::View {
    deferrer.store().find("payments", key).await.expect("read").expect("it is kept")
}

#[tokio::test]
async fn what_was_refused_was_never_sent_and_what_failed_may_have_been_done() {
    let fuse = Fuse::builder("provider").breaker(touchy()).build().expect("it works");
    let deferrer = in_memory(Limits::default());
    let call = async |key: &'static str| {
        let list = Fallbacks::new().queue(&deferrer, move |_| Some(payment(key)), told);
        fuse.run_chain(async || down(), list).await.expect("kept")
    };
    let first = call("tried").await;
    assert_eq!((&*first.value, first.source), ("accepted: true", Source::Deferred { id: 1 }));
    assert_eq!(call("refused").await.source, Source::Deferred { id: 2 });
    assert_eq!(call("refused").await.value, "accepted: false");
    let (tried, refused) = (kept(&deferrer, "tried").await, kept(&deferrer, "refused").await);
    assert_eq!((tried.record.needs_check, refused.record.needs_check), (true, false));
    let counted = deferrer.store().counted();
    assert_eq!((counted.stored, counted.duplicates), (2, 1));
    assert_eq!(fuse.fallbacks().of(fusebox::fallback::Kind::Queue).answered, 3);
}

#[tokio::test]
async fn a_call_whose_retry_was_refused_may_have_been_done_all_the_same() {
    let retries = retry::Config { max_attempts: 2, ..retry::Config::default() };
    let order = fusebox::pipeline::Order::RetryOutside;
    let fuse = Fuse::builder("provider").order(order).breaker(touchy()).retry(retries);
    let (fuse, deferrer, sent) =
        (fuse.build().expect("it works"), in_memory(Limits::default()), AtomicU32::new(0));
    let list = Fallbacks::new().queue(&deferrer, |_| Some(payment("a")), told);
    let op = async || {
        sent.fetch_add(1, Relaxed);
        down()
    };
    fuse.run_chain(op, list).await.expect("kept");
    assert_eq!(sent.into_inner(), 1, "the first attempt opened the circuit");
    assert!(kept(&deferrer, "a").await.record.needs_check);
}

#[tokio::test]
async fn a_call_that_an_alternative_was_tried_for_may_have_been_done() {
    let open = Fuse::builder("provider").breaker(touchy()).build().expect("it works");
    open.run(async || down()).await.expect_err("it opens");
    let other: Fuse = Fuse::builder("other").build().expect("it works");
    let deferrer = in_memory(Limits::default());
    let list =
        Fallbacks::new().alternative(&other, async || down()).queue(&deferrer, |_| Some(payment("a")), told);
    open.run_chain(async || down(), list).await.expect("kept");
    assert!(kept(&deferrer, "a").await.record.needs_check, "the other one may have done it");
}

#[test]
fn blocking_code_defers_too_and_needs_no_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path().join("calls.queue")).expect("opens");
    let deferrer = Deferrer::new(store, &Needs::default()).expect("it is enough");
    let fuse: BlockingFuse = Fuse::builder("provider").build_blocking().expect("it works");
    let list = Fallbacks::new().queue(&deferrer, |_| Some(payment("a")), told);
    let answer = fuse.call_chain(down, list).expect("kept");
    assert_eq!((&*answer.value, answer.source), ("accepted: true", Source::Deferred { id: 1 }));
}

#[tokio::test]
async fn a_call_that_cannot_be_kept_goes_to_the_next_in_the_list() {
    let fuse = Fuse::builder("provider").build().expect("it works");
    let deferrer = in_memory(Limits { max_items: 1, ..Limits::default() });
    let call = async |item: Option<NewItem>| {
        let list = Fallbacks::new().queue(&deferrer, move |_| item, told).or_default(|_| "next".into());
        fuse.run_chain(async || down(), list).await.expect("an answer").value
    };
    assert_eq!(call(None).await, "next", "it cannot wait");
    assert_eq!(call(Some(payment("a"))).await, "accepted: true");
    assert_eq!(call(Some(NewItem::new("payments", "a", "something else"))).await, "next", "another's key");
    assert_eq!(call(Some(payment("b"))).await, "next", "it is full");
    assert_eq!(call(Some(NewItem::new("", "", ""))).await, "next", "no store takes it");
    let counted = deferrer.store().counted();
    assert_eq!((counted.stored, counted.conflicts, counted.full, counted.errors), (1, 1, 1, 1));
}

#[test]
fn a_policy_that_needs_more_than_its_store_has_fails_when_it_is_built() {
    let lacks = Deferrer::new(Memory::new(Limits::default()), &Needs::default()).expect_err("it forgets");
    assert!(lacks.to_string().contains("durable"), "{lacks}");
}

/// A store that has hung.
struct Hung;

macro_rules! never {
    ($($name:ident($($arg:ty),*) -> $answer:ty;)*) => {
        impl QueueStore for Hung {
            fn capabilities(&self) -> fusebox::queue::Capabilities {
                Memory::new(Limits::default()).capabilities()
            }
            $(fn $name(&self $(, _: $arg)*) -> fusebox::queue::Answer<'_, $answer> {
                Box::pin(std::future::pending())
            })*
        }
    };
}

never! {
    enqueue(Vec<NewItem>) -> Vec<fusebox::queue::Enqueued>;
    lease(fusebox::queue::LeaseRequest) -> Vec<Leased>;
    extend(Vec<fusebox::queue::Token>, Duration) -> Vec<fusebox::queue::Settled>;
    settle(Vec<(fusebox::queue::Token, Settlement)>) -> Vec<fusebox::queue::Settled>;
    sweep(usize) -> fusebox::queue::Swept;
    find(&str, &str) -> Option<fusebox::queue::View>;
    show(fusebox::queue::ItemId) -> Option<fusebox::queue::Entry>;
    list(Filter, usize) -> Vec<fusebox::queue::View>;
    cancel(fusebox::queue::ItemId) -> fusebox::queue::Cancelled;
    operate(fusebox::queue::Order) -> Vec<fusebox::queue::ItemId>;
    audit(usize) -> Vec<fusebox::queue::Audited>;
    queues() -> Vec<String>;
    stats(&str) -> fusebox::queue::Stats;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_keeps_no_caller_for_longer_than_its_patience() {
    let fuse = Fuse::builder("provider").build().expect("it works");
    let needs = Needs { durable: false, ..Needs::default() };
    let deferrer = Deferrer::new(Hung, &needs).expect("it promises").patience(Duration::from_secs(1));
    let began = tokio::time::Instant::now();
    let list = Fallbacks::new().queue(&deferrer, |_| Some(payment("a")), told).or_default(|_| "next".into());
    assert_eq!(fuse.run_chain(async || down(), list).await.expect("an answer").value, "next");
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    let deferrer = deferrer.patience(Duration::from_millis(20));
    let blocking: BlockingFuse = Fuse::builder("provider").build_blocking().expect("it works");
    let list = Fallbacks::new().queue(&deferrer, |_| Some(payment("a")), told).or_default(|_| "next".into());
    assert_eq!(blocking.call_chain(down, list).expect("an answer").value, "next");
}

/// A provider that is down, and charges by key when it is not.
#[derive(Clone)]
struct Provider {
    fuse: Fuse,
    up: Arc<AtomicBool>,
    charged: Arc<Mutex<HashMap<String, u32>>>,
}

impl Provider {
    fn charge(&self, key: &str) -> Result<Vec<u8>, Error> {
        if !self.up.load(Relaxed) {
            return Err(Error::other("down"));
        }
        *self.charged.lock().expect("not poisoned").entry(key.into()).or_default() += 1;
        Ok(b"charged".to_vec())
    }
}

impl Courier for Provider {
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked> {
        let charged = self.charged.lock().expect("not poisoned").contains_key(&item.view.key);
        let said = if charged { Checked::Completed(b"charged".to_vec()) } else { Checked::NotFound };
        Box::pin(async { said })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(send(&self.fuse, async || self.charge(&item.view.key)))
    }
}

#[tokio::test]
async fn calls_deferred_in_an_outage_are_made_once_when_it_is_over() {
    let soon = WaitInOpen { strategy: WaitStrategy::Fixed(Duration::from_millis(20)), jitter: 0.0 };
    let config = Config { wait_in_open: soon, ..touchy() };
    let fuse = Fuse::builder("provider").breaker(config).build().expect("it works");
    let (up, charged) = (Arc::default(), Arc::default());
    let provider = Provider { fuse: fuse.clone(), up, charged };
    let store = Memory::new(Limits::default());
    let deferrer = Deferrer::new(store, &Needs { durable: false, ..Needs::default() }).expect("it is enough");
    let keys: Vec<String> = (0..20).map(|i| format!("order-{i}")).collect();
    for key in &keys {
        let list = Fallbacks::new().queue(&deferrer, |_| Some(payment(key)), told);
        let op = async || provider.charge(key).map(|_| String::new());
        assert!(matches!(fuse.run_chain(op, list).await.expect("kept").source, Source::Deferred { .. }));
    }
    let plan = Plan { probes: true, ..Plan::of("payments") };
    let clock = StoreClock::real(Default::default());
    let (store, gate) = (deferrer.store().clone(), gate(fuse.circuit()));
    let replay = Replay::new(store, provider.clone(), gate, plan, clock, 100_000.0, Rng::seeded(1));
    let (stop, troubles) = (Stop::default(), Arc::new(AtomicU32::new(0)));
    let counted = troubles.clone();
    let worker =
        tokio::spawn(work(replay, stop.clone(), move |_: &StoreError| _ = counted.fetch_add(1, Relaxed)));
    provider.up.store(true, Relaxed);
    let all_done = async {
        while deferrer.store().stats("payments").await.expect("read").live() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_done).await.expect("the backlog is worked off");
    stop.now();
    worker.await.expect("no panic");
    let charged = provider.charged.lock().expect("not poisoned").clone();
    assert_eq!(charged.len(), 20);
    assert!(charged.values().all(|times| *times == 1), "{charged:?}");
    assert_eq!(kept(&deferrer, "order-0").await.record.state, State::Done);
    assert_eq!((troubles.load(Relaxed), deferrer.store().counted().completed), (0, 20));
}

#[cfg(feature = "tower")]
mod tower_code {
    use super::*;
    use fusebox::tower::{DeferLayer, FuseLayer};
    use fusebox::{Error as Ended, Failure, Verdict};
    use tower::{Service, ServiceBuilder, ServiceExt};

    type Judge = fn(&Result<String, Error>) -> Verdict;

    /// A service that answers by what it is asked: `up`, `bad request`, or down.
    fn service(
        deferrer: &Deferrer,
        fuse: &Fuse<Judge>,
    ) -> impl Service<&'static str, Response = String, Error = Ended<Error>> + use<> {
        ServiceBuilder::new()
            .layer(DeferLayer::new(deferrer.clone(), fuse, |key: &&str| Some(payment(key)), told))
            .layer(FuseLayer::new(fuse.clone()))
            .service_fn(async |asked: &str| match asked {
                "up" => Ok("live".to_owned()),
                "bad request" => Err(Error::other("no such card")),
                _ => down(),
            })
    }

    fn judge(result: &Result<String, Error>) -> Verdict {
        match result {
            Ok(_) => Verdict::SUCCESS,
            Err(error) if error.to_string().contains("no such card") => Verdict::IGNORED,
            Err(_) => Verdict::failure(Failure::Connect),
        }
    }

    #[tokio::test]
    async fn a_tower_stack_defers_what_failed_and_what_was_refused_and_nothing_else() {
        let fuse = Fuse::builder("provider").breaker(touchy()).classify(judge as Judge);
        let (fuse, deferrer) = (fuse.build().expect("it works"), in_memory(Limits::default()));
        let mut service = service(&deferrer, &fuse);
        assert_eq!(service.ready().await.expect("ready").call("up").await.expect("live"), "live");
        service.ready().await.expect("ready").call("bad request").await.expect_err("the caller's own fault");
        assert_eq!(deferrer.store().counted().stored, 0);
        for key in ["tried", "refused"] {
            assert_eq!(
                service.ready().await.expect("ready").call(key).await.expect("kept"),
                "accepted: true"
            );
        }
        let check = async |key| kept(&deferrer, key).await.record.needs_check;
        assert_eq!((check("tried").await, check("refused").await), (true, false));
    }

    #[tokio::test]
    async fn a_tower_call_that_cannot_be_kept_ends_as_it_would_have() {
        let fuse = Fuse::builder("provider").classify(judge as Judge);
        let (fuse, deferrer) =
            (fuse.build().expect("it works"), in_memory(Limits { max_items: 0, ..Limits::default() }));
        let error = service(&deferrer, &fuse).oneshot("tried").await.expect_err("it is full");
        assert!(matches!(error, Ended::Failed(error) if error.to_string() == "connection refused"));
        assert_eq!(deferrer.store().counted().full, 1);
    }
}
