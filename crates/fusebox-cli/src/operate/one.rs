//! Everything about one circuit.

use super::circuits::row;
use super::words::{self, Face};
use crate::admin::shapes::{FailedCall, Failures, History, Latency, LogEvent, Row};
use crate::admin::{Admin, in_path, understood};
use crate::failure::Failure;
use crate::look::{self, HEAD, QUIET};
use crate::table::table;
use serde_json::{Value, json};
use std::time::Duration;

/// Events that are shown.
const EVENTS: usize = 20;
const WIDTH: usize = 80;

/// A circuit, as four answers tell it.
#[derive(Clone, Debug)]
pub(crate) struct All {
    pub(crate) row: Row,
    pub(crate) history: History,
    pub(crate) failures: Failures,
    pub(crate) latency: Latency,
    raw: [Value; 4],
}

/// Reads all about the circuit `name`.
pub(crate) async fn read(admin: &Admin, name: &str) -> Result<All, Failure> {
    let path = in_path(name);
    let circuit = admin.get(&format!("/circuits/{path}")).await?;
    let history = admin.get(&format!("/history/{path}?limit={EVENTS}")).await?;
    let failures = admin.get(&format!("/failures/{path}")).await?;
    let latency = admin.get(&format!("/latency/{path}")).await?;
    All::of([circuit, history, failures, latency])
}

impl All {
    /// The answers to the four questions, as what they are.
    pub(crate) fn of(raw: [Value; 4]) -> Result<All, Failure> {
        let [circuit, history, failures, latency] = raw.clone();
        Ok(All {
            row: row(circuit)?,
            history: understood(history)?,
            failures: understood(failures)?,
            latency: understood(latency)?,
            raw,
        })
    }

    pub(super) fn json(&self) -> Value {
        let [circuit, history, failures, latency] = &self.raw;
        json!({ "circuit": circuit, "history": history, "failures": failures, "latency": latency })
    }
}

/// It, as text.
pub(super) fn show(all: &All) -> String {
    let row = &all.row;
    let mut text = format!("{}  {}\n", Face::of(row).painted(), HEAD.paint(words::plain(&row.name)));
    let mut line = |name: &str, value: String| text += &format!("  {name:12}{value}\n");
    for (name, value) in standing(row) {
        let mut lines = look::wrapped(&value, WIDTH - 14).into_iter();
        line(name, lines.next().unwrap_or_default());
        lines.for_each(|more| line("", more));
    }
    line("latency", latency(&all.latency));
    text += &failures(&all.failures);
    text += &history(&all.history);
    text += &settings(&all.raw[0]["settings"]);
    text
}

/// How a circuit stands, in lines with a name.
pub(crate) fn standing(row: &Row) -> Vec<(&'static str, String)> {
    let span = |seconds| words::span(words::seconds(seconds));
    let mut lines = vec![("for", span(row.since_seconds_ago))];
    if row.not_closed_seconds > row.since_seconds_ago + 1.0 {
        lines.push(("not closed", format!("for {}", span(row.not_closed_seconds))));
    }
    if row.hold.is_none() && row.state != "closed" {
        lines.push(("next try", words::next(row, Duration::ZERO)));
    }
    lines.extend(row.reason.as_deref().map(|why| ("because", words::plain(why))));
    if let Some(hold) = &row.hold {
        let left = words::left(hold, Duration::ZERO).map(|left| format!(", ends in {}", words::span(left)));
        let who = format!("{} by {}{}", hold.mode.replace('_', " "), hold.actor, left.unwrap_or_default());
        lines.push(("held", words::plain(&who)));
    }
    let measured = match row.window_calls {
        0 => "no calls in the window".into(),
        calls => format!("failed {}, slow {}, of {calls} calls", words::failures(row).0, words::slow(row).0),
    };
    let row_of = row.consecutive_threshold.map(|limit| format!("/{limit}")).unwrap_or_default();
    lines.push(("measured", format!("{measured}; {}{row_of} failures in a row", row.consecutive_failures)));
    if row.hung > 0 {
        lines.push(("hung", look::count(row.hung as usize, "call")));
    }
    let per_second =
        [row.calls_per_second, row.failures_per_second, row.rejected_per_second].map(words::rate);
    let [calls, failed, rejected] = per_second;
    lines.push(("per second", format!("{calls} calls, {failed} failed, {rejected} rejected")));
    lines.push(("service", words::plain(&row.service)));
    lines.push(("revision", words::plain(&row.revision)));
    lines
}

