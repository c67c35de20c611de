//! `[[service]]` and `[[service.route]]`: what is protected, and which calls reach it.

use super::balancer::{self, Home};
use super::chain::Policies;
use super::fallback::Surroundings;
use super::keys::{MATCH, ROUTE, SERVICE};
use super::plan::{Endpoint, Match, Route, Service};
use super::reader::{Entry, Table};
use super::{connections, endpoint, health, policies, scopes};
use std::cmp::Reverse;
use std::net::SocketAddr;

const NAME: &str = "a name of letters, digits, dots, dashes and underscores, up to 64";
const SERVICES: &str = "at least one [[service]] with a name and endpoints";
const MATCHES: &str = "a table, as { path_prefix = \"/payments\" }, { host = \"pay.example\" } or both";
const PREFIX: &str = "a path from \"/\" on, without a query, empty or dotted segments";
const HOST: &str = "a host's name without scheme, port or path, as \"pay.example\"";

/// The services of the file, without what is wrong with them, and the names of those whose number of circuits
/// nobody thought of.
pub(super) fn read(top: &Table<'_>, listeners: &[SocketAddr]) -> (Vec<Service>, Vec<String>) {
    let mut taken = Taken::default();
    let home = Home::of(top, &Home::default());
    let Some(entry) = top.entry("service") else {
        top.missing("service", SERVICES);
        return (Vec::new(), Vec::new());
    };
    let list = entry.list(SERVICES).unwrap_or_default();
    if list.is_empty() && entry.is_list() {
        entry.refuse(SERVICES);
    }
    let names: Vec<_> = list.iter().filter_map(|element| element.peek("name").map(str::to_owned)).collect();
    let queue = top.entry("queue").is_some_and(|e| !e.is_off());
    let file = File { listeners, home, names, queue };
    let services = list.iter().filter_map(|element| service(element, &file, &mut taken)).collect();
    (services, taken.unbounded)
}

/// What a service has to know of the rest of the file.
struct File<'f> {
    listeners: &'f [SocketAddr],
    home: Home,
    names: Vec<String>,
    /// There is a queue.
    queue: bool,
}

/// Names and matches that are given away.
#[derive(Default)]
struct Taken {
    names: Vec<String>,
    matches: Vec<(Match, String)>,
    /// Who has a circuit by key and says nothing of their number.
    unbounded: Vec<String>,
}

impl Taken {
    fn name(&mut self, table: &Table<'_>, name: &str) {
        if table.find("breaker.key").is_some() && table.find("breaker.max_circuits").is_none() {
            self.unbounded.push(name.into());
        }
        if self.names.iter().any(|known| known == name) {
            table.fault("name", &format!("found {name:?} again, accepted: a name of its own"));
        }
        self.names.push(name.into());
    }

    /// Takes the match; whether it was free.
    fn matches(&mut self, table: &Table<'_>, matches: &Match, name: &str) -> bool {
        let owner = self.matches.iter().find(|(known, _)| known == matches).map(|(_, owner)| owner.clone());
        if let Some(owner) = &owner {
            let found = format!("found the same match as {owner:?}");
            table.fault("match", &format!("{found}, accepted: a host or path prefix that no other has"));
        }
        self.matches.push((matches.clone(), name.into()));
        owner.is_none()
    }
}

fn service(element: &Entry<'_>, file: &File<'_>, taken: &mut Taken) -> Option<Service> {
    let table = element.table(&SERVICE, SERVICES)?;
    let endpoints = endpoint::read(&table, file.listeners);
    let balancer = balancer::read(&table, &file.home, &endpoints);
    let health = table.or("health", None, |e| e.off_or(health::read));
    let max_connections = table.or("max_connections", None, |e| e.off_or(connections::read));
    let scopes = table.or("scopes", None, |e| e.off_or(scopes::read));
    if table.entry("name").is_none() {
        table.missing("name", NAME);
    }
    let name = table.entry("name").and_then(|e| name(&e)).unwrap_or_default();
    if !name.is_empty() {
        taken.name(&table, &name);
    }
    let matches = match table.entry("match") {
        None => Some(Match { host: None, path_prefix: "/".into() }),
        Some(e) => matches(&e, None),
    };
    if let Some(matches) = &matches {
        taken.matches(&table, matches, &name);
    }
    let ours = balancer.as_ref().and_then(|balancer| balancer.config().region.clone());
    let elsewhere =
        |e: &Endpoint| ours.is_some() && e.region.is_some() && e.region.as_deref() != ours.as_deref();
    let elsewhere = endpoints.iter().any(elsewhere);
    let around = Surroundings { service: &name, services: &file.names, elsewhere, queue: file.queue };
    let policies = policies::read(&table, &name, None, &around);
    let policies = policies.zip(balancer).map(|(policies, balancer)| {
        let (health, max_connections) = (health.flatten(), max_connections.flatten());
        Policies { balancer, health, max_connections, scopes: scopes.flatten(), ..policies }
    });
    let mut routes = Vec::new();
    for element in
        table.entry("route").and_then(|e| e.list("tables, as [[service.route]]")).unwrap_or_default()
    {
        routes.extend(route(&element, &around, matches.as_ref(), policies.as_ref(), taken));
    }
    routes.push(Route { name: name.clone(), matches: matches?, policies: policies? });
    check_scopes(&table, &endpoints, &routes);
    routes.sort_by_key(|route| Reverse(route.matches.specificity()));
    Some(Service { name, endpoints, routes })
}

