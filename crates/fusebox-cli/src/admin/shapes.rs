//! What the admin interface says, as far as commands read it. A field that an older proxy does not send has the
//! value that says nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A circuit in one row.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) state: String,
    pub(crate) shadow: Option<String>,
    pub(crate) ramp: Option<f64>,
    pub(crate) hold: Option<Hold>,
    pub(crate) revision: String,
    pub(crate) since_seconds_ago: f64,
    pub(crate) not_closed_seconds: f64,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) failure_rate: f64,
    pub(crate) slow_rate: f64,
    pub(crate) window_calls: u64,
    pub(crate) failure_threshold: Option<f64>,
    pub(crate) slow_threshold: Option<f64>,
    pub(crate) minimum_calls: u64,
    pub(crate) hung: u64,
    pub(crate) consecutive_failures: u64,
    pub(crate) consecutive_threshold: Option<u64>,
    pub(crate) probes: Probes,
    pub(crate) rejected_per_second: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) failures_per_second: f64,
    pub(crate) severity: f64,
    pub(crate) spark: Vec<Counts>,
    pub(crate) last: Option<Counts>,
    pub(crate) marks: Vec<Mark>,
}

/// What an operator holds a circuit in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hold {
    pub(crate) mode: String,
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) expires_in_seconds: Option<f64>,
}

/// The half-open phase.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Probes {
    pub(crate) in_flight: u64,
    pub(crate) good: u64,
    pub(crate) bad: u64,
    pub(crate) needed: Option<u64>,
}

/// The calls of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) rejected: u64,
}

/// A transition of the last two minutes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mark {
    pub(crate) at_seconds_ago: f64,
    pub(crate) to: String,
}

/// All circuits in one sentence, and in numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) circuits: u64,
    pub(crate) open: u64,
    pub(crate) half_open: u64,
    pub(crate) held: u64,
    pub(crate) text: String,
}

/// An operator's override that is in force.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Override {
    pub(crate) circuit: String,
    pub(crate) service: String,
    pub(crate) mode: String,
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) expires_in_seconds: Option<f64>,
}

/// How the queues stand together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct QueueBrief {
    pub(crate) depth: u64,
    pub(crate) oldest_age_seconds: Option<f64>,
    pub(crate) dead: u64,
    pub(crate) fill: f64,
    pub(crate) paused: bool,
}

/// The frame that comes first on a connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Snapshot {
    pub(crate) generated_at: String,
    pub(crate) instance: String,
    pub(crate) version: String,
    pub(crate) boot: Value,
    pub(crate) seq: u64,
    pub(crate) first_seq: u64,
    pub(crate) summary: Summary,
    pub(crate) circuits: Vec<Row>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) missed: Vec<LogEvent>,
    pub(crate) lost: u64,
    pub(crate) queue: Option<QueueBrief>,
}

/// The frame that says what has changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Update {
    pub(crate) generated_at: String,
    pub(crate) summary: Summary,
    pub(crate) circuits: Vec<Row>,
    pub(crate) gone: Vec<String>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) queue: Option<QueueBrief>,
}

/// Something that has happened to a circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogEvent {
    pub(crate) seq: u64,
    pub(crate) at: String,
    pub(crate) circuit: String,
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) expires_at: Option<String>,
    pub(crate) retry_at: Option<String>,
    pub(crate) shadow: Option<bool>,
}

/// What has happened to one circuit, the latest first.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    pub(crate) generated_at: String,
    pub(crate) events: Vec<LogEvent>,
    pub(crate) lost: u64,
}

/// The failures of one circuit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Failures {
    pub(crate) generated_at: String,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) calls: Vec<FailedCall>,
}

/// So many failures of this kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Kind {
    pub(crate) kind: String,
    pub(crate) count: u64,
}

/// A call that failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FailedCall {
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) what: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// How long the calls of one circuit take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50_seconds: Option<f64>,
    pub(crate) p90_seconds: Option<f64>,
    pub(crate) p99_seconds: Option<f64>,
    pub(crate) p999_seconds: Option<f64>,
    pub(crate) max_seconds: Option<f64>,
}

/// A circuit before or after an override.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    pub(crate) state: String,
    /// Unknown before it is so.
    pub(crate) revision: Option<String>,
    pub(crate) hold: Option<Hold>,
}

/// What an override has done, or would do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    pub(crate) circuit: String,
    pub(crate) action: String,
    pub(crate) dry_run: bool,
    pub(crate) before: Standing,
    pub(crate) after: Standing,
}

/// Something that an operator has done, or was refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditEntry {
    pub(crate) seq: u64,
    pub(crate) at: String,
    pub(crate) actor: Option<String>,
    pub(crate) peer: Option<String>,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) status: u16,
    pub(crate) result: String,
    pub(crate) detail: Option<String>,
}
