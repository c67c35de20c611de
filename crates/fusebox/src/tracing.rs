//! Events as [`tracing`] has them.
//!
//! One function, [`tell`], which is a listener for one circuit or for a whole registry:
//!
//! ```
//! use fusebox::Registry;
//!
//! Registry::global().on_event(fusebox::tracing::tell);
//! ```
//!
//! Nothing is added to a call: events are rare, such as a change of state, and come after every lock is released. The
//! one that a call brings about is told inside that call's span, so the trace of the request that opened a circuit shows
//! it; what time brings about is told by the registry's timer thread. What counts every call is read from snapshots:
//! see the feature `metrics`.
//!
//! | event | level | fields besides `circuit` |
//! |---|---|---|
//! | a circuit opens | `WARN` | `from`, `to`, `cause`, `epoch`, `rule` where one fired |
//! | any other change of state | `INFO` | `from`, `to`, `cause`, `epoch` |
//! | an operator holds or releases a circuit | `INFO` | `mode`, `actor`, `reason` |
//! | new settings | `INFO` | `window_kept` |
//! | a fault of fusebox's own code | `ERROR` | `total` |
//!
//! The target is `fusebox` for all, so `RUST_LOG=fusebox=warn` shows what opens and nothing else.

use ::tracing::{error, info, warn};
use fusebox_core::breaker::{Cause, State};
use fusebox_core::event::{Event, Transition};

/// Tells `event` of the circuit `name` to the subscriber that is current.
pub fn tell(name: &str, event: &Event) {
    match event {
        Event::Transition(change) => tell_change(name, change),
        Event::Held(hold) => info!(
            target: "fusebox",
            circuit = name,
            mode = hold.mode.as_str(),
            actor = hold.actor,
            reason = hold.reason,
            "circuit held"
        ),
        Event::Released(hold) => info!(
            target: "fusebox",
            circuit = name,
            mode = hold.mode.as_str(),
            actor = hold.actor,
            reason = hold.reason,
            "circuit released"
        ),
        Event::Reconfigured { window_kept, .. } => {
            info!(target: "fusebox", circuit = name, window_kept, "circuit reconfigured");
        }
        Event::InternalFault { total, .. } => {
            error!(target: "fusebox", circuit = name, total, "internal fault, the call was let through");
        }
        other => info!(target: "fusebox", circuit = name, event = ?other, "circuit event"),
    }
}

fn tell_change(name: &str, change: &Transition) {
    let (from, to, epoch) = (change.from.as_str(), change.to.as_str(), change.epoch);
    let rule = match &change.cause {
        Cause::Tripped(trip) => Some(trip.rule.as_str()),
        _ => None,
    };
    match change.to {
        State::Open => warn!(
            target: "fusebox",
            circuit = name, from, to, epoch, rule, cause = %change.cause,
            "circuit opened"
        ),
        State::HalfOpen => info!(
            target: "fusebox",
            circuit = name, from, to, epoch, cause = %change.cause,
            "circuit probes"
        ),
        State::Closed => info!(
            target: "fusebox",
            circuit = name, from, to, epoch, cause = %change.cause,
            "circuit closed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CircuitBreaker, Clock};
    use ::tracing::field::{Field, Visit};
    use ::tracing::span::{Attributes, Id, Record};
    use ::tracing::{Metadata, Subscriber, subscriber};
    use fusebox_core::breaker::Mode;
    use std::fmt::{Debug, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let _ = write!(self.0, " {field}={value:?}");
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &::tracing::Event<'_>) {
            let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut line);
            self.0.lock().expect("whole").push(line.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn every_change_is_told_once_with_its_cause_and_calls_are_not() {
        let lines = Lines::default();
        subscriber::with_default(lines.clone(), || {
            let (clock, hand) = Clock::manual();
            let circuit = CircuitBreaker::builder("search").clock(clock).seed(1).build().expect("works");
            circuit.on_event(tell);
            (0..10).for_each(|_| drop(circuit.call(|| Err::<(), _>(()))));
            assert!(circuit.call(|| Ok::<_, ()>(())).is_err());
            hand.advance(Duration::from_secs(3_600));
            (0..3).for_each(|_| drop(circuit.call(|| Ok::<_, ()>(()))));
            circuit.hold(Mode::ForcedOpen, "ann", "maintenance");
            circuit.release();
        });
        let lines = lines.0.lock().expect("whole");
        let expected = [
            ["WARN fusebox message=circuit opened", "rule=\"consecutive_failures\"", "circuit=\"search\""],
            ["INFO fusebox message=circuit probes", "from=\"open\" to=\"half_open\"", "circuit=\"search\""],
            ["INFO fusebox message=circuit closed", "from=\"half_open\" to=\"closed\"", "circuit=\"search\""],
            ["INFO fusebox message=circuit held", "actor=\"ann\"", "reason=\"maintenance\""],
            ["WARN fusebox message=circuit opened", "from=\"closed\" to=\"open\"", "cause="],
            ["INFO fusebox message=circuit released", "actor=\"ann\"", "mode=\"forced_open\""],
            ["INFO fusebox message=circuit closed", "from=\"open\" to=\"closed\"", "cause="],
        ];
        let mut told: Vec<&str> = lines.iter().map(String::as_str).collect();
        for parts in expected {
            let at = told.iter().position(|line| parts.iter().all(|part| line.contains(part)));
            told.remove(at.unwrap_or_else(|| panic!("{parts:?} is not in {told:#?}")));
        }
        assert!(told.is_empty(), "{told:#?}");
    }
}
