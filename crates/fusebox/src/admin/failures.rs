//! `/failures/{name}`: in which ways a circuit's attempts failed, and the last ones that did. The field names are a contract;
//! `docs/admin.md` has them all.

use crate::CircuitBreaker;
use crate::admin::wall::Wall;
use crate::record::{FailedCall, Record};
use serde::Serialize;

/// Of one circuit.
pub(super) fn one(circuit: &CircuitBreaker) -> impl Serialize + use<> {
    let wall = Wall::read(circuit.clock().now());
    let seen = circuit.record().map(Record::snapshot);
    let kinds = seen.iter().flat_map(|seen| seen.kinds()).map(|(kind, count)| Kind {
        kind: kind.map_or_else(|| "other".into(), |kind| kind.to_string()),
        count: *count,
    });
    Failures {
        generated_at: wall.rfc3339(wall.now()),
        name: circuit.name().to_string(),
        kinds: kinds.collect(),
        calls: seen.iter().flat_map(|seen| seen.calls()).map(|call| Call::new(call, &wall)).collect(),
    }
}

#[derive(Serialize)]
struct Failures {
    generated_at: Option<String>,
    name: String,
    kinds: Vec<Kind>,
    calls: Vec<Call>,
}

#[derive(Serialize)]
struct Kind {
    kind: String,
    count: u64,
}

#[derive(Serialize)]
struct Call {
    at: Option<String>,
    kind: String,
    duration_seconds: f64,
    what: Option<String>,
    endpoint: Option<String>,
    trace_id: Option<String>,
}

impl Call {
    fn new(call: &FailedCall, wall: &Wall) -> Call {
        Call {
            at: wall.rfc3339(call.at),
            kind: call.kind.to_string(),
            duration_seconds: call.took.as_secs_f64(),
            what: call.what.as_deref().map(Into::into),
            endpoint: call.endpoint.as_deref().map(Into::into),
            trace_id: call.trace.map(|trace| trace.to_string()),
        }
    }
}