/// Scopes that could never tell anybody from anybody else.
fn check_scopes(table: &Table<'_>, endpoints: &[Endpoint], routes: &[Route]) {
    for route in routes {
        let Some(scopes) = &route.policies.scopes else { continue };
        if scopes.tenant.is_none() && endpoints.len() < 2 {
            let accepted = "several endpoints, a tenant, as { tenant = \"header:x-tenant\" }, or both";
            table.fault("scopes", &format!("found one endpoint and no tenant, accepted: {accepted}"));
            return;
        }
        if route.policies.breaker_key.is_some() {
            let found = format!("found them beside the breaker.key of {:?}", route.name);
            table.fault(
                "scopes",
                &format!("{found}, accepted: one of the two; scopes.tenant has a circuit by key too"),
            );
        }
    }
}

fn route(
    element: &Entry<'_>,
    around: &Surroundings<'_>,
    outer: Option<&Match>,
    inherited: Option<&Policies>,
    taken: &mut Taken,
) -> Option<Route> {
    let table = element.table(&ROUTE, "tables, as [[service.route]]")?;
    let service = around.service;
    let own_name = table.entry("name").map(|e| name(&e));
    let matches = match table.entry("match") {
        Some(e) => matches(&e, outer),
        None => {
            table.missing("match", MATCHES);
            None
        }
    };
    let prefix = outer.map_or("/", |outer| outer.path_prefix.as_str());
    let named = own_name.is_some();
    let name = match (own_name, &matches) {
        (Some(name), _) => format!("{service}/{}", name?),
        (None, Some(matches)) => format!("{service}/{}", remainder(matches, prefix)),
        (None, None) => format!("{service}/route"),
    };
    let policies = policies::read(&table, &name, inherited, around);
    let matches = matches?;
    // The name of a match written twice would be there twice as well: one error says it.
    if taken.matches(&table, &matches, &name) || named {
        taken.name(&table, &name);
    }
    Some(Route { name, matches, policies: policies? })
}

/// What tells a route from its service, for its name: the rest of its path, or else its host.
fn remainder(matches: &Match, outer: &str) -> String {
    let path = matches.path_prefix.strip_prefix(outer).unwrap_or(&matches.path_prefix).trim_matches('/');
    match (&matches.host, path) {
        (Some(host), "") => host.clone(),
        (_, path) => path.into(),
    }
}

/// A match; a route without a host has its service's.
fn matches(entry: &Entry<'_>, outer: Option<&Match>) -> Option<Match> {
    let table = entry.table(&MATCH, MATCHES)?;
    let host = table.entry("host").map(|e| host(&e));
    let path_prefix = table.entry("path_prefix").map(|e| path_prefix(&e));
    if host.is_none() && path_prefix.is_none() {
        entry.refuse(MATCHES);
    }
    let inherited = || outer.and_then(|outer| outer.host.clone());
    let host = host.map_or_else(|| Some(inherited()), |host| host.map(Some))?;
    let default_path = || outer.map_or("/", |outer| outer.path_prefix.as_str()).to_owned();
    Some(Match { host, path_prefix: path_prefix.unwrap_or_else(|| Some(default_path()))? })
}

fn host(e: &Entry<'_>) -> Option<String> {
    let text = e.text(HOST)?.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let v6 = address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    if text.is_empty() || !(v6 || text.chars().all(plain)) {
        e.refuse(HOST);
        return None;
    }
    Some(text)
}

fn path_prefix(e: &Entry<'_>) -> Option<String> {
    let text = e.text(PREFIX)?;
    let trimmed = text.trim_end_matches('/');
    let visible = text.chars().all(|c| c.is_ascii_graphic() && !"?#%\\".contains(c));
    let segments = || trimmed.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
    if !text.starts_with('/') || text.ends_with("//") || !visible || !segments() {
        e.refuse(PREFIX);
        return None;
    }
    Some(if trimmed.is_empty() { "/".into() } else { trimmed.into() })
}

fn name(e: &Entry<'_>) -> Option<String> {
    let text = e.text(NAME)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        e.refuse(NAME);
        return None;
    }
    Some(text.into())
}
