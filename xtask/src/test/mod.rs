//! `cargo xtask test`: every test of the workspace, in steps that each can fail.
//!
//! A step runs whatever the one before it said, so that one run tells everything. Nothing is skipped for want
//! of a program: what is missing is installed where that is possible, and is a failure elsewhere.

mod examples;
mod programs;
mod python;
mod screenshots;
mod suites;
mod tally;

use crate::arguments::Selection;
use crate::project::{ChoreError, Project};
use crate::steps::{End, Steps};
pub(crate) use screenshots::take as take_screenshots;
use tally::Tally;

/// Runs what `selection` names; true if every step passed and at least one test ran.
pub(crate) fn run(project: &Project, selection: &Selection) -> Result<bool, ChoreError> {
    let mut steps = Steps::new();
    let mut total = Tally::default();
    let mut counted = |(tally, end): (Tally, End)| {
        total += tally;
        end
    };
    steps.run("service programs", || programs::present(selection));
    steps.run("Python programs", || python::present(project, selection));
    steps.run("unit and integration tests", || counted(suites::workspace(project, selection)));
    steps.run("documentation tests", || counted(suites::documentation(project, selection)));
    steps.run("loom tests", || counted(suites::loom(project, selection)));
    steps.run("examples", || counted(examples::all(project, selection)));

    let failed = steps.failed();
    println!("{}", steps.table());
    println!("{total}");
    if !failed.is_empty() {
        eprintln!("error: failed: {}", failed.join(", "));
    } else if total.passed == 0 {
        eprintln!("error: no test ran: nothing has the name or the package that was asked for");
    }
    Ok(failed.is_empty() && total.passed > 0)
}
