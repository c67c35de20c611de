//! Replay in virtual time: a backlog before a dependency that has just come back.

use fusebox_core::{Priority, Rng};
use fusebox_queue::record::{Death, State};
use fusebox_queue::replay::rules::{Checked, Sent};
use fusebox_queue::replay::{Courier, Gate, GateState, Plan, Replay, Told};
use fusebox_queue::{Filter, Leased, Limits, Memory, NewItem, QueueStore, StoreClock, Timestamp};
use futures_executor::block_on;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A dependency: what it has done by key, what it answers, and whether its circuit lets calls through.
#[derive(Clone)]
struct Dependency(Arc<Mutex<Inner>>);

struct Inner {
    state: GateState,
    done: HashMap<String, u32>,
    sends: u64,
    checks: u64,
    /// What the next calls come to, before it answers well again: whether it does them, and what it says.
    script: Vec<(bool, Sent)>,
    forgets: bool,
    opens_after: u64,
    /// It cannot be asked.
    unasked: bool,
}

impl Dependency {
    fn new() -> Self {
        let done = HashMap::new();
        let (state, script) = (GateState::Closed, Vec::new());
        Dependency(Arc::new(Mutex::new(Inner {
            state,
            done,
            sends: 0,
            checks: 0,
            script,
            forgets: false,
            opens_after: u64::MAX,
            unasked: false,
        })))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().expect("not poisoned"))
    }
}

impl Gate for Dependency {
    fn state(&self) -> GateState {
        self.with(|inner| inner.state)
    }
}

impl Courier for Dependency {
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked> {
        let checked = self.with(|inner| {
            inner.checks += 1;
            if inner.unasked {
                return Checked::Unasked;
            }
            match inner.done.contains_key(&item.view.key) && !inner.forgets {
                true => Checked::Completed(b"found".to_vec()),
                false => Checked::NotFound,
            }
        });
        Box::pin(async move { checked })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        let sent = self.with(|inner| {
            inner.sends += 1;
            if inner.sends >= inner.opens_after {
                inner.state = GateState::Open;
            }
            let (does, says) = inner.script.pop().unwrap_or((true, Sent::Done(b"ok".to_vec())));
            if does {
                *inner.done.entry(item.view.key.clone()).or_default() += 1;
            }
            says
        });
        Box::pin(async move { sent })
    }
}

struct World {
    store: Memory,
    clock: StoreClock,
    dependency: Dependency,
    replay: Replay<Memory, Dependency, Dependency>,
}

fn world(baseline: f64) -> World {
    let (clock, dependency) = (StoreClock::manual(BEGIN), Dependency::new());
    let store = Memory::with_clock(Limits::default(), clock.clone());
    let (courier, gate) = (dependency.clone(), dependency.clone());
    let replay =
        Replay::new(store.clone(), courier, gate, Plan::of("q"), clock.clone(), baseline, Rng::seeded(1));
    World { store, clock, dependency, replay }
}

impl World {
    fn put(&self, items: impl IntoIterator<Item = NewItem>) {
        block_on(self.store.enqueue(items.into_iter().collect())).expect("kept");
    }

    fn turn(&self) -> fusebox_queue::replay::Turn {
        block_on(self.replay.turn()).expect("the store works")
    }

    /// Turns each 200 ms for so long.
    fn run(&self, span: Duration) {
        for _ in 0..span.as_millis() / 200 {
            self.turn();
            self.clock.pass(Duration::from_millis(200));
        }
    }

    fn state(&self, key: &str) -> State {
        block_on(self.store.find("q", key)).expect("read").expect("there").record.state
    }
}

fn items(count: usize) -> impl Iterator<Item = NewItem> {
    (0..count).map(|i| NewItem::new("q", format!("{i}"), "pay"))
}

#[test]
fn a_backlog_comes_back_slowly_and_whole() {
    let world = world(100.0);
    world.put(items(1_500));
    world.run(secs(1));
    assert!(world.dependency.with(|inner| inner.sends) <= 2, "a hundredth in the first second");
    world.run(secs(120));
    let (sends, twice) =
        world.dependency.with(|inner| (inner.sends, inner.done.values().any(|times| *times > 1)));
    assert_eq!((sends, twice), (1_500, false));
    assert_eq!(block_on(world.store.stats("q")).expect("read").live(), 0);
}

