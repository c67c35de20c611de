//! A line for every change of a circuit.

use fusebox::event::{Event, Transition};
use fusebox::{Clock, Registry, Time};
use std::sync::Arc;

/// Takes a line, without its newline.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Tells `sink` every change of every circuit.
pub(crate) fn keep(registry: &Registry, sink: Sink) {
    let clock = registry.clock().clone();
    registry.subscribe(Arc::new(move |circuit, event| {
        if let Some(line) = line(circuit, event, &clock) {
            sink(&line);
        }
    }));
}

fn line(circuit: &str, event: &Event, clock: &Clock) -> Option<String> {
    let told = match event {
        Event::Transition(change) => transition(change, clock),
        Event::Held(hold) => format!("held {} by {}: {}", hold.mode.as_str(), hold.actor, hold.reason),
        Event::Released(_) => "released".into(),
        Event::Reconfigured { .. } => "runs on new settings".into(),
        Event::InternalFault { total, .. } => {
            format!("met a fault inside fusebox ({total} so far); the call went through")
        }
        _ => return None,
    };
    Some(format!("fusebox: circuit {circuit} {told}"))
}

fn transition(change: &Transition, clock: &Clock) -> String {
    let told = format!("{} → {}: {}", change.from, change.to, change.cause);
    match change.retry_at {
        Time::NEVER => told,
        at => format!("{told}; probes in {:.1} s", at.since(clock.now()).as_secs_f64()),
    }
}
