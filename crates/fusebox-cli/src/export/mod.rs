//! `fusebox export`: what other programs are to know of a configuration.

mod alerts;
mod circuits;
mod grafana;
mod mesh;
mod yaml;

use crate::args::export::{Export, Exported, From};
use crate::failure::Failure;
use crate::output::Output;
use crate::source;
use fusebox_proxy::config::{DEFAULT_ADMIN, DEFAULT_LISTENER, Plan};
use mesh::{envoy, istio, linkerd};
use std::path::Path;

/// Stands for whatever is protected when there is no file; its name stands nowhere.
const ANYTHING: &str = "http://127.0.0.1:1";

/// Writes what was asked for.
pub(crate) fn run(export: &Export, output: Output) -> Result<(), Failure> {
    let (text, out) = match &export.what {
        Exported::Alerts { from, runbooks } => {
            let (plan, anything) = measured(from)?;
            (alerts::rules(&plan, anything, runbooks), &from.out)
        }
        Exported::Grafana { from } => {
            let (plan, anything) = measured(from)?;
            (grafana::dashboard(&plan, anything), &from.out)
        }
        Exported::Envoy { file, out } => (envoy::bootstrap(&source::file(file)?), out),
        Exported::Istio { file, out } => (istio::resources(&source::file(file)?), out),
        Exported::Linkerd { file, out } => (linkerd::resources(&source::file(file)?), out),
    };
    match out {
        Some(path) => write(path, &text),
        None => {
            output.write(&text);
            Ok(())
        }
    }
}

/// The plan whose metrics are meant, and whether it stands for any.
fn measured(from: &From) -> Result<(Plan, bool), Failure> {
    let Some(file) = from.file.as_ref().or(from.config.as_ref()) else {
        let urls = [ANYTHING.to_owned()];
        let refused = |errors| Failure::Configuration { what: "the default".into(), errors };
        let plan = Plan::for_upstreams(&urls, DEFAULT_LISTENER, DEFAULT_ADMIN).map_err(refused)?;
        return Ok((plan, true));
    };
    let plan = source::file(file)?;
    if plan.admin.is_none() {
        let file = file.display();
        return Err(Failure::Usage(format!(
            "{file} switches the admin interface off, so there are no metrics: accepted is [admin] with listen = \"{DEFAULT_ADMIN}\""
        )));
    }
    Ok((plan, false))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::Run(format!("cannot write {}: {error}", path.display())))
}
