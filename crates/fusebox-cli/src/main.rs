//! The `fusebox` program.

mod args;
mod demo;
mod export;
mod failure;
mod generate;
mod inspect;
mod look;
mod output;
mod queue;
mod run;
mod signals;
mod source;

use args::{Args, Command};
use failure::Failure;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(instead) => {
            // Help and version are asked for and come this way too; a reader who has gone wants neither.
            let _ = instead.print();
            return ExitCode::from(instead.exit_code().clamp(0, 255) as u8);
        }
    };
    let output = Output::new(args.color);
    match obey(args.command, output) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever has closed the output has seen what they wanted, and can be told nothing.
        Err(Failure::Unheard) => ExitCode::SUCCESS,
        Err(failure) => {
            output.complain(failure.to_string());
            failure.exit_code()
        }
    }
}

fn obey(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(&arguments, output),
        Command::Check { file } => inspect::check(&file, output),
        Command::Explain { file } => inspect::explain(&file, output),
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Queue(arguments) => queue::run(&arguments, output),
        Command::Export(arguments) => export::run(&arguments, output),
        Command::Completions { shell } => generate::completions(shell, output),
        Command::Man { command } => generate::man(command.as_deref(), output),
    }
}
