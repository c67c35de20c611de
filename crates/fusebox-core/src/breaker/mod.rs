//! The circuit breaker: stops calls to a dependency that fails, and finds out when it has recovered.
//!
//! # Design
//!
//! There is one breaker, for every driver, and it takes `&self`. Nearly all calls of a healthy service are fast
//! successes, and nearly all calls to a broken one are rejections; both stay in a lock-free front of a few words
//! (the protocol is told in the source of `front.rs`). Everything else — failures, slow calls, probes, the turning
//! of the window, transitions — is rare or slow already, and goes to an ordinary sequential struct behind one short
//! lock (`machine.rs`). So the rules can be read as plain code, and are exact: the tenth failure trips, never the
//! ninth, never the eleventh, however many threads deliver them.
//!
//! Time and randomness are arguments. What is due happens lazily on every look and, with a driver's timer calling
//! [`CircuitBreaker::tick`] at [`CircuitBreaker::next_due`], on time without any traffic.
//!
//! ```
//! use fusebox_core::breaker::{CircuitBreaker, Config, State};
//! use fusebox_core::{Failure, Outcome, Rng, Time};
//!
//! let settings = Config::default().check(None).expect("the default works");
//! let breaker = CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO);
//! for second in 0..10 {
//!     let now = Time::from_secs(second);
//!     let ticket = breaker.admit(now).expect("closed");
//!     breaker.settle(ticket, Outcome::Failure(Failure::Error), now);
//! }
//! let rejection = breaker.admit(Time::from_secs(10)).expect_err("ten failures in a row");
//! assert_eq!(breaker.state(Time::from_secs(10)), State::Open);
//! assert!(breaker.admit(rejection.retry_at).is_ok(), "the first probe");
//! ```

mod admit;
mod attempt;
mod cause;
mod config;
mod doubt;
mod front;
mod hold;
#[cfg(all(test, loom))]
mod loom_protocols;
mod machine;
mod operate;
mod outbox;
mod phase;
mod ramp;
mod recovery;
mod settings;
mod settle;
mod snapshot;
mod ticket;
mod wait;
mod watch;
mod window;

pub use cause::{Cause, RecentFailures, Rule, State, Trip};
pub use config::{
    CancelCountsAs, Config, HalfOpen, Preset, Ramp, RunMode, Setting, SlowCountsAs, StreakReset, WaitInOpen,
    WaitStrategy, Window,
};
pub use doubt::Warning;
pub use hold::{DEFAULT_HOLD, Hold, Mode};
pub use outbox::Listener;
pub use settings::{ConfigError, Settings};
pub use snapshot::{ProbeCounts, Saved, Snapshot, Totals, WindowCounts};
pub use ticket::{Ticket, Watched};

use crate::event::Event;
use crate::sync::{AtomicU64, Mutex, OnceLock, Relaxed, contained, lock};
use crate::{Outcome, Rng, Time};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use front::{EPOCH_SHIFT, FLAGS, Front, state_of};
use machine::Machine;
use outbox::{Outbox, WAITING};
use watch::Watch;

/// A circuit breaker. Shared by reference; see the [module](self) for the design.
#[derive(Debug)]
pub struct CircuitBreaker {
    front: Front,
    machine: Mutex<Machine>,
    watch: OnceLock<Watch>,
    outbox: Outbox,
    /// The last moment an internal fault was told.
    fault_told: AtomicU64,
}

impl CircuitBreaker {
    /// A closed circuit that begins at `now`. `rng` draws the jitter of its waits.
    pub fn new(settings: impl Into<Arc<Settings>>, rng: Rng, now: Time) -> Self {
        let settings = settings.into();
        let machine = Machine::new(settings, rng, now);
        CircuitBreaker {
            front: Front::new(&machine.settings, machine.due()),
            machine: Mutex::new(machine),
            watch: OnceLock::new(),
            outbox: Outbox::default(),
            fault_told: AtomicU64::new(0),
        }
    }

    /// Tells what came of a call. Fast successes of a closed circuit take no lock.
    #[inline(always)]
    pub fn settle(&self, ticket: Ticket, outcome: Outcome, now: Time) {
        if outcome == Outcome::Success
            && self.front.state() == ticket.word
            && now < self.front.due()
            && now.nanos_since(ticket.began) < self.front.slow()
        {
            let found = self.front.pass();
            if found & !front::COUNT == front::tag(ticket.epoch()) {
                return;
            }
            return self.attend(ticket, found, now);
        }
        self.settle_other(ticket, outcome, now);
    }

    #[cold]
    #[inline(never)]
    fn attend(&self, ticket: Ticket, found: u64, now: Time) {
        self.with(now, |machine, front, watch| machine.attend(front, watch, &ticket, found, now));
    }

