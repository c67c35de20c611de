//! `docs/cli.md`, written from the argument grammar.

use super::Args;
use clap::CommandFactory;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

const INTRODUCTION: &str = "\
# The command line

What `--help` says, for every command. This page is made from the same definitions: `BLESS=1 cargo test -p
fusebox-cli` writes it anew.

* **Exit codes**: 0 done, 1 failed (a taken port, for instance), 2 wrong usage or a configuration that cannot work.
* **Signals**: the first SIGTERM or SIGINT (Ctrl-C) stops `run` gently: no new calls, those in flight are finished, exit 0.
  The second ends it at once, exit 1.
* **Colours**: on a terminal only, never when `NO_COLOR` is set; `--color` overrides both.
* **A running proxy** is asked by `circuits`, `top`, `events`, `override`, `audit`, `reload`, `drain`, `log-level`, `config` and
  `queue`, at `--admin` or `FUSEBOX_ADMIN`, with the token in `--token-file` or `FUSEBOX_TOKEN`.
* **Completions and manual pages** come from the same definitions: `fusebox completions SHELL`, `fusebox man [COMMAND]`.
";

/// Widest line of help: no terminal breaks it.
const WIDTH: usize = 80;

/// Each command's name and its help as printed, the program's own first.
fn helps() -> Vec<(String, String)> {
    let grammar = Args::command();
    let commands = grammar.get_subcommands().flat_map(|command| {
        let name = format!("fusebox {}", command.get_name());
        let inner = command.get_subcommands().map(|inner| format!("{name} {}", inner.get_name()));
        std::iter::once(name.clone()).chain(inner.collect::<Vec<_>>())
    });
    let help = |name: String| {
        let words = name.split(' ').chain(["--help"]).map(OsString::from);
        let help = Args::read(words).expect_err("help instead of arguments").to_string();
        (name, help.trim_end().to_owned())
    };
    ["fusebox".to_owned()].into_iter().chain(commands).map(help).collect()
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, help) in helps() {
        page += &format!("\n## `{name}`\n\n```text\n{help}\n```\n");
    }
    page
}

#[test]
fn the_reference_says_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("docs can be written");
    }
    let written = fs::read_to_string(&path).expect("docs/cli.md is there");
    assert!(written == page, "docs/cli.md is out of date: BLESS=1 cargo test -p fusebox-cli\n{page}");
}

#[test]
fn help_fits_a_terminal_and_shows_examples() {
    for (name, help) in helps() {
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{name}: {line:?}");
        }
        assert!(help.contains("\nExamples:\n  fusebox "), "{name} shows no example");
    }
}
