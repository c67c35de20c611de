//! The configuration: a TOML file in, a checked [`Plan`] out.
//!
//! Reading is a walk over the parsed file by small typed readers (`reader.rs`), not a derived deserializer: a
//! reader knows the place, the key and what would be accepted, reports it and reads on, so one run names every
//! error with its line. What the core's own checks refuse is traced back to the key that set it. What is read
//! is listed once, in [`keys`]; everything else is an error, with a suggestion where a word comes near.
//!
//! ```
//! let text = r#"
//!     [[service]]
//!     name = "payments"
//!     endpoints = ["http://127.0.0.1:7001"]
//!     [service.breaker]
//!     failure_rat = 0.5
//! "#;
//! let errors = fusebox_proxy::config::Plan::parse("fusebox.toml", text).expect_err("a slip");
//! assert!(errors.to_string().contains(r#"did you mean "failure_rate"?"#));
//! ```

mod admin;
mod balancer;
mod breaker;
mod bulkhead;
mod chain;
mod connections;
mod duration;
mod endpoint;
mod error;
mod explain;
mod fallback;
mod header;
mod health;
mod hedge;
pub mod keys;
mod levels;
mod limiter;
mod listen;
mod log;
mod plan;
mod policies;
mod priority;
pub(crate) mod queue;
mod reader;
mod retry;
mod scopes;
mod secret;
mod service;
mod spare;
mod telemetry;
mod throttle;
mod timeout;
mod upstreams;
mod warnings;
mod written;

pub use admin::{AdminPlace, AdminPlan, TlsPlan};
pub use chain::{
    BulkheadPlan, ConnectionLimit, Counts, HealthCheck, Limiter, Policies, PriorityRule, Shares,
};
pub use error::{ConfigError, ConfigErrors, Place};
pub(crate) use fallback::is_framing;
pub use levels::{Levels, RedisPlan};
pub use listen::{DEFAULT_ADMIN, DEFAULT_LISTENER};
pub use plan::{Endpoint, Key, Limits, Match, Plan, Route, Service};
pub use queue::{Defer, QueuePlace, QueuePlan, WebhookPlan};
pub use spare::{CacheScope, Fallback, FallbackItem};
pub use telemetry::{OtlpPlan, TelemetryPlan};
pub use written::{Changes, Written};

use error::Errors;
use reader::Table;
use toml::de::DeTable;

impl Plan {
    /// Reads and checks the configuration `text`; `file_name` stands in the errors.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file. A file that is no TOML is read no further than that.
    pub fn parse(file_name: &str, text: &str) -> Result<Plan, ConfigErrors> {
        let errors = Errors::new(file_name, text);
        let (document, faults) = DeTable::parse_recoverable(text);
        // What follows the first fault is as a rule its consequence.
        let place = |fault: &toml::de::Error| fault.span().unwrap_or(text.len()..text.len());
        if let Some(fault) = faults.iter().min_by_key(|fault| place(fault).start) {
            return Err(errors.only(place(fault), format!("not TOML: {}", fault.message())));
        }
        let plan = read(&errors, document.get_ref());
        let written = Written::read(file_name, text, document.get_ref());
        errors.finish().map(|()| Plan { written, ..plan })
    }
}

fn read<'a>(errors: &'a Errors<'a>, document: &'a DeTable<'a>) -> Plan {
    let top = Table::top(errors, document, &keys::TOP);
    let admin = admin::read(&top);
    let address = admin.as_ref().and_then(|admin| admin.listen.address());
    let listeners = listen::listeners(&top, address);
    let limits = listen::limits(&top);
    let queue = queue::read(&top);
    let telemetry = telemetry::read(&top);
    let (services, unbounded) = service::read(&top, &listeners);
    let names: Vec<_> = services.iter().map(|service| service.name.clone()).collect();
    queue::check_webhook(&top, queue.as_ref(), &names);
    let plan =
        Plan { admin, listeners, services, limits, queue, telemetry, log: log::read(&top), ..Plan::empty() };
    Plan { warnings: warnings::of(&plan, &unbounded), ..plan }
}
