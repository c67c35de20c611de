//! A queueing model of a dependency, and of the callers who use what a limit allows them. In virtual time.

use super::{Limit, Sample};
use crate::{Failure, Outcome, Rng, Time};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

/// Workers who take calls from one queue, first come, first served.
pub(super) struct Server {
    workers: usize,
    /// The mean time a worker spends on a call, in nanoseconds.
    pub(super) service: u64,
    /// Whether service times are exponential. Else each takes between nine and eleven tenths of the mean.
    exponential: bool,
    /// Calls beyond those being worked on that the server holds; others are refused.
    pub(super) queue: usize,
    /// When each worker is free.
    free: BinaryHeap<Reverse<u64>>,
    /// When each call that the server holds ends.
    held: BinaryHeap<Reverse<u64>>,
}

impl Server {
    pub(super) fn new(workers: usize, service: u64) -> Self {
        let free = (0..workers).map(|_| Reverse(0)).collect();
        Server { workers, service, exponential: false, queue: usize::MAX / 2, free, held: BinaryHeap::new() }
    }

    pub(super) fn exponential(self) -> Self {
        Server { exponential: true, ..self }
    }

    pub(super) fn refusing_beyond(self, queue: usize) -> Self {
        Server { queue, ..self }
    }

    /// When a call that comes now is done; `None` if it is refused.
    fn take(&mut self, now: u64, rng: &mut Rng) -> Option<u64> {
        while self.held.peek().is_some_and(|Reverse(end)| *end <= now) {
            self.held.pop();
        }
        if self.held.len() >= self.workers + self.queue {
            return None;
        }
        let Reverse(free) = self.free.pop().expect("a server has workers");
        let end = free.max(now) + self.draw(rng);
        self.free.push(Reverse(end));
        self.held.push(Reverse(end));
        Some(end)
    }

    fn draw(&self, rng: &mut Rng) -> u64 {
        if self.exponential {
            // Geometric with a hundredth's chance to end at each step, which is as good and needs no logarithm.
            let mut steps = 0;
            while rng.up_to(99) != 0 {
                steps += 1;
            }
            self.service * steps / 99 + 1
        } else {
            self.service * 9 / 10 + rng.up_to(self.service / 5)
        }
    }
}

/// A call on its way, ordered by its end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    ends: u64,
    began: u64,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Answered,
    TimedOut,
    Refused,
}

/// Callers with a limit between them and a server.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) limit: Limit,
    /// How many calls the callers want in flight; they take what the limit gives them.
    pub(super) demand: u64,
    /// The callers' timeout, in nanoseconds.
    pub(super) timeout: u64,
    pub(super) now: u64,
    in_flight: BinaryHeap<Reverse<Call>>,
    rng: Rng,
}

impl World {
    pub(super) fn new(server: Server, limit: Limit) -> Self {
        let rng = Rng::seeded(11);
        let in_flight = BinaryHeap::new();
        World { server, limit, demand: 10_000, timeout: 10 * SECOND, now: 0, in_flight, rng }
    }

    /// Runs for so long, and answers with the limit after each call that ended.
    pub(super) fn run(&mut self, nanos: u64) -> Trace {
        let end = self.now + nanos;
        let mut trace = Trace { limits: Vec::new(), answered: 0, nanos };
        loop {
            while (self.in_flight.len() as u64) < self.limit.limit().min(self.demand) {
                self.send();
            }
            let Some(Reverse(call)) = self.in_flight.peek() else { break };
            if call.ends > end {
                break;
            }
            let in_flight = self.in_flight.len() as u64;
            let Some(Reverse(call)) = self.in_flight.pop() else { break };
            self.now = call.ends;
            let outcome = match call.how {
                How::Answered => Outcome::Success,
                How::TimedOut => Outcome::Failure(Failure::Timeout),
                How::Refused => Outcome::Failure(Failure::Overloaded { retry_after_secs: 0 }),
            };
            trace.answered += u64::from(call.how == How::Answered);
            let now = Time::from_nanos(self.now);
            trace.limits.push(self.limit.sample(Sample {
                rtt: self.now - call.began,
                in_flight,
                outcome,
                now,
            }));
        }
        self.now = end;
        trace
    }

    fn send(&mut self) {
        let began = self.now;
        let (ends, how) = match self.server.take(began, &mut self.rng) {
            None => (began + MS, How::Refused),
            Some(end) if end - began > self.timeout => (began + self.timeout, How::TimedOut),
            Some(end) => (end, How::Answered),
        };
        self.in_flight.push(Reverse(Call { ends, began, how }));
    }
}

/// What a limit did.
pub(super) struct Trace {
    /// The limit after each call.
    pub(super) limits: Vec<u64>,
    answered: u64,
    nanos: u64,
}

impl Trace {
    /// The limit in the middle of all.
    pub(super) fn median(&self) -> u64 {
        let mut sorted = self.limits.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }

    pub(super) fn most(&self) -> u64 {
        self.limits.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn least(&self) -> u64 {
        self.limits.iter().copied().min().unwrap_or(0)
    }

    /// Answers per second.
    pub(super) fn throughput(&self) -> f64 {
        self.answered as f64 * SECOND as f64 / self.nanos as f64
    }
}