#[test]
fn an_open_circuit_gets_nothing_and_no_attempt_is_burnt() {
    let world = world(1_000.0);
    world.put(items(50));
    world.dependency.with(|inner| inner.state = GateState::Open);
    world.run(secs(60));
    assert_eq!(world.dependency.with(|inner| inner.sends), 0);
    world.dependency.with(|inner| inner.state = GateState::HalfOpen);
    world.run(secs(10));
    assert_eq!(
        world.dependency.with(|inner| inner.sends),
        0,
        "probes are live traffic's, unless the plan says otherwise"
    );
    let all = block_on(world.store.list(Filter::default(), 100)).expect("read");
    assert!(all.iter().all(|view| view.record.attempts == 0 && view.record.first_attempt_at.is_none()));
}

#[test]
fn when_the_circuit_opens_in_the_middle_the_rest_goes_back_unsent() {
    let world = world(100_000.0);
    world.put(items(80));
    world.dependency.with(|inner| inner.opens_after = 3);
    world.clock.pass(secs(1));
    let turn = world.turn();
    assert_eq!((turn.sent, turn.done, turn.released), (3, 3, 77));
    let unsent =
        block_on(world.store.list(Filter { state: Some("ready"), ..Filter::default() }, 100)).expect("read");
    assert!(unsent.len() == 77 && unsent.iter().all(|view| view.record.attempts == 0));
}

#[test]
fn a_call_that_succeeded_and_whose_answer_was_lost_is_not_made_twice() {
    let world = world(1_000.0);
    world.put(items(1));
    world.dependency.with(|inner| inner.script = vec![(true, Sent::Failed("timed out".into()))]);
    world.run(secs(180));
    let (sends, checks, times) = world.dependency.with(|inner| (inner.sends, inner.checks, inner.done["0"]));
    assert_eq!((sends, checks, times), (1, 1, 1));
    assert_eq!(world.state("0"), State::Done);
}

#[test]
fn a_call_that_failed_is_asked_for_and_then_made_again() {
    let world = world(1_000.0);
    world.put(items(1));
    world.dependency.with(|inner| inner.script = vec![(false, Sent::Failed("500".into()))]);
    world.run(secs(180));
    assert_eq!(world.dependency.with(|inner| (inner.sends, inner.checks)), (2, 1));
    assert_eq!(world.state("0"), State::Done);
}

#[test]
fn after_the_provider_s_window_nothing_is_sent_blindly() {
    let world = world(1_000.0);
    world.put([NewItem { expires_in: secs(72 * 3_600), ..NewItem::new("q", "0", "pay") }]);
    world.dependency.with(|inner| {
        inner.script = vec![(true, Sent::Failed("timed out".into()))];
        inner.forgets = true;
    });
    world.turn();
    world.clock.pass(secs(23 * 3_600));
    world.run(secs(2));
    assert_eq!(world.dependency.with(|inner| (inner.sends, inner.checks)), (1, 1));
    assert_eq!(world.state("0"), State::Dead(Death::WindowPassed));
}

#[test]
fn an_old_item_that_was_never_attempted_is_sent() {
    let world = world(1_000.0);
    world.put([NewItem { expires_in: secs(72 * 3_600), ..NewItem::new("q", "0", "pay") }]);
    world.clock.pass(secs(30 * 3_600));
    world.turn();
    assert_eq!(world.state("0"), State::Done);
}

#[test]
fn what_would_end_after_it_expires_is_not_sent() {
    let world = world(1_000.0);
    world.put([NewItem { expires_in: secs(15), ..NewItem::new("q", "0", "pay") }]);
    world.clock.pass(secs(6));
    world.turn();
    assert_eq!(world.dependency.with(|inner| inner.sends), 0, "nine seconds are left, a call may take ten");
    world.clock.pass(secs(10));
    world.turn();
    assert_eq!(world.state("0"), State::Expired);
}

