//! What operators change. One order at a time; each is written into the trail before it is carried out.

mod fields;
mod overrides;
mod process;

use super::Admin;
use super::access::Caller;
use super::answer::{Answer, Problem};
use super::asked::Asked;
use super::audit::Draft;
use super::routes::{Place, Route};
use super::wall::Wall;
use fields::Fields;
pub(super) use fields::check_text;
use percent_encoding::percent_decode_str;

/// Characters of the text that says who.
pub(super) const LONGEST_ACTOR: usize = 100;
/// Characters of the text that says why.
pub(super) const LONGEST_REASON: usize = 500;

/// What the trail calls an order before its body has been read.
pub(super) fn named((route, _): (&'static Route, &str)) -> String {
    let name = match route.place {
        Place::Override => "override",
        Place::Reload => "reload",
        Place::Drain => "drain",
        Place::LogLevel => "log_level",
        Place::QueueOrders => "queue",
        _ => "none",
    };
    name.into()
}

impl Admin {
    /// Carries out what is asked of this process or its circuits.
    pub(super) fn order(
        &self,
        place: Place,
        rest: &str,
        (asked, caller): (&Asked<'_>, &Caller),
        draft: &mut Draft,
    ) -> Result<Answer, Problem> {
        let mut fields = Fields::read(asked.body)?;
        who_and_why(&mut fields, caller, draft)?;
        let _one_at_a_time = self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match place {
            Place::Override => self.override_circuit(rest, asked.if_match, fields, draft),
            Place::Reload => self.reload(fields, draft),
            Place::Drain => self.drain(fields, draft),
            _ => self.set_log_level(fields, draft),
        }
    }

    /// Writes down what is about to be done, or would be in a dry run. If that fails, it is not done.
    pub(super) fn write_down(&self, draft: &Draft, dry_run: bool) -> Result<(), Problem> {
        let wall = Wall::read(self.registry.clock().now());
        let draft = Draft {
            at: wall.rfc3339(wall.now()),
            status: 200,
            result: if dry_run { "dry_run" } else { "done" },
            ..draft.clone()
        };
        self.audit.write(draft).map_err(|error| {
            let detail = format!("nothing was changed: failed to write it into the audit trail: {error}");
            Problem::unavailable("audit-unavailable", detail)
        })
    }
}

/// Takes `actor` and `reason`.
fn who_and_why(fields: &mut Fields, caller: &Caller, draft: &mut Draft) -> Result<(), Problem> {
    let said = fields.text_if_there("actor", LONGEST_ACTOR)?;
    draft.actor = Some(actor(said, caller.name.as_deref())?);
    draft.reason = Some(fields.text("reason", LONGEST_REASON)?);
    Ok(())
}

/// Who it is, as they say and as their token says. A token's name has no brackets, so that its part cannot be made up.
pub(super) fn actor(said: Option<String>, token: Option<&str>) -> Result<String, Problem> {
    match (said, token) {
        (Some(said), _) if said.contains("(token ") => {
            Err(Problem::bad_field(format!("actor: found {said:?}, accepted: a text without \"(token \"")))
        }
        (Some(said), Some(token)) if said != token => Ok(format!("{said} (token {token})")),
        (Some(said), _) => Ok(said),
        (None, Some(token)) => Ok(token.into()),
        (None, None) => Err(fields::missing("actor", LONGEST_ACTOR)),
    }
}

/// A circuit's name as it stands in a path.
fn decoded(rest: &str) -> String {
    percent_decode_str(rest).decode_utf8_lossy().chars().take(300).collect()
}
