//! `POST /overrides/{name}`: a hold, a reset, a release.

use super::{Fields, decoded};
use crate::CircuitBreaker;
use crate::admin::Admin;
use crate::admin::answer::{Answer, Problem};
use crate::admin::audit::Draft;
use crate::admin::circuits::{HoldShown, revision};
use crate::admin::wall::Wall;
use crate::breaker::{DEFAULT_HOLD, Hold, Mode, Snapshot, State};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a hold lasts at least and at most, in seconds.
const LASTING: (f64, f64) = (1.0, 86_400.0);
const FIELDS: &str = "action, actor, reason, ttl_seconds, dry_run";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Hold(Mode),
    Reset,
    Release,
}

impl Action {
    const ALL: [(&str, Action); 6] = [
        ("force_open", Action::Hold(Mode::ForcedOpen)),
        ("force_closed", Action::Hold(Mode::ForcedClosed)),
        ("disable", Action::Hold(Mode::Disabled)),
        ("shadow", Action::Hold(Mode::Shadow)),
        ("reset", Action::Reset),
        ("release", Action::Release),
    ];

    fn named(name: &str) -> Option<(&'static str, Action)> {
        Action::ALL.into_iter().find(|(known, _)| *known == name)
    }
}

/// How a circuit stands, as far as an order changes it.
#[derive(Debug, Serialize)]
struct Standing {
    state: &'static str,
    /// `None` where it would only be known once it is so.
    revision: Option<String>,
    hold: Option<HoldShown>,
}

#[derive(Serialize)]
struct Carried<'a> {
    circuit: &'a str,
    action: &'a str,
    dry_run: bool,
    before: &'a Value,
    after: &'a Value,
}

impl Admin {
    pub(super) fn override_circuit(
        &self,
        rest: &str,
        if_match: Option<&str>,
        mut fields: Fields,
        draft: &mut Draft,
    ) -> Result<Answer, Problem> {
        draft.target = Some(decoded(rest));
        let accepted = "force_open, force_closed, disable, shadow, reset or release";
        let (name, action) = fields.word("action", Action::named, accepted)?;
        draft.action = name.into();
        let ttl = lasting(&mut fields, name, action)?;
        let dry_run = fields.dry_run()?;
        fields.done(FIELDS)?;
        let circuit = self.find(rest)?;
        let wall = Wall::read(circuit.clock().now());
        let snapshot = circuit.core().snapshot(wall.now());
        let found = revision(&snapshot);
        if let Some(expected) = if_match.filter(|expected| !names(expected, &found)) {
            return Err(Problem::stale(expected, &found));
        }
        let (actor, reason) = (draft.actor.clone(), draft.reason.clone());
        let hold = |mode| Hold {
            mode,
            actor: actor.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            expires: wall.now() + ttl,
        };
        let ahead = foreseen(action, hold, &circuit, snapshot.clone(), &wall);
        draft.expires_at = ahead.hold.as_deref().and_then(|hold| wall.rfc3339(hold.expires));
        let before = shown(&snapshot, Some(found.clone()), &wall);
        let unchanged = action == Action::Release && snapshot.hold.is_none();
        let after = shown(&ahead, unchanged.then(|| found.clone()), &wall);
        (draft.before, draft.after) = (Some(before.clone()), Some(after.clone()));
        self.write_down(draft, dry_run)?;
        let (after, tag) = if dry_run {
            (after, found)
        } else {
            carry_out(action, &circuit, ahead.hold, &wall);
            let wall = Wall::read(circuit.clock().now());
            let now = circuit.core().snapshot(wall.now());
            (shown(&now, Some(revision(&now)), &wall), revision(&now))
        };
        let carried =
            Carried { circuit: circuit.name(), action: name, dry_run, before: &before, after: &after };
        Ok(Answer::json(200, &carried).with("etag", format!("\"{tag}\"")))
    }
}

fn lasting(fields: &mut Fields, name: &str, action: Action) -> Result<Duration, Problem> {
    let ttl = fields.number("ttl_seconds", LASTING)?;
    match (ttl, action) {
        (Some(ttl), Action::Reset | Action::Release) => {
            let detail = format!("ttl_seconds: found {ttl}, accepted: nothing, since {name} does not last");
            Err(Problem::bad_field(detail).and("field", "ttl_seconds"))
        }
        (ttl, _) => Ok(ttl.map_or(DEFAULT_HOLD, Duration::from_secs_f64)),
    }
}

/// Whether an `If-Match` header names this revision.
fn names(header: &str, revision: &str) -> bool {
    let is_it = |tag: &str| {
        tag == "*" || tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(revision)
    };
    header.split(',').map(str::trim).any(is_it)
}

fn carry_out(action: Action, circuit: &CircuitBreaker, hold: Option<Arc<Hold>>, wall: &Wall) {
    match (action, hold) {
        (Action::Hold(_), Some(hold)) => circuit.core().hold(Arc::unwrap_or_clone(hold), wall.now()),
        (Action::Hold(_), None) | (Action::Release, _) => circuit.release(),
        (Action::Reset, _) => circuit.reset(),
    }
}

/// How the circuit will stand.
fn foreseen(
    action: Action,
    hold: impl FnOnce(Mode) -> Hold,
    circuit: &CircuitBreaker,
    now: Snapshot,
    wall: &Wall,
) -> Snapshot {
    match action {
        Action::Hold(mode) => Snapshot { state: mode.state(), hold: Some(Arc::new(hold(mode))), ..now },
        Action::Reset => Snapshot { state: State::Closed, hold: None, ..now },
        Action::Release => Snapshot { state: released(circuit, &now, wall), hold: None, ..now },
    }
}

/// The state under the hold.
fn released(circuit: &CircuitBreaker, now: &Snapshot, wall: &Wall) -> State {
    let mode = now.hold.as_deref().map(|hold| hold.mode);
    match mode {
        None => now.state,
        Some(Mode::Disabled | Mode::ForcedClosed) => State::Closed,
        Some(Mode::Shadow) => now.shadow.unwrap_or(State::Closed),
        Some(Mode::ForcedOpen) => match circuit.core().save(wall.now()) {
            saved if saved.state != State::Open => State::Closed,
            // Its wait is over, so that the next caller probes.
            saved if saved.left_nanos == 0 => State::HalfOpen,
            _ => State::Open,
        },
    }
}

fn shown(snapshot: &Snapshot, revision: Option<String>, wall: &Wall) -> Value {
    let hold = snapshot.hold.as_deref().map(|hold| HoldShown::new(hold, wall));
    let standing = Standing { state: snapshot.state.as_str(), revision, hold };
    // Plain structs: see `answer::encoded`.
    serde_json::to_value(standing).expect("plain structs serialize")
}
