//! A worker on a real server: a sink that hangs, a circuit that opens, poison, and what is told of it.
#![cfg(feature = "nats")]

mod server;

use async_nats::jetstream::{self, Context, stream};
use fusebox_core::breaker::{CircuitBreaker, Config, State};
use fusebox_core::{Failure, Outcome, Rng, Time};
use fusebox_queue::nats::{JetStream, Receipt, Subscription};
use fusebox_queue::replay::{Gate, GateState, Told};
use fusebox_queue::worker::{Handled, Handler, Lane, Message, Plan, Worker};
use server::{Server, runtime};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A dependency with its circuit, on a clock of its own.
struct Sink {
    circuit: CircuitBreaker,
    now: AtomicU64,
    fails: AtomicBool,
    /// Places for calls; none, and every call hangs.
    places: Semaphore,
    handled: Mutex<BTreeMap<String, u64>>,
    calls: AtomicU64,
    has_called: Notify,
}

impl Sink {
    fn new(places: usize) -> Arc<Self> {
        let config = Config { consecutive_failures: Some(3), failure_rate: None, ..Config::default() };
        let settings = config.check(None).expect("it is a circuit");
        Arc::new(Sink {
            circuit: CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO),
            now: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            places: Semaphore::new(places),
            handled: Mutex::default(),
            calls: AtomicU64::new(0),
            has_called: Notify::new(),
        })
    }

    fn now(&self) -> Time {
        Time::from_secs(self.now.load(Relaxed))
    }

    /// Until so many calls were begun.
    async fn calls(&self, calls: u64) {
        while self.calls.load(Relaxed) < calls {
            self.has_called.notified().await;
        }
    }

    fn handled(&self) -> usize {
        self.handled.lock().expect("not poisoned").len()
    }
}

#[derive(Clone)]
struct Door(Arc<Sink>);

impl Gate for Door {
    fn state(&self) -> GateState {
        match self.0.circuit.state(self.0.now()) {
            State::Closed => GateState::Closed,
            State::HalfOpen => GateState::HalfOpen,
            State::Open => GateState::Open,
        }
    }

    fn reopens_in(&self) -> Option<Duration> {
        // The circuit's clock is in the test's hand, and the worker's is not.
        Some(millis(5))
    }
}

impl Handler<Receipt> for Door {
    fn handle<'a>(&'a self, message: &'a Message<Receipt>) -> Told<'a, Handled> {
        Box::pin(async move {
            let (sink, text) = (&self.0, String::from_utf8_lossy(&message.payload).into_owned());
            let Ok(ticket) = sink.circuit.admit(sink.now()) else { return Handled::NotSent(Some(millis(5))) };
            sink.calls.fetch_add(1, Relaxed);
            sink.has_called.notify_waiters();
            sink.has_called.notify_one();
            let _place = sink.places.acquire().await.expect("open");
            let fails = sink.fails.load(Relaxed);
            let outcome = if fails { Outcome::Failure(Failure::Error) } else { Outcome::Success };
            sink.circuit.settle(ticket, outcome, sink.now());
            match &*text {
                _ if fails => Handled::Failed("500".into()),
                "poison" => Handled::Poison("no such account".into()),
                "panics" => panic!("a handler's bug"),
                "fails" => Handled::Failed("always".into()),
                _ => {
                    *sink.handled.lock().expect("not poisoned").entry(text).or_default() += 1;
                    Handled::Done
                }
            }
        })
    }
}

struct World {
    server: Server,
    context: Context,
    sink: Arc<Sink>,
}

type Consumer = Worker<JetStream, Door, Door>;

impl World {
    async fn new(places: usize) -> World {
        let server = Server::start();
        let client = async_nats::connect(server.address()).await.expect("connects");
        let context = jetstream::new(client);
        let kept = |name: &str, retention| stream::Config {
            name: name.into(),
            subjects: vec![format!("{name}.>")],
            retention,
            ..stream::Config::default()
        };
        for config in [
            kept("orders", stream::RetentionPolicy::WorkQueue),
            kept("dead", stream::RetentionPolicy::Limits),
        ] {
            context.create_stream(config).await.expect("made");
        }
        World { server, context, sink: Sink::new(places) }
    }

