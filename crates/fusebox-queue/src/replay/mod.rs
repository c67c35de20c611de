//! Making deferred calls, politely.
//!
//! When a dependency is back, its backlog must not take it down again. So a [`Replay`] asks the dependency's own circuit before
//! every call, begins with little and grows while all goes well ([`Ramp`]), and gives each class its share. Whether a call may be
//! sent at all is decided by [`rules`]: what may have reached the dependency is asked for first, by its key, and what the
//! dependency may have forgotten is never sent blindly.
//!
//! Nothing here waits: a [`turn`](Replay::turn) does what may be done now. Whoever drives it turns again, on a timer of its own.

mod ramp;
pub mod rules;

pub use ramp::{Pace, Ramp};

use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::Token;
use crate::store::{LeaseRequest, Leased, QueueStore, Settled, Settlement};
use rules::{Checked, Next, Rules, Sent};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
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
    /// Each class's part of a turn, as [`Priority::ALL`](fusebox_core::Priority::ALL): the lowest first. Default: 1, 2, 4, 8.
    pub weights: [usize; 4],
    /// How long a failed call waits, at most; half of it at least.
    pub backoff: Duration,
    /// A half-open circuit may be probed with an item: only where sending it twice does no harm.
    pub probes: bool,
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
            weights: [1, 2, 4, 8],
            backoff: Duration::from_secs(60),
            probes: false,
        }
    }
}

/// Makes the calls of one queue.
#[derive(Debug)]
pub struct Replay<S, C, G> {
    store: S,
    courier: C,
    gate: G,
    plan: Plan,
    clock: StoreClock,
    ramp: Mutex<Ramp>,
    /// What each class is owed of the turns so far.
    credit: Mutex<[f64; 4]>,
    dice: fusebox_core::SharedRng,
}

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
        let ramp = Mutex::new(Ramp::new(plan.pace.clone(), baseline, clock.now()));
        let credit = Mutex::default();
        Replay { store, courier, gate, plan, clock, ramp, credit, dice: fusebox_core::SharedRng::new(rng) }
    }

    fn ramp<T>(&self, look: impl FnOnce(&mut Ramp, Timestamp) -> T) -> T {
        let now = self.clock.now();
        look(&mut self.ramp.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Calls a second that it makes at present.
    pub fn rate(&self) -> f64 {
        self.ramp(|ramp, _| ramp.rate())
    }

    /// Does what may be done now: lets time have its way with the queue, leases as many items as the gate and the ramp allow, makes
    /// their calls one after the other, and tells the store. When the gate shuts in the middle, the rest goes back unsent.
    ///
    /// # Errors
    ///
    /// The store's. What was leased then comes back when its lease has run out, to be checked.
    ///
    /// # Cancel safety
    ///
    /// As with an error.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        self.store.sweep(self.plan.most).await?;
        let most = match self.gate.state() {
            GateState::Open => {
                self.ramp(Ramp::stop);
                return Ok(Turn::default());
            }
            GateState::HalfOpen => usize::from(self.plan.probes),
            GateState::Closed => self.ramp(|ramp, now| ramp.allowance(now)).min(self.plan.most),
        };
        if most == 0 {
            return Ok(Turn::default());
        }
        let leased = self.lease(most).await?;
        self.ramp(|ramp, now| ramp.spend(leased.len(), now));
        let (mut turn, leased_at) = (Turn::default(), self.clock.now());
        for item in leased {
            // Those before it took long: its call has a whole lease, or is somebody else's by now.
            if self.clock.now().since(leased_at) >= self.plan.ttl / 2 {
                let extended = self.store.extend(vec![item.token], self.plan.ttl).await?;
                if extended.first() != Some(&Settled::Applied) {
                    continue;
                }
            }
            let settlement = self.make(&item, &mut turn).await;
            let done = matches!(settlement, Settlement::Complete { .. });
            turn.buried += u64::from(matches!(settlement, Settlement::Bury { .. }));
            turn.released += u64::from(settlement == Settlement::Release);
            let settled = self.settle(item.token, settlement).await?;
            turn.done += u64::from(done && settled != Settled::Fenced);
        }
        Ok(turn)
    }

    /// Leases each class's share, and fills up with whatever matters most. What a class was too small a part of one turn for, it has
    /// in a later one.
    async fn lease(&self, most: usize) -> Result<Vec<Leased>, StoreError> {
        let request = LeaseRequest::of(self.plan.queue.clone(), most, self.plan.ttl);
        let quota = self.share(most);
        let mut leased = self.store.lease(LeaseRequest { quota, ..request.clone() }).await?;
        self.credit(|credit| {
            leased.iter().for_each(|item| credit[item.view.record.class as usize] -= 1.0);
        });
        if leased.len() < most {
            let rest = most - leased.len();
            leased.extend(self.store.lease(LeaseRequest { quota: [rest; 4], most: rest, ..request }).await?);
        }
        Ok(leased)
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

    async fn settle(&self, token: Token, settlement: Settlement) -> Result<Settled, StoreError> {
        let settled = self.store.settle(vec![(token, settlement)]).await?;
        Ok(settled.first().copied().unwrap_or(Settled::Fenced))
    }

    /// Makes one call, as far as it may be made.
    async fn make(&self, item: &Leased, turn: &mut Turn) -> Settlement {
        if self.gate.state() == GateState::Open {
            return Settlement::Release;
        }
        let backoff = self.backoff();
        let mut next = self.plan.rules.first(item, self.clock.now());
        if next == Next::Check {
            let checked = self.courier.check(item).await;
            turn.found += u64::from(matches!(checked, Checked::Completed(_)));
            next = self.plan.rules.after_check(item, checked, self.clock.now(), backoff);
        }
        match next {
            Next::Settle(settlement) => settlement,
            Next::Check | Next::Send => {
                let began = self.clock.now();
                turn.sent += 1;
                let sent = self.courier.send(item).await;
                if let Some(good) = sent.is_good() {
                    self.ramp(|ramp, now| ramp.record(good, now.since(began), now));
                }
                rules::after_send(sent, backoff)
            }
        }
    }

    /// From half of the plan's backoff to all of it, drawn: a wave that was refused together does not come back together.
    fn backoff(&self) -> Duration {
        let half = self.plan.backoff / 2;
        let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(self.dice.up_to(most.max(1)))
    }
}
