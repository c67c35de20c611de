//! The argument grammar: one definition, from which come parsing, help, completions, the man page and
//! `docs/cli.md`.

pub(crate) mod export;
pub(crate) mod operate;
pub(crate) mod queue;
#[cfg(test)]
mod reference;

use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use fusebox_proxy::Level;
use fusebox_proxy::config::{AdminPlace, DEFAULT_ADMIN, DEFAULT_LISTENER};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Keeps a service standing when what it calls falls over: a reverse proxy with circuit breakers, timeouts,
/// retries and fallbacks
#[derive(Debug, Parser)]
#[command(name = "fusebox", version, after_help = OVERVIEW, subcommand_required = true, term_width = 80)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: ColorChoice,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy
    #[command(after_help = RUN)]
    Run(Run),
    /// Check a configuration file, without starting anything
    #[command(after_help = CHECK)]
    Check {
        /// The configuration, TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what a configuration does, stage by stage
    #[command(after_help = EXPLAIN)]
    Explain {
        /// The configuration, TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Watch a dependency fail and recover, with fusebox and without
    #[command(after_help = DEMO)]
    Demo(Demo),
    /// Look after deferred calls
    #[command(after_help = queue::QUEUE)]
    Queue(queue::Queue),
    /// Write alerts, a dashboard, or a mesh's configuration
    #[command(after_help = export::EXPORT)]
    Export(export::Export),
    /// Show circuits, the worst first
    #[command(after_help = operate::CIRCUITS)]
    Circuits(operate::Circuits),
    /// Watch circuits live
    #[command(after_help = operate::TOP)]
    Top(operate::Top),
    /// Show what has happened to circuits
    #[command(after_help = operate::EVENTS)]
    Events(operate::Events),
    /// Hold circuits by hand, for a time
    #[command(after_help = operate::OVERRIDE)]
    Override(operate::Overrides),
    /// Show who changed what by hand, and check that record
    #[command(after_help = operate::AUDIT)]
    Audit {
        #[command(subcommand)]
        command: operate::AuditCommand,
    },
    /// Have a proxy read its configuration anew
    #[command(after_help = operate::RELOAD)]
    Reload(operate::Reload),
    /// Have a proxy ask for no more calls
    #[command(after_help = operate::DRAIN)]
    Drain(operate::Drain),
    /// Show or set how much a proxy logs
    #[command(after_help = operate::LOG_LEVEL)]
    LogLevel(operate::LogLevel),
    /// Show the configuration that a proxy runs on
    #[command(after_help = operate::CONFIG)]
    Config(operate::Reach),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, of the program or of one command
    #[command(after_help = MAN)]
    Man {
        /// The command whose page it is
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
}

/// What to run the proxy on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Run {
    /// The configuration, TOML [default: fusebox.toml, if there is one here]
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    pub(crate) config: Option<PathBuf>,
    /// Protect what runs there, without a file; several are endpoints of one service
    #[arg(long, value_name = "URL", num_args = 1.., action = ArgAction::Append)]
    pub(crate) upstream: Vec<String>,
    #[arg(long, value_name = "ADDR", help = listen_help())]
    pub(crate) listen: Option<SocketAddr>,
    #[arg(long, value_name = "ADDR", help = admin_help(), value_parser = admin_place)]
    pub(crate) admin: Option<AdminPlace>,
    /// What is worth a line, instead of what the file says: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", value_parser = log_level)]
    pub(crate) log_level: Option<Level>,
}

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Keep the proxy and the backends up afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,
    /// How long it takes, both runs together
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(6..=600))]
    pub(crate) seconds: u64,
}

fn listen_help() -> String {
    format!("Where clients connect, instead of the file's listeners [default: {DEFAULT_LISTENER}]")
}

fn admin_place(text: &str) -> Result<AdminPlace, String> {
    text.parse().map_err(|accepted| format!("accepted: {accepted}"))
}

fn log_level(text: &str) -> Result<Level, String> {
    Level::named(text).ok_or_else(|| "accepted: error, warn, info or debug".into())
}

fn admin_help() -> String {
    format!(
        "Where circuits and metrics are shown, or unix: and a path, instead of the file's [default: {DEFAULT_ADMIN}]"
    )
}

impl Args {
    /// The arguments, or what to print instead and with which exit code.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        // Help is printed while the arguments are read, so its colours are settled before.
        let mut grammar = Args::command().color(color_asked(&arguments));
        let matches = grammar.try_get_matches_from_mut(arguments)?;
        Args::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))
    }
}

fn color_asked(arguments: &[OsString]) -> ColorChoice {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    let apart = words.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1].as_ref());
    joined.or(apart).and_then(|word| word.parse().ok()).unwrap_or_default()
}

const OVERVIEW: &str = "\
Examples:
  fusebox demo                                   see it at work, in 30 seconds
  fusebox run --upstream http://127.0.0.1:7001   protect one service
  fusebox run --config fusebox.toml              protect what the file says

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration";

const RUN: &str = "\
Examples:
  fusebox run --upstream http://127.0.0.1:7001
  fusebox run --upstream http://10.0.0.5:80 --upstream http://10.0.0.6:80
  fusebox run --config fusebox.toml --listen 0.0.0.0:8080

Ctrl-C or SIGTERM: no new calls, those in flight are finished, exit 0.
Once more: exit 1 at once. SIGHUP reads the file again.";

const CHECK: &str = "\
Every error names the file, the line, the key, what was found and what is
accepted. Doubtful settings are warnings.

Examples:
  fusebox check fusebox.toml

Exit codes: 0 it can work (perhaps with warnings), 2 it cannot";

const EXPLAIN: &str = "\
Examples:
  fusebox explain fusebox.toml";

const DEMO: &str = "\
Starts a payment provider, its backup and a profile service on free ports of
this machine, the proxy before them, and a steady load; lets the provider turn
slow, fail and go down; then does the same without fusebox, for comparison.

Examples:
  fusebox demo
  fusebox demo --serve
  fusebox demo --seconds 60";

const COMPLETIONS: &str = "\
Examples:
  fusebox completions bash > /etc/bash_completion.d/fusebox
  fusebox completions fish > ~/.config/fish/completions/fusebox.fish";

const MAN: &str = "\
Examples:
  fusebox man | man -l -
  fusebox man run > fusebox-run.1";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        Args::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn upstreams_come_one_by_one_or_together() {
        for line in [
            "fusebox run --upstream http://a --upstream http://b",
            "fusebox run --upstream http://a http://b",
        ] {
            let Command::Run(run) = read(line).expect(line).command else { panic!("{line}") };
            assert_eq!(run.upstream, ["http://a", "http://b"]);
        }
    }

    #[test]
    fn colours_are_settled_before_help_is_printed() {
        let choice = |line: &str| color_asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(choice("fusebox --color never --help"), ColorChoice::Never);
        assert_eq!(choice("fusebox run --color=always"), ColorChoice::Always);
        assert_eq!(choice("fusebox --color"), ColorChoice::Auto);
    }
}