    async fn send(&self, lane: &str, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            let sending = self.context.publish(format!("orders.{lane}.x"), text.into()).await;
            sending.expect("sent").await.expect("kept");
        }
    }

    async fn worker(&self, plan: Plan) -> Arc<Consumer> {
        let orders = Subscription {
            lanes: vec!["orders.bulk.>".into(), "orders.critical.>".into()],
            ack_wait: millis(500),
            ..Subscription::of("orders", "billing", "dead.orders")
        };
        let client = async_nats::connect(self.server.address()).await.expect("connects");
        let source = JetStream::open(client, orders).await.expect("opens");
        let (handler, gate) = (Door(self.sink.clone()), Door(self.sink.clone()));
        Arc::new(Worker::new(source, handler, gate, plan, Rng::seeded(7)))
    }

    async fn messages(&self, name: &str) -> u64 {
        let stream = self.context.get_stream(name).await.expect("it is there");
        stream.get_info().await.expect("told").state.messages
    }

    /// Asks the server until a stream has so many messages.
    async fn until(&self, name: &str, messages: u64) {
        while self.messages(name).await != messages {}
    }
}

fn plan(bulk: usize, critical: usize) -> Plan {
    let lanes = [Lane::new("bulk", bulk), Lane::new("critical", critical)];
    Plan {
        heartbeat: millis(150),
        idle: millis(5),
        backoff: millis(10),
        longest_backoff: millis(20),
        max_deliveries: 3,
        ..Plan::of(lanes)
    }
}

/// Runs a worker until the second future is done, and then what it has in hand.
async fn run_until<T>(worker: &Arc<Consumer>, done: impl Future<Output = T>) -> T {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = worker.clone();
    let run = runtime().spawn(async move { working.run(async move { drop(stopped.await) }).await });
    let told = done.await;
    drop(stop);
    run.await.expect("no panic");
    told
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("{i}"))
}

#[test]
fn a_sink_that_hangs_holds_no_more_than_the_bulkheads_and_loses_nothing_when_it_is_released() {
    runtime().block_on(async {
        let world = World::new(0).await;
        world.send("bulk", numbered(300)).await;
        world.send("critical", (300..320).map(|i| format!("{i}"))).await;
        let worker = world.worker(plan(8, 4)).await;
        run_until(&worker, async {
            world.sink.calls(12).await;
            // Longer than the server waits for a word of a message, and many looks of the worker.
            while worker.counts().lanes[0].counts.in_progress < 8 * 6 {
                let snapshot = worker.snapshot().await;
                let pending: Vec<_> = snapshot.lanes.iter().map(|lane| lane.pending).collect();
                assert_eq!(pending, [8, 4], "flat, each lane at its own");
                assert_eq!(
                    snapshot.lanes.iter().map(|lane| lane.lag).collect::<Vec<_>>(),
                    [Some(292), Some(16)]
                );
            }
            assert_eq!(world.sink.calls.load(Relaxed), 12, "none was delivered a second time");
            world.sink.places.add_permits(4);
            world.until("orders", 0).await;
        })
        .await;
        let handled = world.sink.handled.lock().expect("not poisoned").clone();
        assert_eq!((handled.len(), handled.values().sum::<u64>()), (320, 320), "all, and each once");
        let counts = worker.counts();
        assert_eq!(
            (counts.pending(), counts.lanes[0].counts.handled, counts.lanes[1].counts.handled),
            (0, 300, 20)
        );
    });
}

