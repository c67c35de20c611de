//! The commands that look at a running proxy, and tell it what to do.

mod audit;
mod circuits;
mod events;
pub(crate) mod holds;
pub(crate) mod one;
mod service;
pub(crate) mod words;

pub(crate) use circuits::worst_first;

use crate::admin::Admin;
use crate::args::operate::{
    AuditCommand, Circuits, Drain, Events, LogLevel, OverrideCommand, Overrides, Reach, Reload,
};
use crate::failure::Failure;
use crate::output::Output;
use serde::Serialize;
use std::io;

/// `fusebox circuits`
pub(crate) fn circuits(arguments: &Circuits, output: Output) -> Result<(), Failure> {
    let admin = arguments.reach.admin(output)?;
    block_on(circuits::run(&admin, arguments, output))
}

/// `fusebox events`
pub(crate) fn events(arguments: &Events, output: Output) -> Result<(), Failure> {
    let admin = arguments.reach.admin(output)?;
    block_on(events::run(admin, arguments, output))
}

/// `fusebox override ...`
pub(crate) fn overrides(arguments: &Overrides, output: Output) -> Result<(), Failure> {
    let admin = arguments.reach.admin(output)?;
    block_on(async {
        match &arguments.command {
            OverrideCommand::List { output: shape } => holds::list(&admin, *shape, output).await,
            command => holds::run(&admin, command, output).await,
        }
    })
}

/// `fusebox audit ...`
pub(crate) fn audit(command: &AuditCommand, output: Output) -> Result<(), Failure> {
    block_on(audit::run(command, output))
}

/// `fusebox reload`
pub(crate) fn reload(arguments: &Reload, output: Output) -> Result<(), Failure> {
    asked(&arguments.told.reach, output, |admin| service::reload(admin, arguments, output))
}

/// `fusebox drain`
pub(crate) fn drain(arguments: &Drain, output: Output) -> Result<(), Failure> {
    asked(&arguments.told.reach, output, |admin| service::drain(admin, arguments, output))
}

/// `fusebox log-level`
pub(crate) fn log_level(arguments: &LogLevel, output: Output) -> Result<(), Failure> {
    asked(&arguments.reach, output, |admin| service::log_level(admin, arguments, output))
}

/// `fusebox config`
pub(crate) fn config(reach: &Reach, output: Output) -> Result<(), Failure> {
    asked(reach, output, |admin| service::config(admin, output))
}

fn asked<F: Future<Output = Result<(), Failure>>>(
    reach: &Reach,
    output: Output,
    ask: impl FnOnce(Admin) -> F,
) -> Result<(), Failure> {
    let admin = reach.admin(output)?;
    block_on(ask(admin))
}

/// Runs it to its end on this thread.
pub(crate) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(cannot_start)?.block_on(work)
}

fn cannot_start(error: io::Error) -> Failure {
    Failure::Run(format!("cannot start: {error}"))
}

fn write(output: Output, text: &str) -> Result<(), Failure> {
    if output.write(text) { Ok(()) } else { Err(Failure::Unheard) }
}

/// Indented, for people who look at JSON too.
fn pretty(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}
