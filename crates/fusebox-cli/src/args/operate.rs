//! The commands that talk to a running proxy.

use crate::admin::{Address, Admin};
use crate::failure::Failure;
use crate::look;
use crate::output::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Which proxy, and how to get in.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The proxy's admin interface: host:port, http(s)://... or unix:PATH; else FUSEBOX_ADMIN, else
    /// 127.0.0.1:9900
    #[arg(long, value_name = "ADDR", global = true)]
    pub(crate) admin: Option<Address>,
    /// A file that holds the token; else FUSEBOX_TOKEN
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// The authorities to trust for https, PEM; else the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Reach {
    /// Who is asked.
    pub(crate) fn admin(&self, output: Output) -> Result<Admin, Failure> {
        let address = match (&self.admin, variable("FUSEBOX_ADMIN")) {
            (Some(address), _) => address.clone(),
            (None, Some(text)) => {
                text.parse().map_err(|why| Failure::Usage(format!("FUSEBOX_ADMIN: found {text:?}: {why}")))?
            }
            (None, None) => Address::default(),
        };
        let admin = Admin::new(address, self.ca_file.as_deref(), self.token()?.as_deref())?;
        if admin.tells_its_token() {
            output.complain(look::warning(&format!(
                "{} is not encrypted: others on the way can read the token; use https://",
                admin.address()
            )));
        }
        Ok(admin)
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else { return Ok(variable("FUSEBOX_TOKEN")) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
        match text.trim() {
            "" => Err(Failure::Usage(format!("--token-file {}: it is empty", path.display()))),
            token => Ok(Some(token.to_owned())),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Which circuits to show, and how.
#[derive(Debug, Args)]
pub(crate) struct Circuits {
    /// Everything about this one
    #[arg(value_name = "NAME", conflicts_with_all = ["state", "service"])]
    pub(crate) name: Option<String>,
    /// Those in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<Standing>,
    /// Those of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// As what
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Shape,
    /// Show it anew every second, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// A state to choose circuits by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Standing {
    Open,
    HalfOpen,
    Closed,
    Held,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    Table,
    Json,
}

/// For people or for programs, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lines {
    Text,
    Json,
}

/// What to hold a circuit in.
#[derive(Debug, Args)]
pub(crate) struct Overrides {
    #[command(subcommand)]
    pub(crate) command: OverrideCommand,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// What can be done to a circuit by hand.
#[derive(Debug, Subcommand)]
pub(crate) enum OverrideCommand {
    /// Refuse every call, until the time is up
    #[command(after_help = FORCE_OPEN)]
    ForceOpen(Hold),
    /// Let every call through, whatever fails, until the time is up
    #[command(
        after_help = "Examples:\n  fusebox override force-closed payments --for 10m --reason \"false alarm\""
    )]
    ForceClosed(Hold),
    /// Let every call through and count nothing, until the time is up
    #[command(after_help = "Examples:\n  fusebox override disable payments --for 1h --reason \"load test\"")]
    Disable(Hold),
    /// Decide as usual and refuse nothing, until the time is up
    #[command(
        after_help = "Examples:\n  fusebox override shadow payments --for 2h --reason \"new thresholds\""
    )]
    Shadow(Hold),
    /// Close it and forget what it has counted; no hold is set
    #[command(after_help = "Examples:\n  fusebox override reset payments --reason \"provider fixed\"")]
    Reset(Act),
    /// End the hold: the circuit decides for itself again
    #[command(after_help = "Examples:\n  fusebox override release payments --reason \"maintenance over\"")]
    Release(Act),
    /// Show what is held, by whom, why and for how long
    #[command(after_help = "Examples:\n  fusebox override list")]
    List {
        /// As what
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: Shape,
    },
}

/// What to do to which circuit, and why.
#[derive(Clone, Debug, Args)]
pub(crate) struct Act {
    /// The circuit, as `fusebox circuits` names it
    #[arg(value_name = "CIRCUIT")]
    pub(crate) circuit: String,
    #[command(flatten)]
    pub(crate) why: super::queue::Why,
    /// Say what would happen, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only if it is still at this revision, as `fusebox circuits NAME` shows it
    #[arg(long, value_name = "REV")]
    pub(crate) if_match: Option<String>,
}

/// An act that ends by itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct Hold {
    #[command(flatten)]
    pub(crate) act: Act,
    /// For how long, up to a day
    #[arg(long = "for", value_name = "SPAN", default_value = "15m", value_parser = hold_span)]
    pub(crate) span: Duration,
}

fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "accepted: a span like 90s, 15m or 1h30m".into())
}

