//! Proof of admission.

use super::front::EPOCH_SHIFT;
use crate::Time;

/// The call was admitted while nothing is measured.
const UNMEASURED: u64 = 1;
/// The call was let past a circuit that would have refused it. No measured call is like this.
const UNENFORCED: u64 = UNMEASURED | OVERDUE;
/// The machine counts this call as hung.
const OVERDUE: u64 = 2;
const PROBE_SHIFT: u32 = 2;
const PROBE: u64 = (1 << 22) - 1;

/// Proof that a call was admitted. Hand it back with [`settle`](super::CircuitBreaker::settle), once.
///
/// Two words, `[epoch: 40 | probe: 22 | overdue | unmeasured]` and the moment the call began; the first equals the
/// front's state word for every call admitted while plainly closed. A ticket that is lost is a call that never
/// ended: in the shell, permits see to it that this cannot happen.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is not settled is a call that never ended"]
pub struct Ticket {
    pub(super) word: u64,
    pub(super) began: Time,
}

impl Ticket {
    pub(super) const fn unmeasured(began: Time) -> Self {
        Ticket { word: UNMEASURED, began }
    }

    pub(super) const fn unenforced(began: Time) -> Self {
        Ticket { word: UNENFORCED, began }
    }

    pub(super) const fn probe(epoch: u64, probe: u32, began: Time) -> Self {
        Ticket { word: epoch << EPOCH_SHIFT | (probe as u64) << PROBE_SHIFT, began }
    }

    /// The epoch the call was admitted in. A result that comes in another epoch is late and changes nothing.
    pub const fn epoch(&self) -> u64 {
        self.word >> EPOCH_SHIFT
    }

    /// When the call began.
    pub const fn began(&self) -> Time {
        self.began
    }

    /// Whether the call is a probe of a half-open circuit.
    pub const fn is_probe(&self) -> bool {
        self.probe_id() != 0
    }

    /// Whether the call was let past a circuit that would have refused it: it shadows, or is enforced for other calls.
    pub const fn is_unenforced(&self) -> bool {
        self.word & UNENFORCED == UNENFORCED
    }

    /// The same ticket with the slow clock started at `began`: a call whose attempts are measured one by one.
    pub const fn timed_from(self, began: Time) -> Self {
        Ticket { word: self.word, began }
    }

    pub(super) const fn probe_id(&self) -> u32 {
        (self.word >> PROBE_SHIFT & PROBE) as u32
    }

    pub(super) const fn is_measured(&self) -> bool {
        self.word & UNMEASURED == 0
    }

    pub(super) const fn is_overdue(&self) -> bool {
        self.word & OVERDUE != 0
    }

    pub(super) fn mark_overdue(&mut self) {
        self.word |= OVERDUE;
    }
}

/// A ticket whose call the breaker watches itself, for drivers that cannot wake. Hand it back with
/// [`settle_watched`](super::CircuitBreaker::settle_watched).
#[derive(Debug)]
#[must_use = "a ticket that is not settled is a call that never ended"]
pub struct Watched {
    pub(super) ticket: Ticket,
    pub(super) slot: Option<u8>,
}

impl Watched {
    /// The ticket itself, to look at.
    pub const fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// A ticket whose driver has a timer after all.
    pub(crate) const fn by_driver(ticket: Ticket) -> Self {
        Watched { ticket, slot: None }
    }

    pub(crate) fn ticket_mut(&mut self) -> &mut Ticket {
        &mut self.ticket
    }

    /// Another attempt under the same ticket begins: the slow clock starts anew.
    pub(crate) fn restart(&mut self, now: Time) {
        self.ticket.began = now;
    }

    /// As [`Ticket::timed_from`].
    pub(crate) fn timed_from(self, began: Time) -> Self {
        Watched { ticket: self.ticket.timed_from(began), slot: self.slot }
    }
}
