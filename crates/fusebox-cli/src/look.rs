//! How things look: few colours, each with one meaning, and never a colour without a word.

use anstyle::{AnsiColor, Style};
use fusebox_core::Time;
use fusebox_core::breaker::State;
use fusebox_core::event::{Event, Transition};
use std::time::Duration;

/// All is well.
pub(crate) const GOOD: Look = Look(AnsiColor::Green.on_default());
/// Worth a look.
pub(crate) const DOUBTFUL: Look = Look(AnsiColor::Yellow.on_default());
/// Something is refused or broken.
pub(crate) const BAD: Look = Look(AnsiColor::Red.on_default().bold());
/// Headings.
pub(crate) const HEAD: Look = Look(Style::new().bold());
/// What stands behind the rest.
pub(crate) const QUIET: Look = Look(Style::new().dimmed());

/// A style with one meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look(Style);

impl Look {
    /// `text` so styled.
    pub(crate) fn paint(self, text: impl AsRef<str>) -> String {
        format!("{}{}{:#}", self.0, text.as_ref(), self.0)
    }
}

/// A state in words.
pub(crate) const fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "OPEN",
        State::HalfOpen => "half-open",
    }
}

/// The style of a state.
pub(crate) const fn of(state: State) -> Look {
    match state {
        State::Closed => GOOD,
        State::Open => BAD,
        State::HalfOpen => DOUBTFUL,
    }
}

/// `state` in its colour, padded to `width`.
pub(crate) fn state(state: State, width: usize) -> String {
    of(state).paint(format!("{:width$}", word(state)))
}

/// A warning as a line.
pub(crate) fn warning(text: &str) -> String {
    format!("{} {text}", DOUBTFUL.paint("warning:"))
}

/// `1 service`, `2 services`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Seconds with one decimal, as `12.3s`.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.1}s", span.as_secs_f64())
}

/// What `event` says of its circuit, in a line without the circuit's name; `None` for events that say nothing to
/// someone who watches.
pub(crate) fn event(event: &Event) -> Option<String> {
    match event {
        Event::Transition(change) => Some(transition(change)),
        Event::Held(hold) => Some(format!("{} by {}: {}", hold.mode.as_str(), hold.actor, hold.reason)),
        Event::Released(_) => Some("no longer held by an operator".into()),
        Event::Reconfigured { .. } => Some("runs on new settings".into()),
        Event::InternalFault { total, .. } => {
            Some(BAD.paint(format!("internal fault of fusebox, {total} so far")))
        }
        _ => None,
    }
}

fn transition(change: &Transition) -> String {
    format!("{} {}", state(change.to, 9), reason(change))
}

/// Why a circuit changed its state, and what comes next.
pub(crate) fn reason(change: &Transition) -> String {
    match change.retry_at {
        Time::NEVER => change.cause.to_string(),
        at => format!("{}; probes in {}", change.cause, seconds(at.since(change.at))),
    }
}

/// `text` in lines of at most `width` characters, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_keep_them_all() {
        let text = "a probe failed: connection broken; probes in 2.1s";
        let lines = wrapped(text, 16);
        assert_eq!(lines, ["a probe failed:", "connection", "broken; probes", "in 2.1s"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrapped("", 3), [""]);
    }
}
