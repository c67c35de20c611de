//! A plan without a file: one service, its defaults, and the endpoints it runs at.

use super::admin::{AdminPlace, AdminPlan};
use super::chain::{CALL_TIMEOUT, Policies};
use super::endpoint;
use super::error::{ConfigError, ConfigErrors};
use super::plan::{Endpoint, Limits, Match, Plan, Route, Service};
use super::secret::masked;
use super::written::Written;
use fusebox_core::breaker::{self, Config};
use fusebox_core::pipeline::Order;
use std::net::SocketAddr;
use std::sync::Arc;

/// The name of the one service.
const NAME: &str = "upstream";

impl Plan {
    /// One service named `upstream` that takes every call, at `urls`, with the defaults; with several, a retry
    /// may go to another.
    ///
    /// # Errors
    ///
    /// URLs that are none, or stand twice, and addresses that collide, by the option they came by.
    pub fn for_upstreams(
        urls: &[String],
        listen: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Plan, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |option: &str, found: &str, accepted: &str| {
            let message = format!("found {found:?}, accepted: {accepted}");
            errors.push(ConfigError { file: option.into(), place: None, key: String::new(), message });
        };
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for url in urls {
            match endpoint::parse(url) {
                Err(accepted) => refuse("--upstream", url, accepted),
                Ok(new) if endpoints.iter().any(|known| known.authority == new.authority) => {
                    refuse("--upstream", url, "each endpoint once");
                }
                Ok(new) if endpoint::reaches(&new, &listen) => {
                    refuse("--upstream", url, endpoint::NOT_ITSELF)
                }
                Ok(new) => endpoints.push(new),
            }
        }
        if urls.is_empty() {
            refuse("--upstream", "", "at least one URL, as http://127.0.0.1:7001");
        }
        if super::listen::collides(listen, admin) {
            refuse("--admin", &admin.to_string(), "an address other than --listen's");
        }
        let place = AdminPlan::at(AdminPlace::Address(admin));
        if let Some(accepted) = place.refusal() {
            refuse("--admin", &admin.to_string(), accepted);
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let call_timeout = Some(CALL_TIMEOUT);
        let refused = |wrong: breaker::ConfigError| ConfigError {
            file: "default".into(),
            place: None,
            key: wrong.field.into(),
            message: format!("found {}, accepted: {}", wrong.found, wrong.accepted),
        };
        let refused = |wrong: Vec<_>| ConfigErrors(wrong.into_iter().map(refused).collect());
        let order = if endpoints.len() > 1 { Order::RetryOutside } else { Order::Seed };
        let breaker = Arc::new(Config::default().check(call_timeout).map_err(refused)?);
        let policies = Policies { order, ..Policies::usual(NAME, breaker) };
        let matches = Match { host: None, path_prefix: "/".into() };
        let routes = vec![Route { name: NAME.into(), matches, policies }];
        let services = vec![Service { name: NAME.into(), endpoints, routes }];
        let limits = Limits::default();
        Ok(Plan {
            admin: Some(place),
            listeners: vec![listen],
            services,
            limits,
            written: Written::asked(text(urls, listen, admin)),
            ..Plan::empty()
        })
    }
}

/// The file that says the same.
fn text(urls: &[String], listen: SocketAddr, admin: SocketAddr) -> String {
    let urls: Vec<_> = urls.iter().map(|url| format!("{:?}", masked(url))).collect();
    let urls = urls.join(", ");
    format!(
        "[admin]\nlisten = \"{admin}\"\n\n[[listener]]\nlisten = \"{listen}\"\n\n\
         [[service]]\nname = \"{NAME}\"\nendpoints = [{urls}]\n"
    )
}
