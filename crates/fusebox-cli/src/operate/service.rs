//! What a proxy as a whole is told: `reload`, `drain`, `log-level`, and `config`, which only reads.

use super::words::plain;
use super::write;
use crate::admin::Admin;
use crate::args::operate::{Drain, LogLevel, Reload};
use crate::args::queue::actor;
use crate::failure::Failure;
use crate::look::{DOUBTFUL, QUIET};
use crate::output::Output;
use serde_json::{Value, json};

pub(super) async fn reload(admin: Admin, asked: &Reload, output: Output) -> Result<(), Failure> {
    let why = &asked.told.why;
    let body = json!({ "actor": why.actor(), "reason": why.reason, "dry_run": asked.dry_run });
    let answer = admin.done(admin.post("/reload", &body, None).await?)?;
    let (changed, restart) = (texts(&answer["changed"]), texts(&answer["restart_needed"]));
    let mut text = match (changed.is_empty(), asked.dry_run) {
        (true, _) => "nothing to change while it runs\n".to_owned(),
        (false, true) => "would change:\n".into(),
        (false, false) => "changed:\n".into(),
    };
    changed.iter().for_each(|line| text += &format!("  {line}\n"));
    if !restart.is_empty() {
        text += &format!("{}\n", DOUBTFUL.paint("takes effect after a restart only:"));
        restart.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    if asked.dry_run {
        text += &format!("{}\n", QUIET.paint("nothing was done: --dry-run"));
    }
    write(output, &text)
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(plain).collect()
}

pub(super) async fn drain(admin: Admin, asked: &Drain, output: Output) -> Result<(), Failure> {
    let why = &asked.told.why;
    let body = json!({ "actor": why.actor(), "reason": why.reason, "drain": !asked.undo });
    let answer = admin.done(admin.post("/drain", &body, None).await?)?;
    let text = match answer["draining"].as_bool() {
        Some(true) => {
            "draining: /readyz says no, calls that come are made\n  ends with: fusebox drain --undo --reason \"...\"\n"
        }
        _ => "not draining: /readyz says yes\n",
    };
    write(output, text)
}

pub(super) async fn log_level(admin: Admin, asked: &LogLevel, output: Output) -> Result<(), Failure> {
    let answer = match &asked.level {
        None => admin.get("/log-level").await?,
        Some(level) => {
            let body =
                json!({ "actor": actor(asked.actor.as_deref()), "reason": asked.reason, "level": level });
            admin.done(admin.post("/log-level", &body, None).await?)?
        }
    };
    write(output, &format!("{}\n", plain(answer["level"].as_str().unwrap_or("unknown"))))
}

pub(super) async fn config(admin: Admin, output: Output) -> Result<(), Failure> {
    let answer = admin.get("/config").await?;
    let text = answer["text"].as_str().unwrap_or_default();
    let lines: String = text.lines().map(|line| plain(&line.replace('\t', "    ")) + "\n").collect();
    write(output, &lines)
}
