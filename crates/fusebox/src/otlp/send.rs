//! One export: a request to the collector, and what it says to it.

use super::config::Checked;
use crate::admin::Export;
use http::Request;
use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use std::fmt;
use std::time::Duration;
use ureq::Agent;

/// A collector that answers with more than this does not mean us.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Where exports go, over a connection that is kept.
pub(super) struct Collector<'a> {
    agent: Agent,
    config: &'a Checked,
}

/// What was taken.
#[derive(Debug)]
pub(super) enum Sent {
    All,
    /// In part, and why.
    Partly(String),
}

/// Why nothing was taken.
#[derive(Debug)]
pub(super) enum Failed {
    Status(u16),
    /// A good status, and an answer that is none.
    Garbage,
    Unreachable(ureq::Error),
}

impl Failed {
    pub(super) fn export(&self) -> Export {
        match self {
            Failed::Status(_) | Failed::Garbage => Export::Refused,
            Failed::Unreachable(_) => Export::Unreachable,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Status(status) => write!(f, "it answered {status}"),
            Failed::Garbage => f.write_str("its answer is not one of OTLP over HTTP with protobuf"),
            Failed::Unreachable(error) => error.fmt(f),
        }
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(config: &'a Checked) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("fusebox/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Collector { agent, config }
    }

    pub(super) fn send(&self, message: Vec<u8>, patience: Duration) -> Result<Sent, Failed> {
        let mut request =
            Request::post(self.config.url.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        let request = request.body(message).map_err(|error| Failed::Unreachable(error.into()))?;
        let request = self.agent.configure_request(request).timeout_global(Some(patience)).build();
        let mut response = self.agent.run(request).map_err(Failed::Unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(Failed::Status(status.as_u16()));
        }
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        let body = body.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => Failed::Garbage,
            error => Failed::Unreachable(error),
        })?;
        let answer = ExportMetricsServiceResponse::decode(&body[..]).map_err(|_| Failed::Garbage)?;
        Ok(match answer.partial_success {
            Some(part) if part.rejected_data_points > 0 => Sent::Partly(format!(
                "it left out {} values: {}",
                part.rejected_data_points, part.error_message
            )),
            _ => Sent::All,
        })
    }
}
