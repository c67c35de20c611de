//! Fetching, handling, and telling the source.

use super::count::{Counters, LaneSnapshot, Snapshot, one};
use super::flow::{Flow, Handled, Plan, Verdict};
use super::timer::pause;
use super::{Handler, Message, Source};
use crate::error::StoreError;
use crate::replay::{Gate, GateState, Told};
use fusebox_core::{Rng, SharedRng};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Handles a source's messages behind a gate.
#[derive(Debug)]
pub struct Worker<S, H, G> {
    source: S,
    handler: H,
    gate: G,
    plan: Plan,
    flow: Mutex<Flow>,
    counters: Vec<Counters>,
    dice: SharedRng,
    is_stopping: AtomicBool,
}

/// Something that a run waited for.
enum Step<R> {
    Fetched { lane: usize, asked: usize, messages: Result<Vec<Message<R>>, StoreError> },
    Settled { lane: usize },
    Waited { lane: usize },
}

type Steps<'a, R> = FuturesUnordered<Told<'a, Step<R>>>;

impl<S: Source, H: Handler<S::Receipt>, G: Gate> Worker<S, H, G> {
    /// A worker on `plan`.
    pub fn new(source: S, handler: H, gate: G, plan: Plan, rng: Rng) -> Self {
        let counters = plan.lanes.iter().map(|_| Counters::default()).collect();
        let (flow, dice) = (Mutex::new(Flow::new(plan.clone())), SharedRng::new(rng));
        Worker { source, handler, gate, plan, flow, counters, dice, is_stopping: AtomicBool::new(false) }
    }

    fn flow<T>(&self, look: impl FnOnce(&mut Flow) -> T) -> T {
        look(&mut self.flow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works until `stop` is ready, and then until what is in hand is settled: calls under way end, what waits in hand goes back.
    /// One run at a time. On Tokio.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the calls under way; their messages are delivered again once the source has waited for a word of them.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        self.is_stopping.store(false, Relaxed);
        let mut stop = pin!(stop.fuse());
        let mut steps = Steps::new();
        let mut full = vec![false; self.plan.lanes.len()];
        (0..full.len()).for_each(|lane| full[lane] = !self.look(lane, &mut steps));
        loop {
            let step = match select(steps.next(), stop.as_mut()).await {
                Either::Left((Some(step), _)) => step,
                Either::Left((None, _)) => return,
                Either::Right(_) => {
                    self.is_stopping.store(true, Relaxed);
                    break;
                }
            };
            self.after(step, &mut full, &mut steps);
        }
        while let Some(step) = steps.next().await {
            self.after(step, &mut full, &mut steps);
        }
    }

    fn after<'a>(&'a self, step: Step<S::Receipt>, full: &mut [bool], steps: &mut Steps<'a, S::Receipt>) {
        match step {
            Step::Fetched { lane, asked, messages } => {
                let messages = messages.unwrap_or_else(|_| {
                    one(&self.counters[lane].errors);
                    Vec::new()
                });
                self.flow(|flow| flow.give(lane, asked.saturating_sub(messages.len())));
                self.counters[lane].fetched.fetch_add(messages.len() as u64, Relaxed);
                let is_empty = messages.is_empty();
                steps.extend(messages.into_iter().map(|message| self.settled(lane, message)));
                match is_empty {
                    true => self.wait(lane, self.plan.idle, steps),
                    false => full[lane] = !self.look(lane, steps),
                }
                // It has given places back that others may have wanted.
                self.look_again(full, steps);
            }
            Step::Settled { lane } => {
                self.flow(|flow| flow.give(lane, 1));
                self.look_again(full, steps);
            }
            Step::Waited { lane } => full[lane] = !self.look(lane, steps),
        }
    }

