//! What a worker may fetch, and what becomes of what it has handled.

use crate::replay::GateState;
use std::time::Duration;

/// A partition of the messages, by what they are worth or whom they are for, with places of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its name, for operators.
    pub name: String,
    /// Messages in hand at once, at most: its bulkhead. At least one.
    pub most: usize,
}

impl Lane {
    /// A lane with this many places.
    pub fn new(name: impl Into<String>, most: usize) -> Self {
        Lane { name: name.into(), most }
    }
}

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The source's lanes, in its order.
    pub lanes: Vec<Lane>,
    /// Messages in hand at once for the destination, all lanes together. Default: what the lanes have.
    pub most: usize,
    /// Messages that may be in hand while the gate is half-open. Default: 1.
    pub probes: usize,
    /// Deliveries of a message that fails, before it is dead. Default: 10.
    pub max_deliveries: u64,
    /// How long the first failure waits, at most; half of it at least. Doubles with each. Default: 1 s.
    pub backoff: Duration,
    /// And never longer than this. Default: 5 min.
    pub longest_backoff: Duration,
    /// How often the source hears that a message is in hand: three times in the time that it waits to hear. Default: 10 s.
    pub heartbeat: Duration,
    /// How long an empty lane, or an open gate that does not know when it reopens, is left alone. Default: 100 ms.
    pub idle: Duration,
}

impl Plan {
    /// The defaults for these lanes.
    pub fn of(lanes: impl IntoIterator<Item = Lane>) -> Self {
        let lanes: Vec<_> = lanes.into_iter().collect();
        let most = lanes.iter().map(|lane| lane.most.max(1)).sum();
        Plan {
            lanes,
            most,
            probes: 1,
            max_deliveries: 10,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(300),
            heartbeat: Duration::from_secs(10),
            idle: Duration::from_millis(100),
        }
    }
}

/// What a handler says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It is done.
    Done,
    /// It is not, and may be another time.
    Failed(String),
    /// It never will be.
    Poison(String),
    /// It did not leave: a circuit, a quota or a bulkhead kept it, for about so long.
    NotSent(Option<Duration>),
}

/// What to do with a message that was handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge it.
    Ack,
    /// Have it delivered again later.
    Again(Duration),
    /// Keep it with the dead, for this reason.
    Dead(String),
    /// Keep it in hand, and try again later.
    Hold(Duration),
}

/// What is in hand. Pure: the gate's state and the draw are arguments.
#[derive(Clone, Debug)]
pub struct Flow {
    plan: Plan,
    pending: Vec<usize>,
}

impl Flow {
    /// With nothing in hand.
    pub fn new(plan: Plan) -> Self {
        let pending = vec![0; plan.lanes.len()];
        Flow { plan, pending }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Messages of a lane in hand, or asked for.
    pub fn pending(&self, lane: usize) -> usize {
        self.pending[lane]
    }

    /// Takes as many places in a lane as may be fetched for now; none is none.
    pub fn take(&mut self, lane: usize, gate: GateState) -> usize {
        let all: usize = self.pending.iter().sum();
        let room = match gate {
            GateState::Open => 0,
            GateState::HalfOpen => self.plan.probes.min(self.plan.most).saturating_sub(all),
            GateState::Closed => self.plan.most.max(1).saturating_sub(all),
        };
        let room = room.min(self.plan.lanes[lane].most.max(1).saturating_sub(self.pending[lane]));
        self.pending[lane] += room;
        room
    }

    /// Gives places back.
    pub fn give(&mut self, lane: usize, places: usize) {
        self.pending[lane] = self.pending[lane].saturating_sub(places);
    }

    /// What becomes of a message on its so many-th delivery. `draw` is from 0 to 1.
    pub fn verdict(&self, handled: Handled, deliveries: u64, draw: f64) -> Verdict {
        match handled {
            Handled::Done => Verdict::Ack,
            Handled::Poison(reason) => Verdict::Dead(reason),
            Handled::NotSent(wait) => Verdict::Hold(wait.unwrap_or(self.plan.idle)),
            Handled::Failed(reason) if deliveries >= self.plan.max_deliveries => {
                Verdict::Dead(format!("delivered {deliveries} times: {reason}"))
            }
            Handled::Failed(_) => {
                let doubled =
                    2_u32.saturating_pow(u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX));
                let most = self.plan.backoff.saturating_mul(doubled).min(self.plan.longest_backoff);
                Verdict::Again(most / 2 + (most / 2).mul_f64(draw.clamp(0.0, 1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(most: usize) -> Flow {
        let plan = Plan::of([Lane::new("low", 2), Lane::new("critical", 4)]);
        Flow::new(Plan { most, max_deliveries: 3, ..plan })
    }

    #[test]
    fn each_lane_has_its_own_places_and_all_together_those_of_the_destination() {
        let mut flow = flow(5);
        assert_eq!((flow.take(0, GateState::Closed), flow.take(0, GateState::Closed)), (2, 0));
        assert_eq!(flow.take(1, GateState::Closed), 3, "five in all");
        flow.give(0, 1);
        assert_eq!(
            (flow.take(1, GateState::Closed), flow.take(1, GateState::Closed)),
            (1, 0),
            "four are its own"
        );
        flow.give(1, 4);
        assert_eq!((flow.pending(0), flow.pending(1)), (1, 0));
    }

    #[test]
    fn an_open_gate_lets_nothing_in_and_a_half_open_one_a_probe() {
        let mut flow = flow(6);
        assert_eq!(flow.take(1, GateState::Open), 0);
        assert_eq!((flow.take(0, GateState::HalfOpen), flow.take(1, GateState::HalfOpen)), (1, 0));
        flow.give(0, 1);
        assert_eq!(flow.take(1, GateState::HalfOpen), 1);
        assert_eq!(flow.take(1, GateState::Closed), 3);
        assert_eq!(flow.take(0, GateState::HalfOpen), 0, "more than the probes are in hand");
    }

    #[test]
    fn a_failure_waits_longer_each_time_and_dies_of_the_last() {
        let flow = Flow::new(Plan { max_deliveries: 40, ..flow(6).plan });
        let failed = |deliveries, draw| flow.verdict(Handled::Failed("500".into()), deliveries, draw);
        let millis = |millis| Verdict::Again(Duration::from_millis(millis));
        assert_eq!((failed(1, 0.0), failed(1, 1.0)), (millis(500), millis(1_000)));
        assert_eq!((failed(3, 0.0), failed(3, 1.0)), (millis(2_000), millis(4_000)));
        assert_eq!(failed(39, 1.0), millis(300_000), "and no longer");
        assert_eq!(failed(40, 0.0), Verdict::Dead("delivered 40 times: 500".into()));
    }

    #[test]
    fn what_was_not_sent_stays_in_hand_however_often_it_was_delivered() {
        let flow = flow(6);
        let wait = Duration::from_secs(7);
        assert_eq!(flow.verdict(Handled::NotSent(Some(wait)), 99, 0.0), Verdict::Hold(wait));
        assert_eq!(flow.verdict(Handled::NotSent(None), 1, 0.0), Verdict::Hold(flow.plan().idle));
        assert_eq!(flow.verdict(Handled::Poison("no".into()), 1, 0.0), Verdict::Dead("no".into()));
        assert_eq!(flow.verdict(Handled::Done, 99, 0.0), Verdict::Ack);
    }
}
