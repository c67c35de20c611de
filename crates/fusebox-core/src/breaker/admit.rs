//! Asking to make a call: the fast way of a plainly closed circuit, the quick no, and the cases that take the lock.

use super::front::{DISABLED, EPOCH_SHIFT, FLAGS, FORCED, FULL, LENIENT, state_of};
use super::hold::Mode;
use super::watch::Watch;
use super::{CircuitBreaker, State, Ticket, Watched};
use crate::sync::Relaxed;
use crate::{Reason, Rejection, Time};

impl CircuitBreaker {
    /// Asks to make a call. The driver has a timer and reports an [`overdue`](Self::overdue) attempt.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] when the circuit is open, when it is half-open and its probes are all in flight, when it has just
    /// closed and lets a growing share through, or when an operator holds it open. Its `retry_at` is exact.
    #[inline(always)]
    pub fn admit(&self, now: Time) -> Result<Ticket, Rejection> {
        self.admit_for(0, now)
    }

    /// As [`admit`](Self::admit), for a call with a key: where the circuit is enforced for a share of the calls only, one
    /// key's calls are all in it or all outside. Calls with key 0 are dealt out in turn. Costs nothing where the whole of
    /// the calls is enforced.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline(always)]
    pub fn admit_for(&self, key: u64, now: Time) -> Result<Ticket, Rejection> {
        let word = self.front.state();
        if word & FLAGS == 0 && now < self.front.watch_due() {
            return Ok(Ticket { word, began: now });
        }
        self.admit_other(word, key, now)
    }

    #[inline(never)]
    fn admit_other(&self, word: u64, key: u64, now: Time) -> Result<Ticket, Rejection> {
        let due = self.front.due();
        let rejects = word & (FORCED | FULL) != 0 || state_of(word) == State::Open;
        if rejects && now < due && self.front.is_still(word) {
            return self.refuse(word, due, key, now);
        }
        if word & DISABLED != 0 && now < due {
            return Ok(Ticket::unmeasured(now));
        }
        self.admit_locked(key, now)
    }

    #[inline(always)]
    fn refuse(&self, word: u64, retry_at: Time, key: u64, now: Time) -> Result<Ticket, Rejection> {
        if word & LENIENT != 0 && self.spares(key) {
            return Ok(Ticket::unenforced(now));
        }
        let cell = self.front.cell();
        cell.rejected.fetch_add(1, Relaxed);
        let reason = match word & (FORCED | FULL) {
            0 => Reason::Open,
            FULL => Reason::HalfOpenFull,
            _ => Reason::ForcedOpen,
        };
        Err(Rejection { reason, retry_at, epoch: word >> EPOCH_SHIFT })
    }

    /// Whether a call that is to be refused goes through all the same, and is counted: the circuit shadows, or the call is
    /// outside the share it is enforced for.
    fn spares(&self, key: u64) -> bool {
        let (front, cell) = (&self.front, self.front.cell());
        if front.shadows() {
            cell.would_reject.fetch_add(1, Relaxed);
            return true;
        }
        let outside = !front.enforces(key);
        cell.unenforced.fetch_add(u64::from(outside), Relaxed);
        outside
    }

    #[cold]
    #[inline(never)]
    fn admit_locked(&self, key: u64, now: Time) -> Result<Ticket, Rejection> {
        let asked = self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            let word = front.state();
            let lenient = word & LENIENT != 0;
            let ticket = Ticket { word: machine.epoch << EPOCH_SHIFT, began: now };
            match (machine.state, machine.mode()) {
                (_, Some(Mode::Disabled)) => Ok(Ticket::unmeasured(now)),
                (State::Closed, _) if machine.takes_part(now) || lenient && self.spares(key) => Ok(ticket),
                (State::Closed, _) => {
                    let cell = front.cell();
                    cell.rejected.fetch_add(1, Relaxed);
                    cell.recovering.fetch_add(1, Relaxed);
                    let (retry_at, epoch) = (machine.ramp_ends(), machine.epoch);
                    Err(Rejection { reason: Reason::Recovering, retry_at, epoch })
                }
                (State::HalfOpen, _) if !machine.phase.is_full(&machine.settings) => {
                    // Who is not enforced is no probe: the verdict is about those who are.
                    if lenient && !front.shadows() && self.spares(key) {
                        return Ok(Ticket::unenforced(now));
                    }
                    let probe = machine.phase.admit(&machine.settings, now);
                    machine.publish(front);
                    Ok(Ticket::probe(machine.epoch, probe, now))
                }
                _ => self.refuse(word, machine.due(), key, now),
            }
        });
        asked.unwrap_or(Ok(Ticket::unmeasured(now)))
    }

    /// Like [`admit`](Self::admit), for drivers that cannot wake to report an overdue attempt: blocking calls and
    /// manual permits. The breaker watches the call itself and notices at any admit, tick or reading.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn admit_watched(&self, now: Time) -> Result<Watched, Rejection> {
        self.admit_watched_for(0, now)
    }

    /// As [`admit_watched`](Self::admit_watched), for a call with a [key](Self::admit_for).
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn admit_watched_for(&self, key: u64, now: Time) -> Result<Watched, Rejection> {
        let ticket = self.admit_for(key, now)?;
        let slot = self.watch(&ticket);
        Ok(Watched { ticket, slot })
    }

    #[inline]
    pub(super) fn watch(&self, ticket: &Ticket) -> Option<u8> {
        let hangs = ticket.is_measured() && !ticket.is_probe() && !ticket.is_overdue();
        if hangs && self.front.slow() < u64::MAX {
            self.watch.get_or_init(Watch::new).enter(&self.front, ticket)
        } else {
            None
        }
    }
}
