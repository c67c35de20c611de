//! Making deferred calls, politely.
//!
//! When a dependency is back, its backlog must not take it down again. So a [`Replay`] asks the dependency's own circuit before
//! every call, begins with little and grows while all goes well ([`Ramp`]), and gives each class its share. Whether a call may be
//! sent at all is decided by [`rules`]: what may have reached the dependency is asked for first, by its key, and what the
//! dependency may have forgotten is never sent blindly.
//!
//! Nothing here keeps time: a [`turn`](Replay::turn) does what may be done now, and whoever drives it turns again, on a timer of its
//! own. With [`Replay::pulse`] it also has that timer wake it in the middle of a turn, to keep the leases of calls that take long.

mod ramp;
pub mod rules;
mod standing;

pub use ramp::{Pace, Ramp};
pub use standing::{Standing, StandingReader};

use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::Token;
use crate::store::{LeaseRequest, Leased, QueueStore, Settled, Settlement};
use futures_util::future::{self, Either};
use futures_util::stream::{self, StreamExt};
use rules::{Checked, Next, Rules, Sent};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a caller's code answers, as a future.
pub type Told<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes a queue's calls: the caller's own code.
pub trait Courier: Send + Sync {
    /// Asks the dependency, by the item's key, what became of it.
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked>;

    /// Makes the call, with the item's key.
    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent>;
}

/// Whether the dependency takes calls: usually its circuit.
pub trait Gate: Send + Sync {
    /// How it stands now.
    fn state(&self) -> GateState;

    /// How many calls a second the dependency takes when it is well, where the gate knows: the ramp's measure from now on.
    fn baseline(&self) -> Option<f64> {
        None
    }

    /// How long until one that is open may let a call through, where it knows.
    fn reopens_in(&self) -> Option<Duration> {
        None
    }
}

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Calls go.
    Closed,
    /// A few go, to find out.
    HalfOpen,
    /// None goes.
    Open,
}

impl GateState {
    /// Its word for operators: `closed`, `probing` or `open`.
    pub fn as_str(self) -> &'static str {
        match self {
            GateState::Closed => "closed",
            GateState::HalfOpen => "probing",
            GateState::Open => "open",
        }
    }
}

impl<F: Fn() -> GateState + Send + Sync> Gate for F {
    fn state(&self) -> GateState {
        self()
    }
}

/// How a queue's calls are made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which queue.
    pub queue: String,
    /// How fast.
    pub pace: Pace,
    /// When a call may be sent.
    pub rules: Rules,
    /// How long items are leased for: twice as long as a call and its check take.
    pub ttl: Duration,
    /// Calls in one turn at most.
    pub most: usize,
    /// The part of the calls that goes to whatever runs out of time first, whatever its class: an item of a low class is made before it
    /// expires, if there is any room at all. Default: 0.1.
    pub urgent: f64,
    /// Each class's part of a turn, as [`Priority::ALL`](fusebox_core::Priority::ALL): the lowest first. Default: 1, 2, 4, 8.
    pub weights: [usize; 4],
    /// How long a failed call waits, at most; half of it at least.
    pub backoff: Duration,
    /// A half-open circuit may be probed with an item: only where sending it twice does no harm.
    pub probes: bool,
    /// Calls at once. Default: 8.
    pub at_once: usize,
}

impl Plan {
    /// The defaults for this queue.
    pub fn of(queue: impl Into<String>) -> Self {
        Plan {
            queue: queue.into(),
            pace: Pace::default(),
            rules: Rules::default(),
            ttl: Duration::from_secs(60),
            most: 100,
            urgent: 0.1,
            weights: [1, 2, 4, 8],
            backoff: Duration::from_secs(60),
            probes: false,
            at_once: 8,
        }
    }
}

/// Makes the calls of one queue.
pub struct Replay<S, C, G> {
    store: S,
    courier: C,
    gate: Arc<G>,
    plan: Plan,
    clock: StoreClock,
    ramp: Arc<Mutex<Ramp>>,
    /// What each class is owed of the turns so far.
    credit: Mutex<[f64; 4]>,
    /// What is owed to those that run out of time first.
    urgent: Mutex<f64>,
    dice: fusebox_core::SharedRng,
    pulse: Option<Pulse>,
}

