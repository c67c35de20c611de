//! What an operator or a restart does to a circuit, at the present moment of its clock.

use crate::circuit::CircuitBreaker;
use crate::error::InvalidConfig;
use fusebox_core::breaker::{Config, DEFAULT_HOLD, Hold, Mode, Saved};
use std::time::Duration;

impl CircuitBreaker {
    /// Imposes `mode` for 15 minutes, in place of an earlier hold. `actor` and `reason` are shown with it everywhere.
    pub fn hold(&self, mode: Mode, actor: impl Into<String>, reason: impl Into<String>) {
        self.hold_for(mode, actor, reason, DEFAULT_HOLD);
    }

    /// As [`hold`](Self::hold), for as long as said.
    pub fn hold_for(
        &self,
        mode: Mode,
        actor: impl Into<String>,
        reason: impl Into<String>,
        lasting: Duration,
    ) {
        let now = self.clock().now();
        let hold = Hold { mode, actor: actor.into(), reason: reason.into(), expires: now + lasting };
        self.core().hold(hold, now);
    }

    /// Ends a hold. A circuit that was open before a forced open goes on with its original wait.
    pub fn release(&self) {
        self.core().release(self.clock().now());
    }

    /// Closes the circuit, whatever its state, ends any hold and forgets the streak of opens.
    pub fn reset(&self) {
        self.core().reset(self.clock().now());
    }

    /// Runs on `config` from now on. The state, the open time and, as far as it fits, the window are kept.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work; nothing changes then.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        let settings = config.check(None)?;
        self.core().reconfigure(settings, self.clock().now());
        Ok(())
    }

    /// What to keep of the circuit across a restart. Store it with the wall time.
    pub fn save(&self) -> Saved {
        self.core().save(self.clock().now())
    }

    /// Takes up what was saved `age` ago; `false`, and nothing changes, if that is longer ago than `max_age`.
    pub fn restore(&self, saved: Saved, age: Duration, max_age: Duration) -> bool {
        self.core().restore(saved, age, max_age, self.clock().now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Error, Reason};
    use fusebox_core::breaker::State;

    #[test]
    fn a_hold_lasts_fifteen_minutes_unless_released() {
        let (clock, hand) = Clock::manual();
        let circuit = CircuitBreaker::builder("a").clock(clock).build().expect("works");
        circuit.hold(Mode::ForcedOpen, "ann", "maintenance");
        let Err(Error::Rejected(rejected)) = circuit.call(|| Ok::<_, ()>(())) else { panic!("held open") };
        assert_eq!((rejected.reason, rejected.retry_after), (Reason::ForcedOpen, Some(DEFAULT_HOLD)));
        hand.advance(DEFAULT_HOLD);
        assert_eq!(circuit.state(), State::Closed);
        circuit.hold_for(Mode::ForcedOpen, "ann", "maintenance", Duration::from_secs(9));
        assert_eq!(circuit.state(), State::Open);
        circuit.release();
        assert_eq!(circuit.state(), State::Closed);
    }

    #[test]
    fn an_open_circuit_survives_a_restart_and_a_reset_ends_it() {
        let (clock, _hand) = Clock::manual();
        let make = || CircuitBreaker::builder("a").clock(clock.clone()).build().expect("works");
        let (old, new) = (make(), make());
        (0..10).for_each(|_| drop(old.call(|| Err::<(), _>(()))));
        assert!(new.restore(old.save(), Duration::from_secs(1), Duration::from_secs(60)));
        assert_eq!(new.state(), State::Open);
        new.reset();
        assert_eq!(new.state(), State::Closed);
    }

    #[test]
    fn a_configuration_that_cannot_work_changes_nothing() {
        let circuit = CircuitBreaker::new("a");
        let before = circuit.core().settings();
        let wrong = Config { minimum_calls: 0, ..Config::default() };
        assert!(circuit.reconfigure(wrong).is_err());
        assert_eq!(circuit.core().settings(), before);
        assert!(circuit.reconfigure(Config { minimum_calls: 7, ..Config::default() }).is_ok());
        assert_eq!(circuit.core().settings().config().minimum_calls, 7);
    }
}
