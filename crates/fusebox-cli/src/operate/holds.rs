//! `fusebox override`: what operators hold by hand.

use super::words::{self, Face};
use super::{pretty, write};
use crate::admin::shapes::{Done, Override, Row, Standing};
use crate::admin::{Admin, Answer, in_path, understood};
use crate::args::operate::{Act, Hold, OverrideCommand, Shape};
use crate::failure::Failure;
use crate::look::QUIET;
use crate::output::Output;
use crate::table::table;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// What is sent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) action: &'static str,
    pub(crate) actor: String,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_seconds: Option<u64>,
    pub(crate) dry_run: bool,
}

pub(super) async fn run(admin: &Admin, command: &OverrideCommand, output: Output) -> Result<(), Failure> {
    let (action, act, span) = match command {
        OverrideCommand::ForceOpen(hold) => held("force_open", hold),
        OverrideCommand::ForceClosed(hold) => held("force_closed", hold),
        OverrideCommand::Disable(hold) => held("disable", hold),
        OverrideCommand::Shadow(hold) => held("shadow", hold),
        OverrideCommand::Reset(act) => ("reset", act, None),
        OverrideCommand::Release(act) => ("release", act, None),
        OverrideCommand::List { output: shape } => return list(admin, *shape, output).await,
    };
    let sent = Order {
        action,
        actor: act.why.actor(),
        reason: act.why.reason.clone(),
        ttl_seconds: span.map(|span| span.as_secs()),
        dry_run: act.dry_run,
    };
    let done = order(admin, &act.circuit, &sent, act.if_match.as_deref()).await?;
    write(output, &told(&done, &act.circuit))
}

fn held<'a>(action: &'static str, hold: &'a Hold) -> (&'static str, &'a Act, Option<Duration>) {
    (action, &hold.act, Some(hold.span))
}

/// Does it to the circuit, if it still is at `revision`.
pub(crate) async fn order(
    admin: &Admin,
    circuit: &str,
    order: &Order,
    revision: Option<&str>,
) -> Result<Done, Failure> {
    let answer = admin.post(&format!("/overrides/{}", in_path(circuit)), order, revision).await?;
    if answer.status == StatusCode::PRECONDITION_FAILED {
        return Err(stale(admin, circuit, revision, &answer).await);
    }
    understood(admin.done(answer)?)
}

/// It has changed in between: how it stands now, so that the decision can be made again.
async fn stale(admin: &Admin, circuit: &str, asked: Option<&str>, answer: &Answer) -> Failure {
    let now = match admin.read_at::<Row>(&format!("/circuits/{}", in_path(circuit))).await {
        Err(_) => answer.body["detail"].as_str().map(words::plain).unwrap_or_default(),
        Ok(row) => {
            let why = row.reason.as_deref().map(|why| format!(" ({})", words::plain(why)));
            let (face, revision) = (Face::of(&row), words::plain(&row.revision));
            format!("now it is {} at revision {revision}{}", face.word, why.unwrap_or_default())
        }
    };
    let asked = asked.unwrap_or_default();
    Failure::Run(format!("nothing was done: {circuit} has changed since revision {asked}; {now}"))
}

/// What was done, or would be, and how it is ended.
fn told(done: &Done, circuit: &str) -> String {
    let would = if done.dry_run { "would be" } else { "is now" };
    let (before, after) = (standing(&done.before), standing(&done.after));
    let mut text = format!("{}: {before} → {after}\n", words::plain(circuit));
    let mut line = |line: String| text += &format!("  {line}\n");
    match &done.after.hold {
        Some(hold) => {
            let left = words::left(hold, Duration::ZERO).map(words::span);
            let until = hold.expires_at.as_deref().map(words::time_of_day);
            if let (Some(left), Some(until)) = (left, until) {
                line(format!("{would} held for {left}, until {until} UTC"));
            }
            if !done.dry_run {
                let name = quoted(circuit);
                line(format!("ends at once with: fusebox override release {name} --reason \"...\""));
            }
        }
        None => line(format!("{would} deciding for itself")),
    }
    if done.dry_run {
        line(QUIET.paint("nothing was done: --dry-run"));
    } else if let Some(revision) = &done.after.revision {
        line(QUIET.paint(format!("revision {}", words::plain(revision))));
    }
    text
}

fn standing(standing: &Standing) -> String {
    let face = match &standing.hold {
        Some(hold) => Face::held(&hold.mode),
        None => Face::state(&standing.state),
    };
    face.painted()
}

/// A name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,[]".contains(c);
    match !name.is_empty() && name.chars().all(is_safe) && !name.contains(['[', ']']) {
        true => name.into(),
        false => format!("'{}'", words::plain(name).replace('\'', "'\\''")),
    }
}

pub(super) async fn list(admin: &Admin, shape: Shape, output: Output) -> Result<(), Failure> {
    let answer = admin.get("/overrides").await?;
    if shape == Shape::Json {
        return write(output, &pretty(&answer));
    }
    let held: Vec<Override> = understood(answer.get("overrides").cloned().unwrap_or(Value::Array(vec![])))?;
    if held.is_empty() {
        return write(output, "no circuit is held by hand\n");
    }
    let row = |held: &Override| {
        vec![
            Face::held(&held.mode).painted(),
            words::plain(&held.circuit),
            held.expires_in_seconds.map_or("-".into(), |left| words::span(words::seconds(left))),
            words::plain(&held.actor),
            words::plain(&held.reason),
        ]
    };
    let rows: Vec<_> = held.iter().map(row).collect();
    write(output, &table(&["HELD", "CIRCUIT", "ENDS IN", "WHO", "WHY"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn an_override_says_what_changed_when_it_ends_and_how_to_end_it() {
        let answer = json!({
            "circuit": "pay ments", "action": "force_open", "dry_run": false,
            "before": {"state": "closed", "revision": "1", "hold": null},
            "after": {"state": "open", "revision": "2", "hold": {
                "mode": "forced_open", "actor": "ann", "reason": "x",
                "expires_at": "2026-03-01T09:45:00.000Z", "expires_in_seconds": 900.0
            }},
        });
        let text = plain(&told(&understood(answer).expect("an answer"), "pay ments"));
        assert_eq!(
            text,
            "pay ments: ● closed → ◆ FORCED OPEN\n  is now held for 15m00s, until 09:45:00 UTC\n  \
             ends at once with: fusebox override release 'pay ments' --reason \"...\"\n  revision 2\n"
        );
    }

    #[test]
    fn names_survive_a_shell() {
        assert_eq!(quoted("payments/127.0.0.1:7001"), "payments/127.0.0.1:7001");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("a[b]"), "'a[b]'");
        assert_eq!(quoted(""), "''");
    }
}