#[test]
fn nothing_is_fetched_while_the_circuit_is_open_and_all_is_handled_once_it_has_closed() {
    runtime().block_on(async {
        let world = World::new(100).await;
        world.sink.fails.store(true, Relaxed);
        world.send("bulk", numbered(50)).await;
        let worker = world.worker(Plan { max_deliveries: 1_000, ..plan(4, 4) }).await;
        run_until(&worker, async {
            while Door(world.sink.clone()).state() != GateState::Open {
                tokio::task::yield_now().await;
            }
            // What was in hand or on its way settles; then the worker looks on, and fetches nothing.
            let fetches = || worker.counts().lanes.iter().map(|lane| lane.counts.fetches).sum::<u64>();
            let calls = || world.sink.calls.load(Relaxed);
            let mut seen = (fetches(), calls(), 0);
            while seen.2 < 50 {
                world.messages("orders").await;
                let now = (fetches(), calls());
                seen = if now == (seen.0, seen.1) { (now.0, now.1, seen.2 + 1) } else { (now.0, now.1, 0) };
            }
            assert_eq!(world.messages("orders").await, 50, "nothing is lost");
            assert!(calls() < 12, "{} calls", calls());
            // Its wait is over, and the dependency is well.
            world.sink.fails.store(false, Relaxed);
            world.sink.now.store(3_600, Relaxed);
            world.until("orders", 0).await;
        })
        .await;
        assert_eq!(world.sink.handled(), 50);
        assert_eq!(worker.counts().lanes[0].counts.dead_lettered, 0);
    });
}

#[test]
fn a_lane_with_nothing_to_probe_with_leaves_the_probe_to_another() {
    runtime().block_on(async {
        let world = World::new(100).await;
        let sink = &world.sink;
        for _ in 0..3 {
            let ticket = sink.circuit.admit(sink.now()).expect("closed");
            sink.circuit.settle(ticket, Outcome::Failure(Failure::Error), sink.now());
        }
        sink.now.store(3_600, Relaxed);
        assert_eq!(Door(sink.clone()).state(), GateState::HalfOpen);
        // The other lane is the first to ask.
        world.send("critical", numbered(5)).await;
        let worker = world.worker(plan(4, 4)).await;
        run_until(&worker, world.until("orders", 0)).await;
        assert_eq!((sink.handled(), Door(sink.clone()).state()), (5, GateState::Closed));
    });
}

#[test]
fn poison_ends_with_the_dead_and_everything_else_is_handled() {
    runtime().block_on(async {
        let world = World::new(100).await;
        let texts = ["poison", "fails", "panics"].map(String::from);
        world.send("critical", numbered(5).chain(texts).chain((5..10).map(|i| format!("{i}")))).await;
        let worker = world.worker(plan(1, 2)).await;
        run_until(&worker, world.until("orders", 0)).await;
        assert_eq!((world.sink.handled(), world.messages("dead").await), (10, 3));
        let dead = world.context.get_stream("dead").await.expect("it is there");
        let mut told = BTreeMap::new();
        for place in 1..=3 {
            let message = dead.get_raw_message(place).await.expect("kept");
            let header = |name| message.headers.get(name).expect("said").as_str().to_owned();
            assert_eq!(header("Fusebox-Subject"), "orders.critical.x");
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            told.insert(text, (header("Fusebox-Reason"), header("Fusebox-Deliveries")));
        }
        let entry =
            |text, reason: &str, deliveries: &str| (String::from(text), (reason.into(), deliveries.into()));
        let expected = BTreeMap::from([
            entry("fails", "delivered 3 times: always", "3"),
            entry("panics", "delivered 3 times: its handler panicked", "3"),
            entry("poison", "no such account", "1"),
        ]);
        assert_eq!(told, expected);
        let counts = &worker.counts().lanes[1].counts;
        assert_eq!((counts.handled, counts.dead_lettered, counts.retried), (10, 3, 4));
    });
}

#[test]
fn the_dead_need_a_stream_that_keeps_them_and_without_one_nothing_is_opened() {
    runtime().block_on(async {
        let world = World::new(1).await;
        for dead in ["nowhere.orders", "orders.dead"] {
            let client = async_nats::connect(world.server.address()).await.expect("connects");
            let refused = JetStream::open(client, Subscription::of("orders", "billing", dead)).await;
            let refused = refused.map(drop).expect_err(dead).to_string();
            assert!(refused.contains("dead") && refused.contains(dead), "{refused}");
        }
    });
}