/// A timer of whoever drives a replay: a future that is ready when the span has passed.
pub type Pulse = Box<dyn Fn(Duration) -> Told<'static, ()> + Send + Sync>;

/// What a turn has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Calls made.
    pub sent: u64,
    /// Calls that were not made because they had been made before.
    pub found: u64,
    /// Items that are done now.
    pub done: u64,
    /// Items given back unsent.
    pub released: u64,
    /// Items that are dead now.
    pub buried: u64,
}

impl<S: QueueStore, C: Courier, G: Gate> Replay<S, C, G> {
    /// A replay of `plan`'s queue. `clock` paces it, `baseline` is how many calls a second the dependency took before.
    pub fn new(
        store: S,
        courier: C,
        gate: G,
        plan: Plan,
        clock: StoreClock,
        baseline: f64,
        rng: fusebox_core::Rng,
    ) -> Self {
        let ramp = Arc::new(Mutex::new(Ramp::new(plan.pace.clone(), baseline, clock.now())));
        let (credit, urgent) = (Mutex::default(), Mutex::default());
        let dice = fusebox_core::SharedRng::new(rng);
        let gate = Arc::new(gate);
        Replay { store, courier, gate, plan, clock, ramp, credit, urgent, dice, pulse: None }
    }

    /// Has the leases of a turn extended while its calls are made, each time this timer has let a third of their span pass. Without it
    /// a call must be over within its lease.
    #[must_use]
    pub fn pulse(self, pulse: Pulse) -> Self {
        Replay { pulse: Some(pulse), ..self }
    }

    /// The store whose calls it makes.
    pub fn store(&self) -> &S {
        &self.store
    }

