//! Tower layers and services.
//!
//! A [`CircuitBreakerLayer`] puts one circuit before a service, a [`FuseLayer`] a whole pipeline, a [`HedgeLayer`] one that
//! hedges; an [`EndpointsService`] balances over several; [`policy`] has a layer for each policy alone. All walk the same
//! flow as every other face of the library: a layer is a driver, not a second implementation.
//!
//! # The contract
//!
//! `docs/tower-contract.md` has it line by line, each line with its test. In short:
//!
//! * **`poll_ready` is the inner service's.** Nothing is admitted there, so nothing is held by a caller that becomes
//!   ready and goes away, and no readiness is awaited for a call that will be refused by a circuit that opens
//!   meanwhile. Every decision is made in `call`, about the call at hand.
//! * **A refused call does not touch the inner service.** What that had reserved in its `poll_ready` stays with it for
//!   the next call, or goes when it is dropped.
//! * **The clock of an attempt starts at `call`.**
//! * **A response future that is dropped is a cancelled call:** neither success nor failure, and a probe's slot is free
//!   at once.
//! * **Clones share the circuit, not readiness.**
//! * **Errors keep their types:** [`Error<S::Error>`](crate::Error), never boxed. No future is boxed either.
//!
//! ```
//! use fusebox::{CircuitBreaker, tower::CircuitBreakerLayer};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
//! let greeter = ServiceBuilder::new()
//!     .layer(CircuitBreakerLayer::new(CircuitBreaker::new("greeter")))
//!     .service_fn(async |name: &str| Ok::<_, std::io::Error>(format!("Hello, {name}")));
//! assert_eq!(greeter.oneshot("Ann").await.expect("an answer"), "Hello, Ann");
//! # });
//! ```
//!
//! What a response says about the dependency is a [classifier](crate::Classify)'s to tell; for HTTP:
//!
//! ```
//! use fusebox::{CircuitBreaker, Failure, Verdict, classify, tower::CircuitBreakerLayer};
//! # struct Response { status: u16, retry_after: Option<&'static str> }
//! # #[derive(Debug)] struct ConnectError;
//!
//! let by_status = |result: &Result<Response, ConnectError>| match result {
//!     Ok(response) => classify::http(response.status, response.retry_after),
//!     Err(_) => Verdict::failure(Failure::Connect),
//! };
//! let layer = CircuitBreakerLayer::new(CircuitBreaker::new("payments")).classify(by_status);
//! # let _ = layer;
//! ```

#[cfg(feature = "queue")]
mod defer;
mod endpoints;
mod fuse_future;
mod future;
mod layer;
pub mod policy;
mod replay;
mod service;
mod stand_in;

#[cfg(feature = "queue")]
pub use defer::{DeferFuture, DeferLayer, DeferService};
pub use endpoints::EndpointsService;
pub use fuse_future::FuseFuture;
pub use future::CircuitBreakerFuture;
pub use layer::{CircuitBreakerLayer, FuseLayer, HedgeLayer};
pub use replay::{Always, Never, Replay};
pub use service::{CircuitBreakerService, FuseService};
pub use stand_in::{NoFallback, OrElse, StandIn};
