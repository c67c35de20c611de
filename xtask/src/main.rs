//! The project's own chores, each one command: `cargo xtask test`, `bench`, `tidy`, `screenshots`.
//!
//! A chore is told what to do by [`arguments`], finds its files through [`project`] and reports to a person:
//! a line when a step begins, a line when it ends, a table at the end, exit code 1 with the name of what failed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who called it")]

mod arguments;
mod bench;
mod cargo;
mod project;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

use arguments::{Chore, USAGE};
use project::Project;

fn main() -> ExitCode {
    let chore = match Chore::parse(lexopt::Parser::from_env()) {
        Ok(chore) => chore,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match chore {
        Chore::Usage => {
            println!("{USAGE}");
            Ok(true)
        }
        Chore::Test(selection) => Project::here().and_then(|project| test::run(&project, &selection)),
        Chore::Screenshots => Project::here().and_then(|project| test::take_screenshots(&project)),
        Chore::Tidy => Project::here().and_then(|project| tidy::run(&project)),
        Chore::Bench { suite, arguments } => {
            Project::here().and_then(|project| bench::run(&project, suite, &arguments))
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