#[test]
fn the_lowest_class_has_its_share_while_the_highest_never_ends() {
    let world = world(300.0);
    let of = |class, name: &str, count: usize| {
        (0..count)
            .map(|i| NewItem { class, ..NewItem::new("q", format!("{name}-{i}"), "") })
            .collect::<Vec<_>>()
    };
    world.put(of(Priority::Low, "low", 400));
    for round in 0..30 {
        world.put(of(Priority::Critical, &format!("{round}"), 100));
        world.run(secs(1));
    }
    let (low, all) = world.dependency.with(|inner| {
        let low = inner.done.keys().filter(|key| key.starts_with("low")).count();
        (low, inner.done.len())
    });
    assert!(
        all > 250 && low * 20 >= all && low * 5 <= all,
        "{low} of {all}: a fifteenth is its share, and a tenth is for what runs out first"
    );
}

#[test]
fn what_nobody_can_read_and_what_is_refused_for_good_is_dead_at_once() {
    let world = world(1_000.0);
    world.put(items(2));
    world.dependency.with(|inner| {
        inner.script = vec![
            (false, Sent::Undecodable("not JSON".into())),
            (false, Sent::Refused("card expired".into())),
        ];
    });
    world.run(secs(2));
    let mut states = [world.state("0"), world.state("1")];
    states.sort_by_key(|state| format!("{state:?}"));
    assert_eq!(states, [State::Dead(Death::Refused), State::Dead(Death::Undecodable)]);
}

/// A courier whose calls are over when somebody has let them go, and who counts how many are under way.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<(usize, usize, bool)>>);

impl Slow {
    fn with<T>(&self, look: impl FnOnce(&mut (usize, usize, bool)) -> T) -> T {
        look(&mut self.0.lock().expect("not poisoned"))
    }
}

impl Courier for Slow {
    fn check<'a>(&'a self, _: &'a Leased) -> Told<'a, Checked> {
        Box::pin(async { Checked::NotFound })
    }

    fn send<'a>(&'a self, _: &'a Leased) -> Told<'a, Sent> {
        self.with(|(under_way, most, _)| {
            *under_way += 1;
            *most = (*most).max(*under_way);
        });
        Box::pin(std::future::poll_fn(|cx| {
            self.with(|(under_way, _, released)| match released {
                true => {
                    *under_way -= 1;
                    Poll::Ready(Sent::Done(vec![]))
                }
                false => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            })
        }))
    }
}

/// Lets others have their turn.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn always() -> GateState {
    GateState::Closed
}

#[test]
fn a_call_that_takes_long_keeps_its_lease_while_others_go_on() {
    let clock = StoreClock::manual(BEGIN);
    let (store, slow) = (Memory::with_clock(Limits::default(), clock.clone()), Slow::default());
    block_on(store.enqueue((0..5).map(|i| NewItem::new("q", format!("{i}"), "")).collect())).expect("kept");
    let plan = Plan { at_once: 3, ..Plan::of("q") };
    let replay =
        Replay::new(store.clone(), slow.clone(), always, plan, clock.clone(), 10_000.0, Rng::seeded(1));
    clock.pass(secs(1));
    let beats = Arc::new(Mutex::new(0));
    let replay = replay.pulse(Box::new(move |span| {
        let (store, clock, slow, beats) = (store.clone(), clock.clone(), slow.clone(), beats.clone());
        Box::pin(async move {
            yield_once().await;
            // Between two extensions a third of the lease passes, and another worker finds nothing to take.
            clock.pass(span);
            assert_eq!(store.sweep(100).await.expect("swept").crashed, 0);
            let other = store.lease(fusebox_queue::LeaseRequest::of("q", 9, secs(30))).await;
            assert!(other.expect("told").is_empty());
            let mut beats = beats.lock().expect("not poisoned");
            *beats += 1;
            slow.with(|(.., released)| *released = *beats >= 30);
        })
    }));
    let turn = block_on(replay.turn()).expect("the store works");
    assert_eq!((turn.sent, turn.done), (5, 5), "ten times as long as a lease");
    assert_eq!(block_on(replay.store().stats("q")).expect("read").live(), 0);
}

