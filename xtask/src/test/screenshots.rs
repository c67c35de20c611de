//! `cargo xtask screenshots`: the pictures in `docs/images`, of the real program under real calls.

use super::{programs, python};
use crate::arguments::Selection;
use crate::cargo::cargo;
use crate::project::{ChoreError, Project};
use crate::steps::{End, Steps};

/// The test that takes them; it is left out where tests are run.
const TEST: &str = "page::the_pictures_of_the_documentation_are_taken";

/// Takes all of them; true if every one is there.
pub(crate) fn take(project: &Project) -> Result<bool, ChoreError> {
    let selection = Selection { packages: vec!["fusebox-cli".into()], ..Selection::default() };
    let mut steps = Steps::new();
    steps.run("service programs", || programs::present(&selection));
    steps.run("Python programs", || python::present(project, &selection));
    steps.run("pictures", || {
        let arguments = ["test", "-p", "fusebox-cli", "--test", "program", "--"];
        let mut command = cargo(project, &arguments);
        command.args(["--ignored", "--exact", "--nocapture", TEST]);
        command.env("FUSEBOX_PICTURES", project.root().join("docs/images"));
        match command.status() {
            Ok(status) if status.success() => End::Passed("docs/images/dashboard-*.png".into()),
            Ok(status) => End::Failed(status.to_string()),
            Err(error) => End::Failed(format!("cargo did not start: {error}")),
        }
    });
    println!("{}", steps.table());
    Ok(steps.failed().is_empty())
}
