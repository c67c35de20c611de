//! Calling cargo, as if from a shell.

use std::process::Command;

use crate::project::Project;

/// `cargo SUBCOMMAND` at the root of the project, without standard input.
///
/// `cargo xtask` hands this program variables about the package `xtask` itself. They must not reach the next
/// cargo: some build scripts watch them, and everything that depends on those would be built anew.
pub(crate) fn cargo(project: &Project, subcommand: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(project.root()).args(subcommand).stdin(std::process::Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_xtask) {
            command.env_remove(name);
        }
    }
    command
}

fn is_about_xtask(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// Whether `cargo SUBCOMMAND` is installed.
pub(crate) fn has(project: &Project, subcommand: &str) -> bool {
    cargo(project, &[subcommand, "--version"]).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_says_about_xtask_is_kept_back() {
        assert!(is_about_xtask("CARGO_PKG_NAME") && is_about_xtask("CARGO_MANIFEST_DIR"));
        assert!(!is_about_xtask("CARGO_TERM_COLOR") && !is_about_xtask("CARGO_HOME"));
    }
}