#[test]
fn so_many_calls_are_under_way_at_once_and_no_more() {
    let clock = StoreClock::manual(BEGIN);
    let (store, slow) = (Memory::with_clock(Limits::default(), clock.clone()), Slow::default());
    block_on(store.enqueue((0..9).map(|i| NewItem::new("q", format!("{i}"), "")).collect())).expect("kept");
    let plan = Plan { at_once: 3, ..Plan::of("q") };
    let replay = Replay::new(store, slow.clone(), always, plan, clock.clone(), 10_000.0, Rng::seeded(1));
    let opens = slow.clone();
    let replay = replay.pulse(Box::new(move |_| {
        opens.with(|(.., released)| *released = true);
        Box::pin(std::future::pending())
    }));
    clock.pass(secs(1));
    assert_eq!(block_on(replay.turn()).expect("the store works").done, 9);
    assert_eq!(slow.with(|(_, most, _)| *most), 3);
}

#[test]
fn whoever_stops_gives_back_what_was_never_sent() {
    let world = world(10_000.0);
    world.put((0..20).map(|i| NewItem::new("q", format!("{i}"), "")));
    world.clock.pass(secs(1));
    let sent = || world.dependency.with(|inner| inner.sends) >= 8;
    let turn = block_on(world.replay.turn_until(sent)).expect("the store works");
    assert_eq!((turn.sent, turn.released), (8, 12));
    let untouched = |view: &fusebox_queue::View| view.record.attempts == 0 && !view.record.needs_check;
    let left = block_on(world.store.list(Filter { state: Some("ready"), ..Filter::default() }, 99));
    assert!(left.expect("read").iter().all(untouched));
}

#[test]
fn a_low_class_is_not_starved_into_expiry_by_one_that_never_ends() {
    let world = world(20.0);
    let name = |i| NewItem::new("q", format!("low-{i}"), "");
    world.put((0..60).map(|i| NewItem { class: Priority::Low, expires_in: secs(240), ..name(i) }));
    for minute in 0..4 {
        // More of the highest class than there is room for.
        let name = |i| NewItem::new("q", format!("{minute}-{i}"), "");
        world.put((0..400).map(|i| NewItem { class: Priority::Critical, ..name(i) }));
        world.run(secs(60));
    }
    let of = |state| {
        let filter = Filter { state: Some(state), class: Some(Priority::Low), ..Filter::default() };
        block_on(world.store.list(filter, 1_000)).expect("read").len()
    };
    assert_eq!((of("expired"), of("done")), (0, 60));
    let stats = block_on(world.store.stats("q")).expect("read");
    assert!(
        stats.classes[Priority::Critical as usize].live > 0,
        "there was more of the highest than was made"
    );
}

#[test]
fn what_cannot_be_asked_for_and_ran_out_of_time_is_for_a_person() {
    let world = world(1_000.0);
    world.put([NewItem { needs_check: true, expires_in: secs(60), ..NewItem::new("q", "0", "") }]);
    world.dependency.with(|inner| inner.unasked = true);
    world.clock.pass(secs(120));
    world.turn();
    assert_eq!(world.state("0"), State::Dead(Death::Unresolved));
    assert_eq!(world.dependency.with(|inner| inner.sends), 0);
}

#[test]
fn the_window_of_what_was_sent_before_it_was_kept_begins_when_it_is_kept() {
    let world = world(1_000.0);
    world.put([NewItem { needs_check: true, expires_in: secs(48 * 3_600), ..NewItem::new("q", "0", "") }]);
    world.clock.pass(secs(23 * 3_600 + 1));
    world.turn();
    assert_eq!(world.state("0"), State::Dead(Death::WindowPassed), "though it was never leased before");
}

#[test]
fn a_replay_tells_its_gate_and_the_rate_in_force_while_somebody_else_drives_it() {
    let (dependency, clock) = (Dependency::new(), StoreClock::manual(BEGIN));
    let plan = |probes| Plan { probes, ..Plan::of("payments") };
    for probes in [true, false] {
        let store = Memory::new(Limits::default());
        let (courier, gate) = (dependency.clone(), dependency.clone());
        let replay = Replay::new(store, courier, gate, plan(probes), clock.clone(), 1_000.0, Rng::seeded(1));
        let reader = replay.reader();
        for (state, word, rate) in [
            (GateState::Closed, "closed", 10.0),
            (GateState::HalfOpen, "probing", if probes { 10.0 } else { 0.0 }),
            (GateState::Open, "open", 0.0),
        ] {
            dependency.with(|inner| inner.state = state);
            let stands = reader();
            assert_eq!((stands.gate.as_str(), stands.rate, stands.ceiling), (word, rate, 300.0), "{probes}");
        }
    }
}
