//! A layer for each policy alone: a pipeline of one stage, and the services that every pipeline makes.
//!
//! ```
//! use fusebox::{bulkhead, limiter, retry, tower::policy};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
//! let reports = ServiceBuilder::new()
//!     .layer(policy::deadline("reports", Duration::from_secs(10))?)
//!     .layer(policy::rate_limiter("reports", limiter::Config::default())?)
//!     .layer(policy::bulkhead("reports", bulkhead::Config::default())?)
//!     .service_fn(async |month: u32| Ok::<_, std::io::Error>(month * 31));
//! assert_eq!(reports.oneshot(2).await?, 62);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).expect("an answer");
//! ```
//!
//! Layers that are put on top of each other nest their errors, and none knows of another: a retry outside a circuit is one that
//! the circuit cannot stop. [`Fuse`] puts several policies in a known order under one error; take these where one is
//! wanted.

use super::layer::{FuseLayer, HedgeLayer};
use crate::error::InvalidConfig;
use crate::fuse::{Fuse, FuseBuilder, Part};
use fusebox_core::bulkhead::Bulkhead;
use fusebox_core::hedge::Hedge;
use fusebox_core::limiter::RateLimiter;
use fusebox_core::retry;
use fusebox_core::throttle::Throttle;
use fusebox_core::timeout::Timeout;
use std::sync::Arc;
use std::time::Duration;

/// A pipeline's name, as rejections carry it.
type Name = Arc<str>;

fn alone(name: impl Into<Name>) -> FuseBuilder {
    Fuse::builder(name).without_breaker()
}

macro_rules! layers {
    ($($(#[$doc:meta])* $policy:ident($of:ident: $type:ty);)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// [`InvalidConfig`] with every field that can never work.
        pub fn $policy(name: impl Into<Name>, $of: $type) -> Result<FuseLayer, InvalidConfig> {
            alone(name).$policy($of).build().map(FuseLayer::new)
        }
    )*};
}

layers! {
    /// So many calls under way at once; see [`FuseBuilder::bulkhead`].
    bulkhead(bulkhead: impl Into<Part<Bulkhead>>);
    /// So many calls in a time; see [`FuseBuilder::rate_limiter`].
    rate_limiter(limiter: impl Into<Part<RateLimiter>>);
    /// Fewer calls to a dependency that refuses many; see [`FuseBuilder::throttle`].
    throttle(throttle: impl Into<Part<Throttle>>);
    /// One attempt's time; see [`FuseBuilder::timeout`].
    timeout(timeout: Duration);
    /// One attempt's time, worked out from the latest; see [`FuseBuilder::adaptive_timeout`].
    adaptive_timeout(timeout: impl Into<Part<Timeout>>);
    /// The whole call's time; see [`FuseBuilder::deadline`].
    deadline(deadline: Duration);
    /// Further attempts under a budget; see [`FuseBuilder::retry`].
    retry(retry: retry::Config);
}

/// A second attempt beside a slow one; see [`FuseBuilder::hedge`].
///
/// # Errors
///
/// [`InvalidConfig`] with every field that can never work.
pub fn hedge(name: impl Into<Name>, hedge: impl Into<Part<Hedge>>) -> Result<HedgeLayer, InvalidConfig> {
    alone(name).hedge(hedge).build().map(HedgeLayer::new)
}

/// What answers in the place of a failure, and nothing else; see [`FuseLayer::fallback`].
///
/// # Errors
///
/// None today: there is nothing to be wrong.
pub fn fallback<G>(
    name: impl Into<Name>,
    answer: G,
) -> Result<FuseLayer<crate::Results, super::Always, super::OrElse<G>>, InvalidConfig> {
    alone(name).build().map(|fuse| FuseLayer::new(fuse).fallback(answer))
}
