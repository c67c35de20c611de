//! `cargo xtask bench`: the benchmarks' own workspace, where the peers live.

use std::ffi::OsString;

use crate::arguments::Suite;
use crate::cargo::cargo;
use crate::project::{ChoreError, Project};

/// Builds and runs the benchmark `suite`; true if it ended well.
pub(crate) fn run(project: &Project, suite: Suite, arguments: &[OsString]) -> Result<bool, ChoreError> {
    println!("building the benchmark `{}` and its peers (a workspace of its own)", suite.name());
    let mut command = cargo(project, &["run", "--release", "--manifest-path", "benchmarks/Cargo.toml"]);
    command.args(["--bin", suite.name(), "--"]).args(arguments);
    match command.status() {
        Ok(status) => Ok(status.success()),
        Err(error) => Err(ChoreError::NotStarted { program: "cargo".into(), error }),
    }
}
