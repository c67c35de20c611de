//! `fusebox check` and `fusebox explain`: what a configuration says, without starting anything.

use crate::failure::Failure;
use crate::look;
use crate::output::Output;
use crate::source;
use fusebox_proxy::config::Plan;
use std::path::Path;

/// Says that the file can work, and what is doubtful about it.
pub(crate) fn check(file: &Path, output: Output) -> Result<(), Failure> {
    let plan = source::file(file)?;
    output.say(format!("{} {}: {}", look::GOOD.paint("ok"), file.display(), summary(&plan)));
    for warning in &plan.warnings {
        output.say(look::warning(warning));
    }
    Ok(())
}

/// Shows the chain of each service and route.
pub(crate) fn explain(file: &Path, output: Output) -> Result<(), Failure> {
    output.write(&source::file(file)?.explain());
    Ok(())
}

fn summary(plan: &Plan) -> String {
    let endpoints = plan.services.iter().map(|service| service.endpoints.len()).sum();
    let routes = plan.services.iter().map(|service| service.routes.len()).sum();
    let counted = [
        look::count(plan.services.len(), "service"),
        look::count(endpoints, "endpoint"),
        look::count(routes, "route"),
        look::count(plan.warnings.len(), "warning"),
    ];
    counted.join(", ")
}
