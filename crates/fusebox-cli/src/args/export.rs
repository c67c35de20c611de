//! `fusebox export ...`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to write.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(subcommand)]
    pub(crate) what: Exported,
}

/// What can be written.
#[derive(Debug, Subcommand)]
pub(crate) enum Exported {
    /// Write alerts for Prometheus
    #[command(after_help = ALERTS)]
    Alerts {
        #[command(flatten)]
        from: From,
        /// Where docs/alerts.md is found, for the links from alerts to it
        #[arg(long, value_name = "URL", default_value = "docs/alerts.md")]
        runbooks: String,
    },
    /// Write a dashboard for Grafana
    #[command(after_help = GRAFANA)]
    Grafana {
        #[command(flatten)]
        from: From,
    },
    /// Write the nearest bootstrap for Envoy
    #[command(after_help = ENVOY)]
    Envoy {
        /// The configuration, TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write there instead of to the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the nearest resources for Istio
    #[command(after_help = ISTIO)]
    Istio {
        /// The configuration, TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write there instead of to the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the nearest resources for Linkerd
    #[command(after_help = LINKERD)]
    Linkerd {
        /// The configuration, TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write there instead of to the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Whose metrics are meant, and where to write.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// The configuration, TOML [default: none, which fits every circuit on the
    /// default settings]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The configuration too, as `fusebox run` has it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) config: Option<PathBuf>,
    /// Write there instead of to the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) const EXPORT: &str = "\
Examples:
  fusebox export alerts fusebox.toml --out fusebox.rules.yml
  fusebox export grafana fusebox.toml --out fusebox.json
  fusebox export envoy fusebox.toml --out envoy.yaml";

const ALERTS: &str = "\
Rules are written for what the configuration has: without a queue there are
none about deferred calls; without a configuration, all of them.
docs/alerts.md says what to do about each.

Examples:
  fusebox export alerts
  fusebox export alerts fusebox.toml --out /etc/prometheus/fusebox.rules.yml
  fusebox export alerts --config fusebox.toml --runbooks https://wiki/alerts

Then: promtool check rules fusebox.rules.yml";

const GRAFANA: &str = "\
Rows are written for what the configuration has; without one, all of them.
Import the file in Grafana, or provision it.

Examples:
  fusebox export grafana --out fusebox.json
  fusebox export grafana fusebox.toml --out fusebox.json";

const ENVOY: &str = "\
The file begins with a table of what each setting has become and what is lost.
docs/mesh.md says how a mesh and fusebox work together.

Examples:
  fusebox export envoy fusebox.toml --out envoy.yaml

Then: envoy --mode validate -c envoy.yaml";

const ISTIO: &str = "\
The file begins with a table of what each setting has become and what is lost.

Examples:
  fusebox export istio fusebox.toml --out fusebox-istio.yaml

Then: kubectl apply -f fusebox-istio.yaml";

const LINKERD: &str = "\
The file begins with a table of what each setting has become and what is lost.
The Service in it is yours: merge its annotations into what is there.

Examples:
  fusebox export linkerd fusebox.toml --out fusebox-linkerd.yaml";