    #[inline(never)]
    fn settle_other(&self, ticket: Ticket, outcome: Outcome, now: Time) {
        if !ticket.is_measured() {
            let unenforced = ticket.is_unenforced();
            self.front.cell().late.fetch_add(u64::from(unenforced), Relaxed);
            return;
        }
        self.with(now, |machine, front, watch| machine.settle(front, watch, ticket, outcome, now));
    }

    /// The driver's timer says: this attempt has been in flight for `slow_call_duration`. From now on it counts as
    /// slow, and extends the run of failures; when it settles it is not counted again. Probes have their leases
    /// instead, and tickets of older epochs are left alone.
    pub fn overdue(&self, ticket: &mut Ticket, now: Time) {
        if !ticket.is_measured() || ticket.is_overdue() || ticket.is_probe() {
            return;
        }
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            if machine.epoch == ticket.epoch()
                && machine.settings.watches_hung_calls()
                && now.nanos_since(ticket.began) >= machine.settings.slow
            {
                ticket.mark_overdue();
                machine.hang(front, now);
            }
        });
    }

    /// Tells what came of a watched call.
    #[inline]
    pub fn settle_watched(&self, mut watched: Watched, outcome: Outcome, now: Time) {
        self.rest(&mut watched);
        self.settle(watched.ticket, outcome, now);
    }

    /// Lets everything happen that is due by `now`.
    pub fn tick(&self, now: Time) {
        self.with(now, |machine, front, watch| machine.tick(front, watch, now));
    }

    /// When [`tick`](Self::tick) has something to do next; [`Time::NEVER`] if only a call can change anything.
    pub fn next_due(&self) -> Time {
        let word = self.front.state();
        if state_of(word) != State::Closed {
            // Calls hang for a closed circuit only; what was to be looked at then is of an epoch that has ended.
            return self.front.due();
        }
        let watch = self.front.watch_due();
        // A plain closed circuit's own due moment is the end of a bucket, and nothing hangs on that.
        if word & FLAGS == 0 && lock(&self.machine).hold.is_none() {
            watch
        } else {
            watch.min(self.front.due())
        }
    }

    /// The state that callers experience. A circuit that shadows is closed to them; what it would be is in the
    /// [`snapshot`](Self::snapshot).
    pub fn state(&self, now: Time) -> State {
        if now >= self.front.due().min(self.front.watch_due()) {
            self.tick(now);
        }
        self.front.shown()
    }

    /// Counts state changes.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.front.state() >> EPOCH_SHIFT
    }

    /// The circuit at `now`.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.tick(now);
        lock(&self.machine).snapshot(&self.front, now)
    }

    /// The last trip: the rule and its numbers. Kept after the circuit has closed again.
    pub fn last_trip(&self) -> Option<Trip> {
        lock(&self.machine).last_trip
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        lock(&self.machine).settings.clone()
    }

    /// Runs on new settings from now on. The state, the original open time and, as far as it fits, the window's
    /// content are kept: a time window is put into the new buckets, a count window keeps its newest calls. Going
    /// between the two kinds, or to a longer count window, starts an empty window; the event says so.
    pub fn reconfigure(&self, settings: impl Into<Arc<Settings>>, now: Time) {
        let mut settings = settings.into();
        let mut window = window::Evidence::new(&settings, now);
        let mut phase = phase::Phase::new(&settings);
        let mut waits = wait::Waits::new(&settings);
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            machine.waits.take_over(&mut waits);
            machine.reconfigure(front, &mut settings, &mut window, &mut phase, now);
            if watch.is_some() || machine.hung > 0 {
                // What is overdue may be another thing now: look again.
                front.wake_at(now);
            }
        });
    }

    /// Imposes an operator's hold, in place of an earlier one.
    pub fn hold(&self, hold: Hold, now: Time) {
        let hold = Arc::new(hold);
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            machine.take_hold(front, hold, now);
        });
    }

    /// Ends an operator's hold. A circuit that was closed before a forced open closes with an empty window; one that
    /// was open goes on with its original wait.
    pub fn release(&self, now: Time) {
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            machine.release(front, now);
        });
    }

    /// Closes the circuit, whatever its state, ends any hold and forgets the streak of opens.
    pub fn reset(&self, now: Time) {
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            machine.reset(front, now);
        });
    }

    /// Whether nothing would be lost with this circuit. Tells no event, so it may be asked under a lock; what is due
    /// happens at the next look.
    pub(crate) fn is_idle(&self, now: Time) -> bool {
        lock(&self.machine).is_idle(&self.front, now)
    }

    /// What to keep of the circuit across a restart: its state, what is left of its wait, and its streak. Holds are
    /// not kept, and a closed circuit's window is not either: evidence is about the process that saw it.
    pub fn save(&self, now: Time) -> Saved {
        self.tick(now);
        lock(&self.machine).save(now)
    }

    /// Takes up a circuit saved `age` ago, unless that is longer than `max_age` or an operator holds this one (then
    /// `false`, and nothing changes). A circuit that was open is open for what is left of its wait; one that was half-open probes at once.
    pub fn restore(&self, saved: Saved, age: Duration, max_age: Duration, now: Time) -> bool {
        if age > max_age {
            return false;
        }
        let age = crate::time::nanos(age);
        self.with(now, |machine, front, watch| {
            machine.tick(front, watch, now);
            let restored = machine.restore(front, saved, age, now);
            machine.tick(front, watch, now);
            restored
        })
        .unwrap_or(false)
    }

    /// Calls `listener` with every event from now on: in order, outside every lock, on the thread that caused it or on
    /// one that is delivering already. A panic in a listener ends there. A listener that falls 32 events behind loses
    /// the oldest.
    pub fn subscribe(&self, listener: Listener) {
        self.outbox.subscribe(listener);
        let room = VecDeque::with_capacity(WAITING);
        let mut machine = lock(&self.machine);
        if !machine.listened {
            machine.listened = true;
            machine.waiting = room;
        }
    }

    /// Runs `f` on the machine, then delivers what it had to tell. `None` if fusebox's own code panicked: the circuit
    /// then starts afresh, and the call is let through.
    fn with<R>(&self, now: Time, f: impl FnOnce(&mut Machine, &Front, Option<&Watch>) -> R) -> Option<R> {
        let mut machine = lock(&self.machine);
        let done = contained(|| f(&mut machine, &self.front, self.watch.get()));
        if done.is_none() {
            self.mend(&mut machine, now);
        }
        let told = !machine.waiting.is_empty();
        drop(machine);
        if told {
            let take = || lock(&self.machine).waiting.pop_front();
            self.outbox.deliver(take, || lock(&self.machine).waiting.is_empty());
        }
        done
    }

    /// Something of a driver's own user panicked where nothing may, such as a classifier: counted and told as an internal
    /// fault. The circuit goes on as it is.
    #[cold]
    pub fn fault(&self, now: Time) {
        self.with(now, |machine, _, _| self.count_fault(machine, now));
    }

    #[cold]
    fn mend(&self, machine: &mut Machine, now: Time) {
        machine.start_afresh(&self.front, now);
        self.count_fault(machine, now);
    }

    fn count_fault(&self, machine: &mut Machine, now: Time) {
        machine.tally.internal_faults += 1;
        let last = Time::from_nanos(self.fault_told.load(Relaxed));
        let total = u64::from(machine.tally.internal_faults);
        if total == 1 || now.since(last) >= Duration::from_secs(1) {
            self.fault_told.store(now.as_nanos(), Relaxed);
            machine.tell(Event::InternalFault { total, at: now });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::Failure;
    use alloc::vec::Vec;

    fn breaker() -> CircuitBreaker {
        CircuitBreaker::new(Config::default().check(None).expect("works"), Rng::seeded(1), Time::ZERO)
    }

    #[test]
    fn a_fault_inside_lets_the_call_through_and_is_told_once_a_second() {
        let (breaker, told) = (breaker(), Arc::new(Mutex::new(Vec::new())));
        let log = told.clone();
        breaker.subscribe(Arc::new(move |event| lock(&log).push(event.clone())));
        for now in [0, 1, 999, 1_000].map(Time::from_millis) {
            let broken: Option<()> = breaker.with(now, |_, _, _| panic!("a fault inside"));
            assert_eq!(broken, None);
            assert!(breaker.admit(now).is_ok(), "let through");
        }
        assert_eq!(breaker.snapshot(Time::from_secs(1)).totals.internal_faults, 4);
        let told: Vec<_> = lock(&told)
            .iter()
            .filter_map(|event| match event {
                Event::InternalFault { total, .. } => Some(*total),
                _ => None,
            })
            .collect();
        assert_eq!(told, [1, 4]);
    }

    #[test]
    fn after_a_fault_inside_the_circuit_protects_again() {
        let breaker = breaker();
        let _: Option<()> = breaker.with(Time::ZERO, |machine, _, _| {
            machine.hung = u32::MAX;
            panic!("in the middle of something")
        });
        for _ in 0..10 {
            let ticket = breaker.admit(Time::ZERO).expect("closed");
            breaker.settle(ticket, Outcome::Failure(Failure::Error), Time::ZERO);
        }
        assert_eq!(breaker.state(Time::ZERO), State::Open);
    }

    #[test]
    fn a_lock_poisoned_from_outside_still_opens() {
        let breaker = Arc::new(breaker());
        let other = breaker.clone();
        let poisoner = std::thread::spawn(move || {
            let _held = other.machine.lock();
            panic!("while the lock is held");
        });
        assert!(poisoner.join().is_err());
        assert_eq!(breaker.snapshot(Time::ZERO).state, State::Closed);
        assert!(breaker.admit(Time::ZERO).is_ok());
    }
}
