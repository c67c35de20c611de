//! The test runners: nextest, documentation tests, loom.

use std::process::{Command, Stdio};

use super::tally::Tally;
use crate::arguments::Selection;
use crate::cargo::{cargo, has};
use crate::project::Project;
use crate::steps::End;

/// Unit and integration tests, under nextest where it is installed.
pub(crate) fn workspace(project: &Project, selection: &Selection) -> (Tally, End) {
    if !has(project, "nextest") {
        println!(
            "cargo-nextest is not installed, so `cargo test` runs instead: slower, and a hung test hangs it."
        );
        println!("(To install it: `cargo install cargo-nextest --locked`.)");
        let mut command = cargo(project, &["test", "--all-features", "--no-fail-fast", "--tests"]);
        command.args(packages(&selection.packages)).args(&selection.filter);
        return watched(long(command, selection), selection.filter.is_none());
    }
    let profile = match (selection.long, std::env::var_os("CI")) {
        (true, _) => "long",
        (false, Some(_)) => "ci",
        (false, None) => "default",
    };
    let mut command =
        cargo(project, &["nextest", "run", "--all-features", "--no-tests=pass", "--profile", profile]);
    command.args(packages(&selection.packages)).args(&selection.filter);
    let report = project.root().join("target/nextest").join(profile).join("junit.xml");
    // A report of an earlier run must not be counted for this one; that there is none is as good.
    let _ = std::fs::remove_file(&report);
    let ended = long(command, selection).status();
    let tally =
        std::fs::read_to_string(&report).ok().and_then(|xml| Tally::of_report(&xml)).unwrap_or_default();
    let end = verdict(ended.map(|status| status.success()), tally, selection.filter.is_none());
    (tally, end)
}

/// The examples inside the documentation.
pub(crate) fn documentation(project: &Project, selection: &Selection) -> (Tally, End) {
    let libraries: Vec<String> =
        selection.packages.iter().filter(|name| is_library(project, name)).cloned().collect();
    if libraries.is_empty() && !selection.packages.is_empty() {
        return (Tally::default(), End::LeftOut("no library among the packages".into()));
    }
    let mut command = cargo(project, &["test", "--doc", "--all-features", "--no-fail-fast"]);
    command.args(packages(&libraries)).args(&selection.filter);
    watched(long(command, selection), false)
}

/// Every interleaving of the atomic protocols, up to three preemptions: a build of its own, with loom's atomics.
pub(crate) fn loom(project: &Project, selection: &Selection) -> (Tally, End) {
    if !selection.holds("fusebox-core") {
        return (Tally::default(), End::LeftOut("they are in fusebox-core".into()));
    }
    let filter = match &selection.filter {
        Some(filter) if !filter.contains("loom") => {
            return (Tally::default(), End::LeftOut(format!("'{filter}' names no loom test")));
        }
        Some(filter) => filter,
        None => "loom",
    };
    let mut command = cargo(project, &["test", "-p", "fusebox-core", "--release", "--lib", filter]);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start());
    command.env("CARGO_TARGET_DIR", project.root().join("target/loom"));
    command.env("LOOM_MAX_PREEMPTIONS", "3");
    watched(long(command, selection), selection.filter.is_none())
}

/// Runs a libtest command, shows its output as it comes, and counts.
fn watched(mut command: Command, some_must_run: bool) -> (Tally, End) {
    let mut watch = || -> std::io::Result<(Tally, bool)> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let tally = match child.stdout.take() {
            Some(output) => Tally::watch(output, std::io::stdout())?,
            None => Tally::default(),
        };
        Ok((tally, child.wait()?.success()))
    };
    match watch() {
        Ok((tally, success)) => (tally, verdict(Ok(success), tally, some_must_run)),
        Err(error) => (Tally::default(), verdict(Err(error), Tally::default(), some_must_run)),
    }
}

fn verdict(success: std::io::Result<bool>, tally: Tally, some_must_run: bool) -> End {
    match success {
        Err(error) => End::Failed(format!("cargo did not start: {error}")),
        Ok(false) => End::Failed(tally.to_string()),
        Ok(true) if some_must_run && tally.passed == 0 => End::Failed("not one test ran".into()),
        Ok(true) => End::Passed(tally.to_string()),
    }
}

fn long(mut command: Command, selection: &Selection) -> Command {
    if selection.long {
        command.env("FUSEBOX_LONG", "1");
    }
    command
}

/// The arguments that choose `names`, or the whole workspace.
fn packages(names: &[String]) -> Vec<&str> {
    if names.is_empty() {
        return vec!["--workspace"];
    }
    names.iter().flat_map(|name| ["-p", name]).collect()
}

fn is_library(project: &Project, package: &str) -> bool {
    project.root().join("crates").join(package).join("src/lib.rs").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ran_nothing_where_something_must_run_has_failed() {
        let none = Tally::default();
        assert_eq!(verdict(Ok(true), none, true), End::Failed("not one test ran".into()));
        assert_eq!(verdict(Ok(true), none, false), End::Passed("0 passed, 0 failed".into()));
        let some = Tally { passed: 2, ..none };
        assert_eq!(verdict(Ok(true), some, true), End::Passed("2 passed, 0 failed".into()));
        assert!(matches!(verdict(Ok(false), some, true), End::Failed(_)));
    }

    #[test]
    fn no_package_named_means_the_workspace() {
        assert_eq!(packages(&[]), ["--workspace"]);
        assert_eq!(packages(&["a".into(), "b".into()]), ["-p", "a", "-p", "b"]);
    }
}