fn hold_span(text: &str) -> Result<Duration, String> {
    let whole = span(text)?;
    match whole.as_secs() {
        1..=86_400 if whole.subsec_nanos() == 0 => Ok(whole),
        _ => Err("accepted: whole seconds from 1s to 24h".into()),
    }
}

/// Which proxy to watch.
#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Which events to show.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what happens, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Those since so long ago [default: 1h; with --follow, from now on]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) since: Option<Duration>,
    /// Those of this circuit
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: Option<String>,
    /// As what
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Lines,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// What to do with an audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that nothing in a trail was changed, taken out or put in
    #[command(after_help = VERIFY)]
    Verify {
        /// The trail, a line of JSON for each entry
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The hash that its last entry must have, noted down before
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Show who did what, the latest first
    #[command(after_help = "Examples:\n  fusebox audit show\n  fusebox audit show audit.jsonl --output json")]
    Show {
        /// A trail in a file, instead of a running proxy's
        #[arg(value_name = "FILE", conflicts_with = "admin")]
        file: Option<PathBuf>,
        /// So many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// As what
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Lines,
        #[command(flatten)]
        reach: Reach,
    },
}

/// Why a proxy is told to do something.
#[derive(Debug, Args)]
pub(crate) struct Told {
    #[command(flatten)]
    pub(crate) why: super::queue::Why,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// What to read anew.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) told: Told,
}

/// Whether to send traffic elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// Take calls as usual again
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) told: Told,
}

/// How much a proxy logs.
#[derive(Debug, Args)]
pub(crate) struct LogLevel {
    /// error, warn, info or debug; without it, the level in force is shown
    #[arg(value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug"], hide_possible_values = true, requires = "reason")]
    pub(crate) level: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who you are [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

pub(super) const CIRCUITS: &str = "\
The worst first. A circuit that is not closed says why in its own words; a
number beside another is what is measured beside where it opens.

Examples:
  fusebox circuits
  fusebox circuits --state open --watch
  fusebox circuits payments/127.0.0.1:7001
  fusebox circuits --output json | jq '.circuits[].name'
  fusebox circuits --admin unix:/run/fusebox/admin.sock";

pub(super) const OVERRIDE: &str = "\
Every override is written down with who and why, and ends by itself.

Examples:
  fusebox override force-open payments --for 15m --reason \"provider's window\"
  fusebox override list
  fusebox override release payments --reason \"maintenance over\"";

const FORCE_OPEN: &str = "\
Examples:
  fusebox override force-open payments --reason \"provider's window\"
  fusebox override force-open payments --for 1h --reason \"migration\" --dry-run";

pub(super) const TOP: &str = "\
Keys: arrows or j k choose a circuit, Enter shows all about it, / filters,
o holds it, ? explains, q quits.

Examples:
  fusebox top
  fusebox top --admin https://ops.example:9900 --token-file ops.token";

pub(super) const EVENTS: &str = "\
One line for each change of a circuit. With --follow a lost connection is made
anew and goes on where it was lost; both are said on standard error.

Examples:
  fusebox events --since 10m
  fusebox events --follow --circuit payments/127.0.0.1:7001
  fusebox events --follow --output json | jq -c 'select(.to == \"open\")'";

pub(super) const AUDIT: &str = "\
Every change that was asked for is an entry, refused ones too. Each holds the
hash of the one before it, so that none can be changed alone.
Who rewrites all that follow is found by a head that was noted elsewhere.

Examples:
  fusebox audit show
  fusebox audit verify audit.jsonl";

const VERIFY: &str = "\
Examples:
  fusebox audit verify audit.jsonl
  fusebox audit verify audit.jsonl --head 5f1c...

Exit codes: 0 unbroken, 1 broken, 2 no such file";

pub(super) const RELOAD: &str = "\
Examples:
  fusebox reload --dry-run --reason \"new endpoint\"
  fusebox reload --reason \"new endpoint\"";

pub(super) const DRAIN: &str = "\
/readyz says no, so that load balancers send new calls elsewhere; calls that
come all the same are made.

Examples:
  fusebox drain --reason \"kernel update\"
  fusebox drain --undo --reason \"kernel updated\"";

pub(super) const LOG_LEVEL: &str = "\
Examples:
  fusebox log-level
  fusebox log-level debug --reason \"who sends these?\"";

pub(super) const CONFIG: &str = "\
As the proxy runs on it now; secrets are masked.

Examples:
  fusebox config
  fusebox config --admin 10.0.0.5:9900 > running.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_for_whole_seconds_up_to_a_day() {
        assert_eq!(hold_span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(hold_span("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["0s", "25h", "1500ms", "soon", "15"] {
            assert!(hold_span(text).expect_err(text).starts_with("accepted: "), "{text}");
        }
    }
}
