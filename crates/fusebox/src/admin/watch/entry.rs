//! An event as it is told: to streams, in histories, in the file.

use crate::admin::wall::Wall;
use crate::event::Event;
use crate::{CircuitBreaker, Time};
use serde::{Deserialize, Serialize};

/// Something that happened to a circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEvent {
    pub(super) seq: u64,
    pub(super) at: Option<String>,
    /// The same since 1970, for sorting out what is old.
    pub(super) at_millis: u64,
    pub(super) circuit: String,
    pub(super) service: String,
    pub(super) kind: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) expires_at: Option<String>,
    pub(super) retry_at: Option<String>,
    pub(super) shadow: bool,
}

impl LogEvent {
    /// What `event` is told as; `None` for kinds that are not known here. `heard` is when it was.
    pub(super) fn new(circuit: (&str, &str), event: &Event, heard: Time, wall: &Wall) -> Option<LogEvent> {
        let (name, service) = circuit;
        let at = |at: Time| LogEvent {
            at: wall.rfc3339(at),
            at_millis: wall.date(at).map_or(0, |date| u64::try_from(date.as_millis()).unwrap_or(u64::MAX)),
            circuit: name.into(),
            service: service.into(),
            ..LogEvent::default()
        };
        let held = |kind: &str, hold: &crate::breaker::Hold| LogEvent {
            kind: kind.into(),
            actor: Some(hold.actor.clone()),
            reason: Some(hold.reason.clone()),
            mode: Some(hold.mode.as_str().into()),
            expires_at: wall.rfc3339(hold.expires),
            ..at(heard)
        };
        Some(match event {
            Event::Transition(change) => LogEvent {
                kind: "transition".into(),
                from: Some(change.from.as_str().into()),
                to: Some(change.to.as_str().into()),
                cause: Some(change.cause.to_string()),
                retry_at: wall.rfc3339(change.retry_at),
                shadow: change.shadow,
                ..at(change.at)
            },
            Event::Held(hold) => held("held", hold),
            Event::Released(hold) => held("released", hold),
            Event::Reconfigured { at: when, window_kept, .. } => LogEvent {
                kind: "reconfigured".into(),
                cause: Some(
                    if *window_kept { "new settings" } else { "new settings, an empty window" }.into(),
                ),
                ..at(*when)
            },
            Event::InternalFault { total, at: when } => LogEvent {
                kind: "fault".into(),
                cause: Some(format!("a fault inside fusebox, {total} so far; the call went through")),
                ..at(*when)
            },
            _ => return None,
        })
    }

    /// Its number.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was, in milliseconds since 1970.
    pub(super) fn at_millis(&self) -> u128 {
        self.at_millis.into()
    }

    /// When it was, in seconds before `now`, and where it led; `None` if it was no transition.
    pub(super) fn mark(&self, now_millis: u64) -> Option<(f64, &str)> {
        let ago = now_millis.saturating_sub(self.at_millis) as f64 / 1_000.0;
        self.to.as_deref().map(|to| (ago, to))
    }
}

/// A circuit's two names.
pub(super) fn names(circuit: &CircuitBreaker) -> (&str, &str) {
    (circuit.name(), circuit.service())
}