    /// Has the lanes look that found no room.
    fn look_again<'a>(&'a self, full: &mut [bool], steps: &mut Steps<'a, S::Receipt>) {
        for (lane, full) in full.iter_mut().enumerate().filter(|(_, full)| **full) {
            *full = !self.look(lane, steps);
        }
    }

    /// Asks the source for as much as there is room for, or waits for the gate; not, if it is to look again once a message is settled.
    fn look<'a>(&'a self, lane: usize, steps: &mut Steps<'a, S::Receipt>) -> bool {
        if self.is_stopping.load(Relaxed) {
            return true;
        }
        let gate = self.gate.state();
        if gate == GateState::Open {
            self.wait(lane, self.gate.reopens_in().unwrap_or(self.plan.idle), steps);
            return true;
        }
        let asked = self.flow(|flow| flow.take(lane, gate));
        if asked > 0 {
            one(&self.counters[lane].fetches);
            steps.push(Box::pin(async move {
                Step::Fetched { lane, asked, messages: self.source.fetch(lane, asked).await }
            }));
        }
        asked > 0
    }

    fn wait<'a>(&'a self, lane: usize, span: Duration, steps: &mut Steps<'a, S::Receipt>) {
        // Not at all would be to ask all the time.
        let span = span.max(Duration::from_millis(1));
        steps.push(Box::pin(async move {
            self.pause(span).await;
            Step::Waited { lane }
        }));
    }

    /// Waits, and looks now and then whether to stop.
    async fn pause(&self, span: Duration) {
        let mut rest = span;
        while !rest.is_zero() && !self.is_stopping.load(Relaxed) {
            let part = rest.min(self.plan.idle.max(Duration::from_millis(1)));
            pause(part).await;
            rest -= part;
        }
    }

    fn settled(&self, lane: usize, message: Message<S::Receipt>) -> Told<'_, Step<S::Receipt>> {
        Box::pin(async move {
            let verdict = self.beating(&message, self.handle(lane, &message)).await;
            let counters = &self.counters[lane];
            let (told, counter) = match verdict {
                Verdict::Ack => (self.source.ack(&message.receipt).await, &counters.handled),
                Verdict::Dead(reason) => {
                    (self.source.dead_letter(&message, &reason).await, &counters.dead_lettered)
                }
                Verdict::Again(delay) | Verdict::Hold(delay) => {
                    (self.source.nak(&message.receipt, delay).await, &counters.retried)
                }
            };
            one(if told.is_ok() { counter } else { &counters.errors });
            Step::Settled { lane }
        })
    }

    /// Handles it, for as long as it can only be held.
    async fn handle(&self, lane: usize, message: &Message<S::Receipt>) -> Verdict {
        loop {
            let handled = match self.gate.state() {
                GateState::Open => Handled::NotSent(self.gate.reopens_in()),
                GateState::Closed | GateState::HalfOpen => {
                    let handling = AssertUnwindSafe(self.handler.handle(message)).catch_unwind();
                    handling.await.unwrap_or_else(|_| Handled::Failed("its handler panicked".into()))
                }
            };
            let draw = self.dice.up_to(1_000_000) as f64 / 1_000_000.0;
            match self.flow(|flow| flow.verdict(handled, message.deliveries, draw)) {
                Verdict::Hold(_) if self.is_stopping.load(Relaxed) => return Verdict::Again(Duration::ZERO),
                Verdict::Hold(wait) => {
                    one(&self.counters[lane].held);
                    self.pause(wait.max(Duration::from_millis(1))).await;
                }
                verdict => return verdict,
            }
        }
    }

    /// Tells the source meanwhile that the message is in hand.
    async fn beating<T>(&self, message: &Message<S::Receipt>, work: impl Future<Output = T>) -> T {
        let beat = async {
            loop {
                pause(self.plan.heartbeat).await;
                // Unheard, the message may be delivered a second time.
                let counters = &self.counters[message.lane];
                let heard = self.source.in_progress(&message.receipt).await;
                one(if heard.is_ok() { &counters.in_progress } else { &counters.errors });
            }
        };
        match select(pin!(work), pin!(beat)).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => never,
        }
    }

    /// How it stands, without the source's lag.
    pub fn counts(&self) -> Snapshot {
        let lanes = self.plan.lanes.iter().enumerate().map(|(at, lane)| LaneSnapshot {
            name: lane.name.clone(),
            pending: self.flow(|flow| flow.pending(at)),
            most: lane.most,
            lag: None,
            counts: self.counters[at].read(),
        });
        Snapshot { lanes: lanes.collect() }
    }

    /// How it stands; asks the source how many messages of each lane nobody has fetched.
    pub async fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.counts();
        for (at, lane) in snapshot.lanes.iter_mut().enumerate() {
            lane.lag = self.source.lag(at).await.ok();
        }
        snapshot
    }
}
