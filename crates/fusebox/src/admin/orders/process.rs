//! What is asked of the process itself.

use super::Fields;
use crate::admin::answer::{Answer, Problem};
use crate::admin::audit::Draft;
use crate::admin::{Admin, Level, Reloaded};
use serde_json::json;

impl Admin {
    /// Tried dry first, so that the trail tells what it changes before it does.
    pub(super) fn reload(&self, mut fields: Fields, draft: &mut Draft) -> Result<Answer, Problem> {
        let dry_run = fields.dry_run()?;
        fields.done("actor, reason, dry_run")?;
        let foreseen = self.reloaded(true)?;
        draft.after = Some(json!(foreseen));
        self.write_down(draft, dry_run)?;
        let Reloaded { changed, restart_needed } = if dry_run { foreseen } else { self.reloaded(false)? };
        let told = json!({ "dry_run": dry_run, "changed": changed, "restart_needed": restart_needed });
        Ok(Answer::json(200, &told))
    }

    fn reloaded(&self, dry_run: bool) -> Result<Reloaded, Problem> {
        match self.controls.reload(dry_run) {
            None => Err(Problem::not_here("it has no configuration of its own to read again")),
            Some(Ok(reloaded)) => Ok(reloaded),
            Some(Err(errors)) => {
                let detail = format!("the configuration in force stays: {}", errors.join("; "));
                Err(Problem::bad_field(detail).and("errors", errors))
            }
        }
    }

    pub(super) fn drain(&self, mut fields: Fields, draft: &mut Draft) -> Result<Answer, Problem> {
        let drain = fields.flag("drain")?;
        let missing =
            || Problem::bad_field("drain: found nothing, accepted: true or false").and("field", "drain");
        let drain = drain.ok_or_else(missing)?;
        fields.done("actor, reason, drain")?;
        let not_here = || Problem::not_here("it takes no calls of its own");
        let before = self.controls.draining().ok_or_else(not_here)?;
        draft.before = Some(json!({ "draining": before }));
        draft.after = Some(json!({ "draining": drain }));
        self.write_down(draft, false)?;
        let draining = self.controls.drain(drain).ok_or_else(not_here)?;
        Ok(Answer::json(200, &json!({ "draining": draining })))
    }

    pub(super) fn set_log_level(&self, mut fields: Fields, draft: &mut Draft) -> Result<Answer, Problem> {
        let level = fields.word("level", Level::named, "error, warn, info or debug")?;
        fields.done("actor, reason, level")?;
        let not_here = || Problem::not_here("its log has no level to change");
        let before = self.controls.log_level().ok_or_else(not_here)?;
        draft.before = Some(json!({ "level": before }));
        draft.after = Some(json!({ "level": level }));
        self.write_down(draft, false)?;
        let level = self.controls.set_log_level(level).ok_or_else(not_here)?;
        Ok(Answer::json(200, &json!({ "level": level })))
    }
}
