//! The circuits of the whole service and of its tenants.

use super::{BlockingFuse, Fuse, FuseBuilder, Inner, PooledFuse};
use crate::circuit::CircuitBreaker;
use crate::registry::Registry;
use fusebox_core::breaker::{Config, ConfigError, Settings};
use fusebox_core::scope::{self, Scopes};
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

/// What stands before the circuits of endpoints: the service's, and one for each tenant. A failure opens the smallest of them
/// that explains it.
#[derive(Clone, Debug)]
pub struct ScopesConfig {
    /// The service's circuit. Default: as the endpoints' circuits.
    pub service: Option<Config>,
    /// The circuit of each tenant, for calls that [say theirs](crate::Asking::tenant). Default: none, so that there are no
    /// tenants.
    pub tenant: Option<Config>,
    /// Tenants with a circuit of their own; later ones share one until idle ones make room. Default: 1000.
    pub max_tenants: usize,
    /// A failure is no single endpoint's (or tenant's) when this share of the others fail too. Default: 0.8.
    pub breadth: f64,
    /// Who has not been called for so long is not asked how it does; whole seconds count. Default: 60 s.
    pub memory: Duration,
}

impl Default for ScopesConfig {
    fn default() -> Self {
        let scope::Config { breadth, memory } = scope::Config::default();
        ScopesConfig { service: None, tenant: None, max_tenants: 1_000, breadth, memory }
    }
}

/// The wider circuits of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Wider {
    service: Option<CircuitBreaker>,
    tenants: Option<Tenants>,
}

#[derive(Clone, Debug)]
struct Tenants {
    settings: Arc<Settings>,
    circuits: Registry,
}

impl Wider {
    /// The scopes of `endpoints` endpoints and their circuits, beside that of the first endpoint.
    pub(super) fn new(
        config: ScopesConfig,
        endpoints: usize,
        first: &CircuitBreaker,
        call_timeout: Option<Duration>,
    ) -> Result<(Scopes, Wider), Vec<ConfigError>> {
        let mut wrong = Vec::new();
        let ScopesConfig { service, tenant, max_tenants, breadth, memory } = config;
        let scopes = scope::Config { breadth, memory }.check();
        let scopes = scopes.map_err(|errors| wrong.extend(errors)).ok();
        if endpoints == 0 && tenant.is_none() {
            let accepted = "endpoints, tenants or both, since one circuit alone has no scopes,".into();
            wrong.push(ConfigError {
                field: "scopes",
                found: "neither endpoints nor tenants".into(),
                accepted,
            });
        }
        if !(1..=1_000_000).contains(&max_tenants) {
            let accepted = "a whole number from 1 to 1000000".into();
            wrong.push(ConfigError { field: "max_tenants", found: max_tenants.to_string(), accepted });
        }
        let mut checked = |config: Config| {
            let checked = config.check(call_timeout);
            checked.map(Arc::new).map_err(|errors| wrong.extend(errors)).ok()
        };
        let usual = first.core().settings();
        let service = service.map_or(Some(usual), &mut checked);
        let tenant = tenant.map(checked);
        let (Some(settings), Some(service), true) = (scopes, service, wrong.is_empty()) else {
            return Err(wrong);
        };
        // Before a single endpoint, the endpoint's circuit is the smaller scope, whatever fails.
        let service = (endpoints > 0).then(|| first.wider(service));
        let tenants = tenant.flatten().map(|settings| {
            let root = Registry::with_clock(0, first.clock().clone(), first.rng().fork());
            let circuits = root.part(&format!("{}[other]", first.service()), max_tenants);
            Tenants { settings, circuits }
        });
        Ok((Scopes::new(settings, endpoints.max(1)), Wider { service, tenants }))
    }

    pub(super) fn service(&self) -> Option<&CircuitBreaker> {
        self.service.as_ref()
    }

    /// The circuit of this tenant, with its key.
    fn tenant(&self, service: &str, name: &str) -> Option<(u64, CircuitBreaker)> {
        let Tenants { settings, circuits } = self.tenants.as_ref()?;
        Some((key(name), circuits.circuit_of(&format!("{service}[{name}]"), service, settings)))
    }

    fn tenants(&self) -> Vec<CircuitBreaker> {
        self.tenants.as_ref().map_or_else(Vec::new, |tenants| tenants.circuits.all())
    }
}

/// A tenant's key: the same for the same name, and nobody's for none.
pub(super) fn key(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish().max(1)
}

impl<K> Inner<K> {
    pub(super) fn tenant(&self, name: &str) -> Option<(u64, CircuitBreaker)> {
        self.wider.as_ref()?.tenant(self.circuit.service(), name)
    }

    /// The service's circuit and what tenants' circuits run on, for `explain`.
    pub(super) fn explain_scopes(&self) -> Vec<String> {
        let Some(wider) = &self.wider else { return Vec::new() };
        let service = wider.service.iter().map(|circuit| format!("circuit {}", circuit.name()));
        let tenants = wider.tenants.iter().map(|tenants| {
            let opens = fusebox_core::explain::opens(tenants.settings.config());
            format!("circuits {}[tenant]; {opens}", self.circuit.service())
        });
        service.chain(tenants).collect()
    }
}

impl<K> FuseBuilder<K> {
    /// Circuits of the whole service and of tenants before those of endpoints: a failure opens the smallest of them that
    /// explains it.
    ///
    /// ```
    /// use fusebox::{Ask, Fuse, ScopesConfig, balancer::Spec, breaker};
    ///
    /// let orders = Fuse::builder("orders")
    ///     .endpoints([Spec::named("a:80"), Spec::named("b:80")])
    ///     .scopes(ScopesConfig { tenant: Some(breaker::Config::default()), ..ScopesConfig::default() })
    ///     .build_blocking()?;
    /// let orders_of_acme = orders.asking(Ask::default()).tenant("acme");
    /// orders_of_acme.call_at(|endpoint| Ok::<_, std::io::Error>(endpoint.len())).expect("all is well");
    /// assert_eq!(&**orders.service_circuit().expect("there are endpoints").name(), "orders");
    /// assert_eq!(&**orders.tenant_circuits()[0].name(), "orders[acme]");
    /// # Ok::<(), fusebox::InvalidConfig>(())
    /// ```
    pub fn scopes(mut self, scopes: ScopesConfig) -> Self {
        self.scopes = Some(scopes);
        self
    }
}

macro_rules! scoped {
    ($($fuse:ident, |$this:ident| $inner:expr;)*) => {$(
        impl<K> $fuse<K> {
            /// The circuit of the whole service, where there are [scopes](FuseBuilder::scopes) and several endpoints.
            pub fn service_circuit(&self) -> Option<&CircuitBreaker> {
                let $this = self;
                $inner.wider.as_ref()?.service()
            }

            /// The circuits of the tenants known now, named `service[tenant]`; `service[other]` is the one that newcomers
            /// share when there are too many.
            pub fn tenant_circuits(&self) -> Vec<CircuitBreaker> {
                let $this = self;
                $inner.wider.as_ref().map_or_else(Vec::new, Wider::tenants)
            }
        }
    )*};
}

scoped! {
    Fuse, |this| this.0;
    BlockingFuse, |this| this.0;
    PooledFuse, |this| this.inner;
}
