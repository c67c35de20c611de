//! A policy of a pipeline: made for it, or shared with others.

use fusebox_core::Time;
use fusebox_core::breaker::ConfigError;
use fusebox_core::bulkhead::{self, Bulkhead};
use fusebox_core::hedge::{self, Hedge};
use fusebox_core::limiter::{self, RateLimiter};
use fusebox_core::throttle::{self, Throttle};
use fusebox_core::timeout::{self, Timeout};
use std::fmt::Debug;
use std::sync::Arc;

/// A policy that a pipeline can be given: as a configuration, or as one that exists and that several pipelines share.
///
/// ```
/// use fusebox::{Fuse, bulkhead};
/// use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = bulkhead::Config { max_concurrent: 10, ..bulkhead::Config::default() };
/// let reports = Fuse::builder("reports").bulkhead(config.clone()).build()?;
///
/// let settings = config.check().map_err(fusebox::InvalidConfig)?;
/// let both = Arc::new(bulkhead::Bulkhead::new(settings));
/// let orders = Fuse::builder("orders").bulkhead(both.clone()).build()?;
/// let invoices = Fuse::builder("invoices").bulkhead(both).build()?;
/// # let _ = (reports, orders, invoices);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Part<P: Policy>(Kind<P>);

#[derive(Debug)]
enum Kind<P: Policy> {
    Own(P::Config),
    Shared(Arc<P>),
}

impl<P: Policy> Clone for Part<P> {
    fn clone(&self) -> Self {
        Part(match &self.0 {
            Kind::Own(config) => Kind::Own(config.clone()),
            Kind::Shared(policy) => Kind::Shared(policy.clone()),
        })
    }
}

/// A policy with a state of its own. There are those of fusebox and no others.
pub trait Policy: Sized + Debug + sealed::Sealed {
    /// What it is made of.
    type Config: Clone + Debug;

    #[doc(hidden)]
    fn make(config: Self::Config, now: Time) -> Result<Self, Vec<ConfigError>>;
}

mod sealed {
    pub trait Sealed {}
}

impl<P: Policy> Part<P> {
    /// The policy, or every field of its configuration that can never work.
    pub(super) fn make(self, now: Time) -> Result<Arc<P>, Vec<ConfigError>> {
        match self.0 {
            Kind::Own(config) => P::make(config, now).map(Arc::new),
            Kind::Shared(policy) => Ok(policy),
        }
    }
}

impl<P: Policy> From<Arc<P>> for Part<P> {
    fn from(policy: Arc<P>) -> Self {
        Part(Kind::Shared(policy))
    }
}

macro_rules! policies {
    ($($policy:ty, $config:ty, |$settings:ident, $now:ident| $make:expr;)*) => {$(
        impl sealed::Sealed for $policy {}

        impl Policy for $policy {
            type Config = $config;

            fn make(config: $config, $now: Time) -> Result<Self, Vec<ConfigError>> {
                let $settings = config.check()?;
                Ok($make)
            }
        }

        impl From<$config> for Part<$policy> {
            fn from(config: $config) -> Self {
                Part(Kind::Own(config))
            }
        }
    )*};
}

policies! {
    RateLimiter, limiter::Config, |settings, _now| RateLimiter::new(settings);
    Throttle, throttle::Config, |settings, _now| Throttle::new(settings);
    Bulkhead, bulkhead::Config, |settings, _now| Bulkhead::new(settings);
    Hedge, hedge::Config, |settings, _now| Hedge::new(settings);
    Timeout, timeout::Config, |settings, _now| Timeout::new(settings);
}
