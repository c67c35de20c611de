//! Holds: what an operator may impose on a circuit.

use super::State;
use crate::Time;
use alloc::string::String;
use core::time::Duration;

/// How long a hold lasts when nothing else is said.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(15 * 60);

/// What an operator imposes on a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Mode {
    /// Rejects every call.
    ForcedOpen,
    /// Admits every call and still measures; no rule trips.
    ForcedClosed,
    /// Admits every call and measures nothing.
    Disabled,
    /// Admits every call and goes on as it would: measures, trips, probes, and tells what it would have refused.
    Shadow,
}

impl Mode {
    /// The mode as it stands in labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::ForcedOpen => "forced_open",
            Mode::ForcedClosed => "forced_closed",
            Mode::Disabled => "disabled",
            Mode::Shadow => "shadow",
        }
    }

    /// The state that callers experience.
    pub const fn state(self) -> State {
        match self {
            Mode::ForcedOpen => State::Open,
            Mode::ForcedClosed | Mode::Disabled | Mode::Shadow => State::Closed,
        }
    }
}

/// An operator's hold on a circuit: what, by whom, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What is imposed.
    pub mode: Mode,
    /// Who imposed it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub expires: Time,
}
