//! `[[listener]]` and `[limits]`: the proxy's own side.

use super::keys::{LIMITS, LISTENER};
use super::plan::Limits;
use super::reader::{Entry, Table};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where clients connect when nothing else is said.
pub const DEFAULT_LISTENER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the admin interface listens when nothing else is said.
pub const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

const ADDRESS: &str = "an address and a port, as \"127.0.0.1:8080\" or \"[::1]:8080\"";
/// hyper's own least.
const LEAST_HEAD: usize = 8 << 10;
const MOST_HEAD: usize = 16 << 20;

/// The listeners' addresses, without those that are wrong.
pub(super) fn listeners(top: &Table<'_>, admin: Option<SocketAddr>) -> Vec<SocketAddr> {
    let listed = "tables, as [[listener]]";
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let Some(entry) = top.entry("listener") else {
        if admin.is_some_and(|admin| collides(admin, DEFAULT_LISTENER)) {
            let message = format!("found {DEFAULT_LISTENER}, which is the listener, accepted: another port");
            top.entry("admin").iter().for_each(|e| e.fault(&message));
        }
        return vec![DEFAULT_LISTENER];
    };
    for element in entry.list(listed).unwrap_or_default() {
        let Some(table) = element.table(&LISTENER, listed) else { continue };
        let Some(listen) = table.entry("listen") else {
            table.missing("listen", ADDRESS);
            continue;
        };
        let Some(address) = address(&listen) else { continue };
        if admin.is_some_and(|admin| collides(admin, address)) {
            listen.refuse("an address other than the admin interface's");
        } else if addresses.iter().any(|known| collides(*known, address)) {
            listen.refuse("an address that no other listener takes");
        }
        addresses.push(address);
    }
    addresses
}

/// The bounds on connections.
pub(super) fn limits(top: &Table<'_>) -> Limits {
    let usual = Limits::default();
    let Some(t) = top.entry("limits").and_then(|e| e.table(&LIMITS, "a table, as [limits]")) else {
        return usual;
    };
    let span = |key, usual| t.duration(key, Duration::from_millis(1)).unwrap_or(usual);
    let connections = |e: Entry<'_>| e.within(1, 1_000_000, "a whole number from 1 to 1000000");
    let head = |e: Entry<'_>| e.within(LEAST_HEAD, MOST_HEAD, "a number of bytes from 8192 to 16777216");
    Limits {
        connect_timeout: span("connect_timeout", usual.connect_timeout),
        header_timeout: span("header_timeout", usual.header_timeout),
        body_idle_timeout: span("body_idle_timeout", usual.body_idle_timeout),
        drain: t.duration("drain", Duration::ZERO).unwrap_or(usual.drain),
        max_connections: t.entry("max_connections").and_then(connections).unwrap_or(usual.max_connections),
        max_header_bytes: t.entry("max_header_bytes").and_then(head).unwrap_or(usual.max_header_bytes),
    }
}

fn address(entry: &Entry<'_>) -> Option<SocketAddr> {
    let parsed = entry.text(ADDRESS)?.parse().ok();
    if parsed.is_none() {
        entry.refuse(ADDRESS);
    }
    parsed
}

/// Whether two addresses cannot both be listened on. Port 0 stands for any free one.
pub(super) fn collides(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same_ip
}
