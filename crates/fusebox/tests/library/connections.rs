//! A pool of connections: never more than there may be, and every place back whatever happens.

use fusebox::{Clock, Connection, ConnectionConfig, ConnectionPool, Error, Reason};
use futures::future::join_all;
use proptest::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Counts those that are open.
#[derive(Clone, Debug, Default)]
struct Server {
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Link(Server, usize);

impl Server {
    fn connect(&self) -> Result<Link, &'static str> {
        self.most.fetch_max(self.open.fetch_add(1, SeqCst) + 1, SeqCst);
        Ok(Link(self.clone(), self.made.fetch_add(1, SeqCst)))
    }

    fn counts(&self) -> (usize, usize, usize) {
        (self.made.load(SeqCst), self.open.load(SeqCst), self.most.load(SeqCst))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

fn few(max_connections: u64, max_queue: u32, max_wait: u64) -> ConnectionConfig {
    ConnectionConfig { max_connections, max_queue, max_wait: ms(max_wait), ..ConnectionConfig::default() }
}

fn pool(config: ConnectionConfig) -> ConnectionPool<Link> {
    ConnectionPool::with_clock("db", config, Clock::tokio()).expect("it works")
}

async fn hold<T>(_: T, millis: u64) {
    let _ = tokio::time::timeout(ms(millis), std::future::pending::<()>()).await;
}

#[tokio::test(start_paused = true)]
async fn calls_share_connections_and_wait_for_one_that_comes_back() {
    let (pool, server) = (pool(few(2, 10, 1_000)), Server::default());
    let call = async || hold(pool.get(async || server.connect()).await.expect("its turn comes"), 10).await;
    join_all((0..6).map(|_| call())).await;
    assert_eq!((server.counts(), pool.idle()), ((2, 2, 2), 2));
    assert_eq!(pool.places().snapshot(fusebox::Time::ZERO).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_refused_by_name() {
    let (pool, server) = (pool(few(1, 1, 50)), Server::default());
    let _out = pool.get(async || server.connect()).await.expect("the first");
    let (waits, full) =
        tokio::join!(pool.get(async || server.connect()), pool.get(async || server.connect()));
    for refused in [waits, full] {
        let Err(Error::Rejected(rejected)) = refused else { panic!("there is one connection") };
        assert_eq!((&*rejected.circuit, rejected.reason), ("db", Reason::ConnectionsFull));
    }
    assert_eq!(server.counts().0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_the_line_or_its_connect_leaves_nothing_behind() {
    let (pool, server) = (pool(few(1, 5, 1_000)), Server::default());
    let out = pool.get(async || server.connect()).await.expect("the first");
    let gone = tokio::time::timeout(ms(10), pool.get(async || server.connect())).await;
    assert!(gone.is_err());
    out.discard();
    let hangs = pool.get(async || std::future::pending::<Result<Link, &str>>().await);
    assert!(tokio::time::timeout(ms(10), hangs).await.is_err(), "it never connects");
    let failed = pool.get(async || Err::<Link, _>("refused")).await;
    assert_eq!(failed.map(drop), Err(Error::Failed("refused")));
    assert!(pool.get(async || server.connect()).await.is_ok(), "the place is free");
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_worn_or_found_bad_is_closed() {
    let server = Server::default();
    let good = Arc::new(AtomicUsize::new(1));
    let check = good.clone();
    let config = ConnectionConfig { max_idle: ms(100), max_lifetime: ms(250), ..few(1, 0, 0) };
    let pool = pool(config).checked(move |_: &mut Link| match check.load(SeqCst) {
        0 => false,
        1 => true,
        _ => panic!("a check that is broken"),
    });
    let made = async || {
        let link = pool.get(async || server.connect()).await.expect("one at a time");
        link.1
    };
    assert_eq!((made().await, made().await), (0, 0), "it is used again");
    tokio::time::advance(ms(100)).await;
    pool.sweep();
    assert_eq!((pool.idle(), made().await), (0, 1), "it rested too long");
    for _ in 0..3 {
        tokio::time::advance(ms(80)).await;
        assert_eq!(made().await, 1);
    }
    tokio::time::advance(ms(80)).await;
    assert_eq!(made().await, 2, "it is too old");
    good.store(0, SeqCst);
    assert_eq!(made().await, 3, "it was found bad");
    good.store(2, SeqCst);
    assert_eq!((made().await, pool.check_panics()), (4, 1), "what cannot be judged is closed");
    let panics = tokio::spawn({
        let (pool, server) = (pool.clone(), server.clone());
        async move {
            let _out = pool.get(async || server.connect()).await;
            panic!("with a connection out")
        }
    });
    assert!(panics.await.is_err());
    assert_eq!((pool.idle(), server.counts().1), (0, 0), "nobody gets it after that");
}

#[test]
fn blocking_callers_stand_in_the_same_line() {
    let pool = ConnectionPool::<Link>::new("db", few(2, 20, 10_000)).expect("it works");
    let server = Server::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    drop(pool.get_blocking(|| server.connect()).expect("its turn comes"));
                }
            });
        }
    });
    let (made, open, most) = server.counts();
    assert!(made <= 2 && most <= 2 && open == pool.idle(), "{:?}", server.counts());
}

#[test]
fn what_can_never_work_is_refused() {
    let wrong = ConnectionPool::<Link>::new("db", few(0, 0, 0)).expect_err("no connection at all");
    assert!(wrong.to_string().starts_with("use max_connections = 0"), "{wrong}");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Ask,
    Poll(usize),
    Leave(usize),
    Return(usize),
    Break(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Ask),
        2 => (0..8usize).prop_map(Act::Poll),
        1 => (0..8usize).prop_map(Act::Leave),
        3 => (0..8usize).prop_map(Act::Return),
        1 => (0..8usize).prop_map(Act::Break),
    ];
    proptest::collection::vec(act, 1..60)
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<Connection<Link>, Error<&'static str>>> + 'a>>;

fn poll(asked: &mut Asked<'_>) -> Poll<Option<Connection<Link>>> {
    asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(Result::ok)
}

proptest! {
    #[test]
    fn whatever_callers_do_there_are_never_more_connections_than_places_and_all_come_back(
        acts in acts(),
        places in 1..4u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _entered = runtime.enter();
        let (pool, server) = (pool(few(places, 3, 60_000)), Server::default());
        let (mut waiting, mut out): (Vec<Asked<'_>>, Vec<Connection<Link>>) = (Vec::new(), Vec::new());
        for act in acts {
            match act {
                Act::Ask => {
                    let mut asked: Asked<'_> = Box::pin(pool.get(async || server.connect()));
                    match poll(&mut asked) {
                        Poll::Ready(came) => out.extend(came),
                        Poll::Pending => waiting.push(asked),
                    }
                }
                Act::Poll(which) if which < waiting.len() => {
                    if let Poll::Ready(came) = poll(&mut waiting[which]) {
                        out.extend(came);
                        drop(waiting.remove(which));
                    }
                }
                Act::Leave(which) if which < waiting.len() => drop(waiting.remove(which)),
                Act::Return(which) if which < out.len() => drop(out.remove(which)),
                Act::Break(which) if which < out.len() => out.remove(which).discard(),
                _ => {}
            }
            prop_assert!(server.counts().2 <= places as usize, "{:?}", server.counts());
        }
        drop((waiting, out));
        let seen = pool.places().snapshot(fusebox::Time::ZERO);
        prop_assert_eq!((seen.in_use, seen.waiting, seen.granted), (0, 0, 0));
        prop_assert_eq!(server.counts().1, pool.idle());
    }
}
