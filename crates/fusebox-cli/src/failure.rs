//! How the program ends when it does not end well.

use fusebox_proxy::StartError;
use fusebox_proxy::config::ConfigErrors;
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Why a command gave up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The arguments ask for nothing that can be done.
    #[error("error: {0}")]
    Usage(String),
    /// A file that cannot be read.
    #[error("error: cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// A configuration that can never work.
    #[error("{errors}\n\nerror: {what} cannot work ({}); nothing was started", count(.errors))]
    Configuration { what: String, errors: ConfigErrors },
    /// Told to stop a second time.
    #[error("stopped at once; calls in flight were cut off")]
    Stopped,
    /// Told to stop in the middle of a demo.
    #[error("interrupted")]
    Interrupted,
    /// Nobody reads the output any more.
    #[error("the output is closed")]
    Unheard,
    /// The proxy did not start.
    #[error("error: failed to {0}")]
    NotStarted(#[from] StartError),
    /// Something outside did not play along.
    #[error("error: {0}")]
    Run(String),
}

impl Failure {
    /// It on lines that stand by themselves.
    pub(crate) fn sentences(&self) -> Vec<String> {
        match self {
            Failure::Configuration { errors, .. } => errors.lines(),
            other => {
                let text = other.to_string();
                text.lines().map(|line| line.trim_start_matches("error: ").to_owned()).collect()
            }
        }
    }

    /// 2 where the caller can mend it by asking differently, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) | Failure::Unreadable { .. } | Failure::Configuration { .. } => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }
}

fn count(errors: &ConfigErrors) -> String {
    match errors.0.len() {
        1 => "1 error".into(),
        more => format!("{more} errors"),
    }
}
