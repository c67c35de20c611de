//! `fusebox completions` and `fusebox man`: made from the argument grammar, so they cannot disagree with it.

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Output;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;

const NAME: &str = "fusebox";

/// Prints the completions for `shell`.
pub(crate) fn completions(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
    output.write(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Prints the manual page of `command`, or of the program.
pub(crate) fn man(command: Option<&str>, output: Output) -> Result<(), Failure> {
    let mut grammar = Args::command();
    grammar.build();
    let page = match command {
        None => grammar,
        Some(name) => grammar.find_subcommand(name).cloned().ok_or_else(|| {
            let known: Vec<_> = grammar.get_subcommands().map(|command| command.get_name()).collect();
            Failure::Usage(format!("no command {name:?}; there are {}", known.join(", ")))
        })?,
    };
    let text = render(page).map_err(|error| Failure::Run(format!("the manual page: {error}")))?;
    output.write(&text);
    Ok(())
}

/// The page in roff. Its examples are lines, which the usual rendering would run together.
fn render(mut command: clap::Command) -> io::Result<String> {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command = command.after_help("");
    let has_commands = command.has_subcommands();
    let title = command.get_display_name().unwrap_or(NAME).to_owned();
    let man = Man::new(command).title(title);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page += ".SH NOTES\n.nf\n";
    for line in notes.lines() {
        // A line that begins with a dot or a quote would be a command.
        page += &format!("\\&{}\n", line.replace('\\', "\\e").replace('-', "\\-"));
    }
    page += ".fi\n";
    Ok(page)
}