    fn ramp<T>(&self, look: impl FnOnce(&mut Ramp, Timestamp) -> T) -> T {
        let now = self.clock.now();
        look(&mut self.ramp.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Calls a second that it makes at present.
    pub fn rate(&self) -> f64 {
        self.ramp(|ramp, _| ramp.rate())
    }

    /// Says how it stands, for as long as anybody asks: also while somebody else drives it.
    pub fn reader(&self) -> StandingReader
    where
        G: 'static,
    {
        standing::reader(&self.gate, &self.ramp, self.plan.probes)
    }

    /// Does what may be done now: lets time have its way with the queue, leases as many items as the gate and the ramp allow, makes
    /// their calls, [so many](Plan::at_once) at once, and tells the store. When the gate shuts in the middle, the rest goes back
    /// unsent.
    ///
    /// # Errors
    ///
    /// The store's. What was leased then comes back when its lease has run out, to be checked.
    ///
    /// # Cancel safety
    ///
    /// As with an error.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        self.turn_until(|| false).await
    }

    /// As [`turn`](Self::turn); once `stop` says so, no further call is begun and what was not sent goes back.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    ///
    /// # Cancel safety
    ///
    /// As [`turn`](Self::turn).
    pub async fn turn_until(&self, stop: impl Fn() -> bool + Sync) -> Result<Turn, StoreError> {
        self.store.sweep(self.plan.most).await?;
        if let Some(baseline) = self.gate.baseline() {
            self.ramp(|ramp, _| ramp.rebase(baseline));
        }
        let most = match self.gate.state() {
            GateState::Open => {
                self.ramp(Ramp::stop);
                return Ok(Turn::default());
            }
            GateState::HalfOpen => usize::from(self.plan.probes),
            GateState::Closed => self.ramp(|ramp, now| ramp.allowance(now)).min(self.plan.most),
        };
        if most == 0 || stop() {
            return Ok(Turn::default());
        }
        let leased = self.lease(most).await?;
        self.ramp(|ramp, now| ramp.spend(leased.len(), now));
        let held = Held::of(leased.iter().map(|item| item.token), self.clock.now());
        let calls = stream::iter(leased).map(|item| self.call(item, &held, &stop));
        let mut ended = calls.buffer_unordered(self.plan.at_once.max(1)).ready_chunks(self.plan.most.max(1));
        let mut turn = Turn::default();
        let work = async {
            while let Some(together) = ended.next().await {
                self.tell(together, &held, &mut turn).await?;
            }
            Ok(turn)
        };
        match future::select(pin!(work), pin!(self.keep(&held))).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    /// Makes one leased call, unless its lease was lost before.
    async fn call(&self, item: Leased, held: &Held, stop: &impl Fn() -> bool) -> Option<(Token, Made)> {
        // Those before it took long: its call has a whole lease, or is somebody else's by now.
        if self.clock.now().since(held.since()) >= self.plan.ttl / 2 {
            let extended = self.store.extend(vec![item.token], self.plan.ttl).await;
            if extended.ok()?.first() != Some(&Settled::Applied) {
                held.drop(item.token);
                return None;
            }
        }
        if !held.holds(item.token) {
            return None;
        }
        if stop() {
            return Some((item.token, Made::of(Settlement::Release)));
        }
        Some((item.token, self.make(&item, held.leased_at).await))
    }

    /// Tells the store what came of calls that ended together.
    async fn tell(
        &self,
        together: Vec<Option<(Token, Made)>>,
        held: &Held,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let together: Vec<_> = together.into_iter().flatten().collect();
        for (token, made) in &together {
            held.drop(*token);
            turn.sent += u64::from(made.sent);
            turn.found += u64::from(made.found);
            turn.buried += u64::from(matches!(made.settlement, Settlement::Bury { .. }));
            turn.released += u64::from(made.settlement == Settlement::Release);
        }
        let done: Vec<_> = together.iter().map(|(_, made)| made.is_done()).collect();
        let told = together.into_iter().map(|(token, made)| (token, made.settlement)).collect();
        let settled = self.settle(told).await?;
        let kept = done.iter().zip(settled).filter(|(done, settled)| **done && *settled != Settled::Fenced);
        turn.done += kept.count() as u64;
        Ok(())
    }

    /// Tells the store, and again while it does not answer: what was made is not forgotten because of that.
    async fn settle(&self, told: Vec<(Token, Settlement)>) -> Result<Vec<Settled>, StoreError> {
        let mut settled = self.store.settle(told.clone()).await;
        for _ in 0..TELLS {
            let (Err(_), Some(pulse)) = (&settled, &self.pulse) else { break };
            pulse(self.plan.ttl / TELLS).await;
            settled = self.store.settle(told.clone()).await;
        }
        settled
    }

    /// Keeps the leases of what is under way, for as long as it is polled.
    async fn keep(&self, held: &Held) -> Infallible {
        let Some(pulse) = &self.pulse else { return future::pending().await };
        loop {
            pulse(self.plan.ttl / 3).await;
            let tokens = held.tokens();
            // Where the store does not answer, it is tried again before the leases end.
            if let Ok(extended) = self.store.extend(tokens.clone(), self.plan.ttl).await {
                let lost = tokens.into_iter().zip(extended).filter(|(_, told)| *told == Settled::Fenced);
                lost.for_each(|(token, _)| held.drop(token));
                held.renewed(self.clock.now());
            }
        }
    }

    /// Leases each class's share, and fills up with whatever matters most. What a class was too small a part of one turn for, it has
    /// in a later one.
    async fn lease(&self, most: usize) -> Result<Vec<Leased>, StoreError> {
        let request = LeaseRequest::of(self.plan.queue.clone(), most, self.plan.ttl);
        let mut leased = Vec::new();
        let urgent = self.urgent(most);
        if urgent > 0 {
            leased =
                self.store.lease(LeaseRequest { most: urgent, soonest: true, ..request.clone() }).await?;
        }
        let quota = self.share(most - leased.len());
        let most_by_class = most - leased.len();
        let by_class =
            self.store.lease(LeaseRequest { quota, most: most_by_class, ..request.clone() }).await?;
        self.credit(|credit| {
            by_class.iter().for_each(|item| credit[item.view.record.class as usize] -= 1.0);
        });
        leased.extend(by_class);
        if leased.len() < most {
            let rest = most - leased.len();
            leased.extend(self.store.lease(LeaseRequest { quota: [rest; 4], most: rest, ..request }).await?);
        }
        Ok(leased)
    }

    /// How many of a turn of `most` go to those that run out of time first. What a turn was too small for, a later one has.
    fn urgent(&self, most: usize) -> usize {
        let mut owed = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        *owed = (*owed + most as f64 * self.plan.urgent.clamp(0.0, 1.0)).min(most as f64);
        let now = *owed as usize;
        *owed -= now as f64;
        now
    }

    /// How many of each class a turn of `most` owes.
    fn share(&self, most: usize) -> [usize; 4] {
        let all = self.plan.weights.iter().sum::<usize>().max(1) as f64;
        self.credit(|credit| {
            std::array::from_fn(|class| {
                // A class that has nothing to send saves up no more than a turn.
                let owed = credit[class] + (most * self.plan.weights[class]) as f64 / all;
                credit[class] = owed.min(most.max(1) as f64);
                credit[class] as usize
            })
        })
    }

    fn credit<T>(&self, change: impl FnOnce(&mut [f64; 4]) -> T) -> T {
        change(&mut self.credit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes one call, as far as it may be made.
    async fn make(&self, item: &Leased, leased_at: Timestamp) -> Made {
        if self.gate.state() == GateState::Open {
            return Made::of(Settlement::Release);
        }
        let (backoff, mut found) = (self.backoff(), false);
        let mut next = self.plan.rules.first(item, self.now_of(item, leased_at));
        if next == Next::Check {
            let checked = self.courier.check(item).await;
            found = matches!(checked, Checked::Completed(_));
            next = self.plan.rules.after_check(item, checked, self.now_of(item, leased_at), backoff);
        }
        match next {
            Next::Settle(settlement) => Made { settlement, sent: false, found },
            Next::Check | Next::Send => {
                let began = self.clock.now();
                let sent = self.courier.send(item).await;
                if let Some(good) = sent.is_good() {
                    self.ramp(|ramp, now| ramp.record(good, now.since(began), now));
                }
                Made { settlement: rules::after_send(sent, backoff), sent: true, found }
            }
        }
    }

    /// The store's own time, by which its items run out: what it was when it leased the item, and what has passed since.
    fn now_of(&self, item: &Leased, leased_at: Timestamp) -> Timestamp {
        let passed = self.clock.now().since(leased_at);
        let until = item.view.record.lease.map(|lease| lease.until.since(Timestamp(0)));
        let then = until.map(|until| Timestamp(0).after(until.saturating_sub(self.plan.ttl)));
        then.unwrap_or(leased_at).after(passed)
    }

    /// From half of the plan's backoff to all of it, drawn: a wave that was refused together does not come back together.
    fn backoff(&self) -> Duration {
        let half = self.plan.backoff / 2;
        let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(self.dice.up_to(most.max(1)))
    }
}

/// How often a store that does not answer is told of calls that were made, within a lease.
const TELLS: u32 = 10;

/// What came of one leased call.
struct Made {
    settlement: Settlement,
    sent: bool,
    /// It had been made before.
    found: bool,
}

impl Made {
    fn of(settlement: Settlement) -> Self {
        Made { settlement, sent: false, found: false }
    }

    fn is_done(&self) -> bool {
        matches!(self.settlement, Settlement::Complete { .. })
    }
}

/// The leases of a turn that are not settled yet, and since when they hold.
struct Held {
    leased_at: Timestamp,
    tokens: Mutex<(Vec<Token>, Timestamp)>,
}

impl Held {
    fn of(tokens: impl Iterator<Item = Token>, since: Timestamp) -> Self {
        Held { leased_at: since, tokens: Mutex::new((tokens.collect(), since)) }
    }

    fn with<T>(&self, look: impl FnOnce(&mut (Vec<Token>, Timestamp)) -> T) -> T {
        look(&mut self.tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tokens(&self) -> Vec<Token> {
        self.with(|(tokens, _)| tokens.clone())
    }

    fn holds(&self, token: Token) -> bool {
        self.with(|(tokens, _)| tokens.contains(&token))
    }

    fn since(&self) -> Timestamp {
        self.with(|(_, since)| *since)
    }

    fn drop(&self, token: Token) {
        self.with(|(tokens, _)| tokens.retain(|held| *held != token));
    }

    fn renewed(&self, now: Timestamp) {
        self.with(|(_, since)| *since = now);
    }
}

impl<S, C, G> fmt::Debug for Replay<S, C, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("plan", &self.plan).finish_non_exhaustive()
    }
}
