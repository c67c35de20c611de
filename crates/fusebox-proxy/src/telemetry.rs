//! Metrics, pushed to where the configuration says.

use crate::bind::StartError;
use crate::config::OtlpPlan;
use crate::journal::Journal;
use fusebox::admin::{Admin, Level};
use fusebox::otlp::{Config, Exporter};
use std::fs;

/// Begins to push what `admin` tells; what becomes of it is said in `journal` when it changes.
pub(crate) fn export(plan: &OtlpPlan, admin: &Admin, journal: &Journal) -> Result<Exporter, StartError> {
    let config = Config {
        interval: plan.interval,
        timeout: plan.timeout,
        headers: headers(plan)?,
        service_name: plan.service_name.clone(),
        resource: plan.resource.clone(),
        ..Config::to(&plan.endpoint)
    };
    let journal = journal.clone();
    admin.export(config, move |line| journal.say(Level::Warn, line)).map_err(StartError::Export)
}

/// `name: value`, a line each. Nothing of a value is ever told.
fn headers(plan: &OtlpPlan) -> Result<Vec<(String, String)>, StartError> {
    let Some(path) = &plan.headers_file else { return Ok(Vec::new()) };
    let refuse = |why: String| StartError::Headers { path: path.clone(), why };
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let header = |(number, line): (usize, &str)| {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| refuse(format!("line {} has no colon, accepted: name: value", number + 1)))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines.map(header).collect()
}
