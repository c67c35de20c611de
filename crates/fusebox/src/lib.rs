//! One failing dependency must not take the service down with it.
//!
//! fusebox puts resilience policies — a circuit breaker first, with retry, timeout, deadline and fallback around it —
//! before a dependency, in blocking code, async code and Tower stacks. A breaker for one dependency:
//!
//! ```
//! use fusebox::{CircuitBreaker, Error};
//!
//! let payments = CircuitBreaker::new("payments");
//! match payments.call(|| charge(42)) {
//!     Ok(receipt) => println!("{receipt}"),
//!     Err(Error::Rejected(rejected)) => println!("not called: {rejected}"),
//!     Err(error) => println!("failed to {error}"),
//! }
//! # fn charge(_: u32) -> Result<String, std::io::Error> { Ok("paid".into()) }
//! ```
//!
//! And all the policies together, as a [`Fuse`]:
//!
#![cfg_attr(feature = "tokio", doc = "```")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! # async fn page() -> Result<(), Box<dyn std::error::Error>> {
//! use fusebox::{Fuse, retry};
//! use std::time::Duration;
//!
//! let profiles = Fuse::builder("profiles")
//!     .timeout(Duration::from_secs(2))
//!     .deadline(Duration::from_secs(5))
//!     .retry(retry::Config::default())
//!     .build()?;
//! let answer = profiles.run_or_else(|| fetch(7), |_cause| String::from("a guest")).await?;
//! println!("{} ({:?})", answer.value, answer.source);
//! # Ok(())
//! # }
//! # async fn fetch(_: u32) -> Result<String, std::io::Error> { Ok("Ann".into()) }
//! ```
//!
//! # Features
//!
//! * `tokio` (default): [`Fuse::run`] with timeouts, deadlines and backoff. [`CircuitBreaker::run`] needs no runtime.
//! * `macros` (default): the [`protect`] attribute.
//! * `tower`: layers and services.
//! * `cache`: kept answers as [fallbacks](Fallbacks).
//! * `queue`: calls that are [kept and made later](queue); `queue-postgres` and `queue-nats` for stores that processes share.
//! * `redis`, `cache-file`: levels behind those, which several processes share, or which outlive the process.
//! * `second-level`: what the two have in common, for a level of your own.
//! * `admin`: the [admin interface](admin): circuits, metrics, health, for any HTTP server.
//! * `otlp`: its metrics, [pushed to a collector](otlp).
//! * `serde`: snapshots and saved circuits serialize.
//! * `http`: classifier, replay rule and answers on the types of the crate `http`, for hyper, axum and tonic.
//! * `reqwest`: a middleware for the crate `reqwest-middleware`.
//! * `metrics`: snapshots for the crate `metrics`.
//! * `tracing`: events for the crate `tracing`.

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "protect.rs"]
pub mod __private;
#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "cache")]
pub mod cache;
mod circuit;
pub mod classify;
mod clock;
mod connections;
mod driver;
mod error;
pub mod fallback;
mod fuse;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
mod operate;
#[cfg(feature = "otlp")]
pub mod otlp;
mod permit;
mod pool;
#[cfg(feature = "queue")]
pub mod queue;
pub mod record;
mod registry;
#[cfg(feature = "reqwest")]
pub mod reqwest;
pub mod telemetry;
#[cfg(feature = "tokio")]
pub mod test;
mod timer;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing")]
pub mod tracing;

pub use circuit::{CircuitBreaker, CircuitBuilder};
pub use classify::{Classify, Nested, Results};
pub use clock::{Clock, ManualClock};
pub use connections::{Connection, ConnectionConfig, ConnectionPool};
pub use error::{Error, InvalidConfig, Rejected};
pub use fallback::{Cause, Fallbacks};
pub use fuse::{
    Answer, Asking, BlockingFuse, Fuse, FuseBuilder, Handle, Part, Policy, PooledFuse, ScopesConfig,
};
#[cfg(feature = "macros")]
pub use fusebox_macros::protect;
pub use permit::Permit;
pub use pool::{PoolConfig, PoolError, ThreadPool};
pub use registry::Registry;

pub use fusebox_core::{
    Ask, Failure, Outcome, Priority, Ratio, Reason, Rng, Time, Verdict, adaptive, balancer, breaker,
    bulkhead, event, explain, hedge, limiter, outcome, pipeline, retry, throttle, timeout,
};
