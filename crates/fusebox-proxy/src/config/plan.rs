//! The checked configuration: what the proxy runs on.
//!
//! Everything here has passed every check; nothing downstream asks again whether a value makes sense.

use super::admin::AdminPlan;
use super::chain::Policies;
use super::queue::QueuePlan;
use super::telemetry::TelemetryPlan;
use super::written::Written;
use fusebox::admin::Level;
use http::HeaderName;
use std::net::SocketAddr;
use std::time::Duration;

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The admin interface; `None` when it is switched off.
    pub admin: Option<AdminPlan>,
    /// Where clients connect.
    pub listeners: Vec<SocketAddr>,
    /// What is protected, in the order written.
    pub services: Vec<Service>,
    /// Bounds on connections.
    pub limits: Limits,
    /// Where calls are kept that are made later.
    pub queue: Option<QueuePlan>,
    /// What is worth a line in the log.
    pub log: Level,
    /// The file itself.
    pub written: Written,
    /// What is told to whom, beside the admin interface.
    pub telemetry: TelemetryPlan,
    /// What is doubtful, a sentence each. None of it keeps the plan from working.
    pub warnings: Vec<String>,
}

impl Plan {
    /// What is read last, not read yet.
    pub(super) fn empty() -> Plan {
        Plan {
            admin: None,
            listeners: Vec::new(),
            services: Vec::new(),
            limits: Limits::default(),
            queue: None,
            telemetry: TelemetryPlan::default(),
            log: Level::Info,
            written: Written::default(),
            warnings: Vec::new(),
        }
    }
}

/// Bounds on connections, clients' and upstreams'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time to connect to an endpoint.
    pub connect_timeout: Duration,
    /// Time for a client to send a request's head.
    pub header_timeout: Duration,
    /// Longest silence within a body, either way.
    pub body_idle_timeout: Duration,
    /// Grace for calls in flight at shutdown.
    pub drain: Duration,
    /// Client connections at once.
    pub max_connections: usize,
    /// Largest head of a request or a response, in bytes.
    pub max_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect_timeout: Duration::from_secs(2),
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            max_connections: 10_000,
            max_header_bytes: 64 << 10,
        }
    }
}

/// One protected dependency.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, unique in the plan.
    pub name: String,
    /// Where it runs; never empty.
    pub endpoints: Vec<Endpoint>,
    /// What reaches it under which policies, most specific first. One of them is the service's own match and
    /// bears its name.
    pub routes: Vec<Route>,
}

impl Service {
    /// The route of the service's own match.
    pub fn own_route(&self) -> Option<&Route> {
        self.routes.iter().find(|route| route.name == self.name)
    }

    /// The routes in it, most specific first.
    pub fn inner_routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.name != self.name)
    }
}

/// One place where a service runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `host:port`, an IPv6 address in brackets.
    pub authority: String,
    /// The host alone, an IPv6 address without brackets: what a resolver takes.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Stands before every path sent there; empty or `/like/this`.
    pub base_path: String,
    /// Where it runs, for the balancer.
    pub region: Option<String>,
    /// Where in the region it runs, for the balancer.
    pub zone: Option<String>,
    /// Its share of the calls, compared to the others'; 0 takes none.
    pub weight: u32,
}

/// Calls that share their policies.
#[derive(Clone, Debug)]
pub struct Route {
    /// `payments` for a service's own match, `payments/capture` for a route in it.
    pub name: String,
    /// Which calls.
    pub matches: Match,
    /// What stands before them.
    pub policies: Policies,
}

/// Which calls a route takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// The host asked for, in lower case, without a port; `None` for any.
    pub host: Option<String>,
    /// The path or its beginning, in whole segments: `/` or `/like/this`.
    pub path_prefix: String,
}

impl Match {
    /// Whether a call for `host` (in lower case, without a port) and `path` is one of these.
    pub fn accepts(&self, host: Option<&str>, path: &str) -> bool {
        let prefix = self.path_prefix.trim_end_matches('/');
        let same_host = self.host.is_none() || self.host.as_deref() == host;
        let rest = path.strip_prefix(prefix);
        same_host && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// Orders matches: of two that accept a call, the greater is the more specific. A host outweighs any path.
    pub fn specificity(&self) -> (bool, usize) {
        (self.host.is_some(), self.path_prefix.trim_end_matches('/').len())
    }
}

/// What tells callers apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The value of a request header.
    Header(HeaderName),
}