/// The percentiles.
pub(crate) fn latency(latency: &Latency) -> String {
    if latency.count == 0 {
        return "no call measured".into();
    }
    let told = [
        ("p50", latency.p50_seconds),
        ("p90", latency.p90_seconds),
        ("p99", latency.p99_seconds),
        ("p99.9", latency.p999_seconds),
        ("max", latency.max_seconds),
    ];
    let told = told.map(|(name, seconds)| format!("{name} {}", words::latency(seconds)));
    format!("{} ({} calls)", told.join("  "), latency.count)
}

fn failures(failures: &Failures) -> String {
    let mut text = format!("\n{}\n", HEAD.paint("FAILURES"));
    text += &format!("  {}\n", kinds(failures));
    if failures.calls.is_empty() {
        return text;
    }
    let row = |call: &FailedCall| failed_call(call, &failures.generated_at).to_vec();
    let rows: Vec<_> = failures.calls.iter().map(row).collect();
    for line in table(&["AGO", "KIND", "TOOK", "CALL", "ENDPOINT", "TRACE"], &rows).lines() {
        text += &format!("  {line}\n");
    }
    text
}

/// The failures by kind, in a line.
pub(crate) fn kinds(failures: &Failures) -> String {
    if failures.kinds.is_empty() {
        return "none".into();
    }
    let told = failures.kinds.iter().map(|kind| format!("{} ×{}", words::plain(&kind.kind), kind.count));
    told.collect::<Vec<_>>().join(", ")
}

/// A call that failed, as cells.
pub(crate) fn failed_call(call: &FailedCall, now: &str) -> [String; 6] {
    let or_dash = |text: &Option<String>| text.as_deref().map_or("-".into(), words::plain);
    [
        words::between(&call.at, now).map_or_else(|| words::time_of_day(&call.at), words::span),
        words::plain(&call.kind),
        words::latency(call.duration_seconds),
        or_dash(&call.what),
        or_dash(&call.endpoint),
        or_dash(&call.trace_id),
    ]
}

fn history(history: &History) -> String {
    let mut text = format!("\n{} {}\n", HEAD.paint("HISTORY"), QUIET.paint("(UTC, the latest first)"));
    if history.events.is_empty() {
        text += "  nothing has happened\n";
    }
    for event in &history.events {
        let mut lines = look::wrapped(&happened(event), WIDTH - 12).into_iter();
        let first = lines.next().unwrap_or_default();
        text += &format!("  {}  {first}\n", QUIET.paint(words::time_of_day(&event.at)));
        lines.for_each(|more| text += &format!("            {more}\n"));
    }
    if history.lost > 0 {
        text += &format!("  {}\n", QUIET.paint(format!("{} older ones are no longer known", history.lost)));
    }
    text
}

/// What has happened, without when and to whom.
pub(crate) fn happened(event: &LogEvent) -> String {
    let by =
        |event: &LogEvent| event.actor.as_deref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let why = |text: &Option<String>| text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    let until = event.expires_at.as_deref().map(|at| format!(", until {}", words::time_of_day(at)));
    let mode = event.mode.as_deref().unwrap_or("held").replace('_', " ");
    let said = match event.kind.as_str() {
        "transition" => {
            let state = |state: &Option<String>| words::word(state.as_deref().unwrap_or("?"));
            let shadow = if event.shadow == Some(true) { " (shadow)" } else { "" };
            let next = event.retry_at.as_deref().and_then(|at| words::between(&event.at, at));
            let next = next.map(|wait| format!("; probes in {}", words::span(wait))).unwrap_or_default();
            format!("{} → {}{shadow}{}{next}", state(&event.from), state(&event.to), why(&event.cause))
        }
        "held" => format!("{mode}{}{}{}", by(event), until.unwrap_or_default(), why(&event.reason)),
        "released" => format!("released{}{}", by(event), why(&event.reason)),
        "reconfigured" => format!("runs on new settings{}", why(&event.cause)),
        "fault" => format!("internal fault of fusebox{}", why(&event.cause)),
        other => format!("{other}{}", why(&event.cause)),
    };
    words::plain(&said)
}

fn settings(settings: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", settings, &mut lines);
    let mut text = format!("\n{}\n", HEAD.paint("SETTINGS"));
    for (name, value) in lines {
        text += &format!("  {name:34}{value}\n");
    }
    text
}

/// The leaves of `value`, each with the way to it; what is off is left out.
fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, lines);
            }
        }
        Value::Null => {}
        Value::String(text) => lines.push((path.into(), words::plain(text))),
        other => lines.push((path.into(), other.to_string())),
    }
}
