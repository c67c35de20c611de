//! What a flow asks of a circuit between admission and settlement: one ticket may cover several attempts, and a body.

use super::{CircuitBreaker, State, Ticket, Watched};
use crate::Time;

impl CircuitBreaker {
    /// Nothing of this call is in flight for now: the answer has begun, or the call waits for its next attempt.
    #[inline(always)]
    pub(crate) fn rest(&self, watched: &mut Watched) {
        if let Some(slot) = watched.slot.take()
            && self.watch.get().is_some_and(|watch| watch.leave(slot))
        {
            watched.ticket.mark_overdue();
        }
    }

    /// Watches an attempt in flight, if it is not watched already. A call that counts as hung is not watched again.
    #[inline]
    pub(crate) fn keep_watch(&self, watched: &mut Watched) {
        if watched.slot.is_none() {
            watched.slot = self.watch(&watched.ticket);
        }
    }

    /// Whether this ticket is good for another attempt: its epoch goes on.
    pub(crate) fn honours(&self, ticket: &Ticket, now: Time) -> bool {
        if self.front.shadows() || ticket.is_unenforced() {
            true
        } else if ticket.is_measured() {
            self.epoch() == ticket.epoch()
        } else {
            self.state(now) != State::Open
        }
    }

    /// The answer to this call has begun; answers by when it must be settled. A probe's lease lasts on until after that,
    /// and where slowness is not measured, the lease is a probe's limit too: no stream may hold a slot for ever.
    pub(crate) fn hear(&self, watched: &mut Watched, now: Time) -> Time {
        self.rest(watched);
        let (ticket, slow) = (&watched.ticket, self.front.slow());
        let settle_by = now.plus_nanos(slow);
        if !ticket.is_probe() {
            return settle_by;
        }
        let extended = self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            let lease = machine.settings.lease;
            let settle_by = if slow < u64::MAX { settle_by } else { now.plus_nanos(lease) };
            if machine.epoch == ticket.epoch() {
                machine.phase.extend(ticket.probe_id(), settle_by.plus_nanos(lease));
                machine.publish(front);
            }
            settle_by
        });
        extended.unwrap_or(settle_by)
    }

    /// The slow threshold in nanoseconds; `u64::MAX` when slowness is not measured.
    #[inline]
    pub(crate) fn slow_nanos(&self) -> u64 {
        self.front.slow()
    }
}
