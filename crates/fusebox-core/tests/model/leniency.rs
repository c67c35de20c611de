//! Whom a circuit spares that is not closed, and whom it does not that has just closed.

use super::{Config, Mode, Model, RunMode, Settings, State, Time};

pub(super) struct Leniency {
    settings: Settings,
    dealt: u64,
    /// A ramp's account, in parts per million of a call.
    account: Option<u64>,
}

impl Leniency {
    pub(super) fn new(settings: &Settings) -> Leniency {
        Leniency { settings: settings.clone(), dealt: 0, account: None }
    }

    pub(super) fn begin_ramp(&mut self, config: &Config, recovered: bool) {
        let full = |share: f64| 1_000_000 - (share * 1_000_000.0).round() as u64;
        self.account = config.recovery_ramp.filter(|_| recovered).map(|ramp| full(ramp.from));
    }

    pub(super) fn takes_part(&mut self, share: u32) -> bool {
        let Some(account) = &mut self.account else { return true };
        let before = *account / 1_000_000;
        *account += u64::from(share);
        *account / 1_000_000 > before
    }
}

impl Model {
    /// Whether an operator's hold keeps it from doing what the rules say.
    pub(super) fn is_frozen(&self) -> bool {
        !matches!(self.hold, None | Some((Mode::Shadow, _)))
    }

    pub(crate) fn shadows(&self) -> bool {
        self.hold.map_or(self.config.mode == RunMode::Shadow, |(mode, _)| mode == Mode::Shadow)
    }

    pub(crate) fn shown(&self) -> State {
        if self.shadows() { State::Closed } else { self.state }
    }

    pub(super) fn ramp_ends(&self) -> Option<Time> {
        self.leniency.account?;
        Some(self.since + self.config.recovery_ramp?.over)
    }

    pub(crate) fn ramp_share(&self, now: Time) -> Option<u32> {
        self.leniency.account?;
        let ramp = self.config.recovery_ramp?;
        let (over, left) = (ramp.over.as_nanos(), ramp.over.saturating_sub(now.since(self.since)).as_nanos());
        let missing = 1_000_000 - (ramp.from * 1_000_000.0).round() as u128;
        Some(1_000_000 - (missing * left / over) as u32)
    }

    /// Whether a call that is to be refused goes all the same.
    pub(super) fn spares(&mut self, key: u64) -> bool {
        if self.shadows() {
            self.totals.would_reject += 1;
            return true;
        }
        if self.hold.is_some() || self.config.enforcement == 1.0 {
            return false;
        }
        let enforced = match key {
            0 => {
                let share = (self.config.enforcement * 1_000_000.0) as u64;
                let before = self.leniency.dealt * share / 1_000_000;
                self.leniency.dealt += 1;
                self.leniency.dealt * share / 1_000_000 > before
            }
            key => self.leniency.settings.enforces(key),
        };
        self.totals.unenforced += u64::from(!enforced);
        !enforced
    }
}
