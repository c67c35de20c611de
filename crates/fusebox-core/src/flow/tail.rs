//! The body behind a response head.

use super::Circuits;
use crate::breaker::Watched;
use crate::bulkhead::Place;
use crate::pipeline::{Pipeline, Stage};
use crate::scope::Pass;
use crate::{Outcome, Time};
use alloc::boxed::Box;

/// A good response head's body, on its way to the caller. No retry and no fallback any more; only the verdict is open,
/// and the place that the call takes up until its last byte.
#[derive(Debug)]
#[must_use = "a tail that is not ended is a call that never ended"]
pub struct Tail {
    pub(super) held: Option<Watched>,
    pub(super) wide: Option<Box<Pass>>,
    pub(super) place: Option<Place>,
    pub(super) picked: bool,
    pub(super) endpoint: usize,
    /// From the call to its response head, in nanoseconds.
    pub(super) elapsed: u64,
    pub(super) settle_by: Time,
}

impl Tail {
    /// Settle with a success at this moment if the body has not ended by then: a stream may last for ever.
    /// [`Time::NEVER`] once that is done.
    pub fn settle_by(&self) -> Time {
        if self.held.is_some() { self.settle_by } else { Time::NEVER }
    }

    /// The endpoint that it comes from.
    pub fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// The body has come to this, for the circuit; later outcomes change nothing. The slow clock stopped at the head.
    pub fn settle(&mut self, circuits: &impl Circuits, outcome: Outcome, now: Time) {
        if let Some(held) = self.held.take() {
            let held = held.timed_from(now.minus_nanos(self.elapsed));
            let heard = self.wide.as_mut().map_or(outcome, |pass| {
                pass.hears_at(self.endpoint, held.ticket(), (outcome, self.elapsed), circuits, now)
            });
            circuits.circuit(self.endpoint).settle_watched(held, heard, now);
        }
        if let Some(pass) = self.wide.take() {
            pass.settle(self.endpoint, outcome, self.elapsed, circuits, now);
        }
    }

    /// The body is over: settles what is not settled yet, and gives the call's place and endpoint back.
    pub fn end(mut self, pipeline: &Pipeline, circuits: &impl Circuits, outcome: Outcome, now: Time) {
        self.settle(circuits, outcome, now);
        for stage in pipeline.stages() {
            match (stage, self.place.take()) {
                (Stage::Bulkhead(bulkhead), Some(place)) => bulkhead.leave(place, outcome, now),
                (Stage::Pick(balancer), place) => {
                    self.place = place;
                    if self.picked {
                        balancer.settle(self.endpoint, outcome, self.elapsed, now);
                    }
                }
                (_, place) => self.place = place,
            }
        }
    }
}
