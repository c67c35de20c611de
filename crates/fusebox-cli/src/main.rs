//! The `fusebox` program.

mod admin;
mod args;
mod clock;
mod demo;
mod export;
mod failure;
mod generate;
mod inspect;
mod look;
mod operate;
mod output;
mod queue;
mod run;
mod signals;
mod source;
mod table;
mod top;

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
        Command::Circuits(arguments) => operate::circuits(&arguments, output),
        Command::Top(arguments) => top::run(&arguments, output),
        Command::Events(arguments) => operate::events(&arguments, output),
        Command::Override(arguments) => operate::overrides(&arguments, output),
        Command::Audit { command } => operate::audit(&command, output),
        Command::Reload(arguments) => operate::reload(&arguments, output),
        Command::Drain(arguments) => operate::drain(&arguments, output),
        Command::LogLevel(arguments) => operate::log_level(&arguments, output),
        Command::Config(reach) => operate::config(&reach, output),
        Command::Completions { shell } => generate::completions(shell, output),
        Command::Man { command } => generate::man(command.as_deref(), output),
    }
}
