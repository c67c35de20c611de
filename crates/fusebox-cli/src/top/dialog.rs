//! The question that comes before a circuit is held: what, why, for how long. It is tried before it is done.

use crate::admin::shapes::Done;
use crate::operate::holds::Order;
use std::time::Duration;

/// What can be done, as it is sent, as it reads, and whether it is for a time.
pub(super) const ACTIONS: [(&str, &str, bool); 6] = [
    ("force_open", "force open: refuse every call", true),
    ("force_closed", "force closed: let every call through", true),
    ("disable", "disable: let all through, count nothing", true),
    ("shadow", "shadow: decide, and refuse nothing", true),
    ("reset", "reset: close it, forget what was counted", false),
    ("release", "release: end the hold", false),
];

/// Longest text that can be typed.
const LONGEST: usize = 200;
const LONGEST_HOLD: Duration = Duration::from_secs(86_400);

/// The question, as far as it is answered.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) circuit: String,
    pub(super) action: usize,
    pub(super) reason: String,
    pub(super) span: String,
    pub(super) field: Field,
    pub(super) step: Step,
}

/// What is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Action,
    Reason,
    Span,
}

/// How far it has come.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Asking,
    /// What is missing, or why it was refused.
    Refused(String),
    /// The dry run is under way, or the order itself.
    Sent {
        dry_run: bool,
    },
    /// What would happen.
    Tried(Box<Done>),
}

impl Dialog {
    pub(super) fn new(circuit: String, is_held: bool) -> Dialog {
        let action = if is_held { ACTIONS.len() - 1 } else { 0 };
        Dialog {
            circuit,
            action,
            reason: String::new(),
            span: "15m".into(),
            field: Field::Action,
            step: Step::Asking,
        }
    }

    /// Whether what is chosen ends by itself.
    pub(super) fn is_for_a_time(&self) -> bool {
        ACTIONS[self.action].2
    }

    /// Goes to the next field, or back.
    pub(super) fn go(&mut self, back: bool) {
        use Field::{Action, Reason, Span};
        self.field = match (self.field, back) {
            (Action, false) | (Span, true) => Reason,
            (Reason, false) | (Action, true) if self.is_for_a_time() => Span,
            (Action, true) => Reason,
            (Reason | Span, false) | (Reason, true) => Action,
        };
    }

    /// Chooses another action.
    pub(super) fn turn(&mut self, back: bool) {
        let step = if back { ACTIONS.len() - 1 } else { 1 };
        self.action = (self.action + step) % ACTIONS.len();
        self.step = Step::Asking;
    }

    /// Takes a character in, or the last one out.
    pub(super) fn write(&mut self, c: Option<char>) {
        let text = match self.field {
            Field::Action => return,
            Field::Reason => &mut self.reason,
            Field::Span => &mut self.span,
        };
        match c {
            Some(c) if !c.is_control() && text.chars().count() < LONGEST => text.push(c),
            Some(_) => {}
            None => drop(text.pop()),
        }
        self.step = Step::Asking;
    }

    /// What to send; or what is missing.
    pub(super) fn order(&self, actor: &str, dry_run: bool) -> Result<Order, (Field, String)> {
        if self.reason.trim().is_empty() {
            return Err((Field::Reason, "why? it is written down with what is done".into()));
        }
        let span = humantime::parse_duration(self.span.trim()).ok();
        let span = span.filter(|span| span.as_secs() > 0 && *span <= LONGEST_HOLD);
        let ttl_seconds = match (self.is_for_a_time(), span) {
            (false, _) => None,
            (true, Some(span)) => Some(span.as_secs()),
            (true, None) => return Err((Field::Span, "for how long? like 90s, 15m or 1h, up to 24h".into())),
        };
        Ok(Order {
            action: ACTIONS[self.action].0,
            actor: actor.into(),
            reason: self.reason.trim().into(),
            ttl_seconds,
            dry_run,
        })
    }
}
