//! Where a service runs.

use super::keys::ENDPOINT;
use super::plan::Endpoint;
use super::reader::{Entry, Table};
use http::Uri;
use std::net::{IpAddr, SocketAddr};

const ENDPOINTS: &str = "a list of URLs, as [\"http://127.0.0.1:7001\"], or of tables with a url";
const URL: &str = "a URL of scheme, host, port and perhaps a path, as \"http://127.0.0.1:7001\"";

/// What is accepted where a listener was found.
pub(super) const NOT_ITSELF: &str = "an endpoint other than the proxy itself: calls would go round for ever";

/// A service's endpoints, without those that are wrong.
pub(super) fn read(service: &Table<'_>, listeners: &[SocketAddr]) -> Vec<Endpoint> {
    let Some(entry) = service.entry("endpoints") else {
        service.missing("endpoints", ENDPOINTS);
        return Vec::new();
    };
    let Some(list) = entry.list(ENDPOINTS) else { return Vec::new() };
    if list.is_empty() {
        entry.refuse("at least one endpoint");
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for element in &list {
        let Some((endpoint, url)) = one(element) else { continue };
        if endpoints.iter().any(|known| known.authority == endpoint.authority) {
            url.fault(&format!("found {} twice, accepted: each endpoint once", endpoint.authority));
        } else if listeners.iter().any(|listener| reaches(&endpoint, listener)) {
            url.refuse(NOT_ITSELF);
        }
        endpoints.push(endpoint);
    }
    if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.weight == 0) {
        entry.refuse("an endpoint with a weight of 1 or more: one of 0 takes no calls");
    }
    endpoints
}

/// An endpoint, and the entry its URL stands in.
fn one<'a>(element: &Entry<'a>) -> Option<(Endpoint, Entry<'a>)> {
    if element.is_text() {
        let endpoint = checked(element)?;
        return Some((endpoint, element.clone()));
    }
    let table = element.table(&ENDPOINT, "a URL or a table with a url")?;
    let name = |key| table.entry(key)?.text("a name in quotes").map(str::to_owned);
    let (region, zone) = (name("region"), name("zone"));
    let weight =
        table.or("weight", 1, |e| e.within(0, 65_535, "a whole number from 0 to 65535").map(|n| n as u32));
    let Some(url) = table.entry("url") else {
        table.missing("url", URL);
        return None;
    };
    let endpoint = Endpoint { region, zone, weight: weight.unwrap_or(1), ..checked(&url)? };
    Some((endpoint, url))
}

fn checked(url: &Entry<'_>) -> Option<Endpoint> {
    parse(url.text(URL)?).map_err(|accepted| url.refuse(accepted)).ok()
}

/// The endpoint at `url`, or what is accepted instead.
pub(super) fn parse(url: &str) -> Result<Endpoint, &'static str> {
    let scheme = url.split("://").next().filter(|scheme| scheme.len() < url.len());
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("http") => {}
        Some("https") => return Err("http:// (TLS to endpoints is not available yet in this version)"),
        Some(_) => return Err("a URL that begins with http://"),
        None => return Err("a URL with its scheme, as \"http://127.0.0.1:7001\""),
    }
    if url.contains(['?', '#']) {
        return Err("a URL without a query or fragment: each call brings its own");
    }
    let uri: Uri = url.parse().map_err(|_| URL)?;
    let authority = uri.authority().ok_or(URL)?.as_str();
    if authority.contains('@') {
        return Err("a URL without a user name: send credentials in a header");
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(URL)?;
    let port = match authority.get(host.len()..) {
        Some("") => 80,
        Some(rest) => {
            rest.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port > 0).unwrap_or(0)
        }
        None => 0,
    };
    if port == 0 {
        return Err("a port from 1 to 65535");
    }
    let host = host.to_ascii_lowercase();
    Ok(Endpoint {
        authority: format!("{host}:{port}"),
        host: host.trim_matches(['[', ']']).into(),
        port,
        base_path: uri.path().trim_end_matches('/').into(),
        region: None,
        zone: None,
        weight: 1,
    })
}

/// Whether a connection to `endpoint` ends at `listener`, as far as names tell.
pub(super) fn reaches(endpoint: &Endpoint, listener: &SocketAddr) -> bool {
    let local = endpoint.host == "localhost";
    let ip: Option<IpAddr> = endpoint.host.parse().ok();
    let loopback = local || ip.is_some_and(|ip| ip.is_loopback());
    endpoint.port == listener.port()
        && (ip == Some(listener.ip())
            || loopback && listener.ip().is_unspecified()
            || local && listener.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_what_a_resolver_takes() {
        let endpoint = parse("http://[::1]:7001/api/").expect("a good URL");
        assert_eq!((endpoint.authority.as_str(), endpoint.host.as_str()), ("[::1]:7001", "::1"));
        assert_eq!((endpoint.port, endpoint.base_path.as_str()), (7001, "/api"));
        let named = parse("http://My_Service").expect("a good URL");
        assert_eq!((named.authority.as_str(), named.base_path.as_str()), ("my_service:80", ""));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for wrong in [
            "",
            "http://",
            "http:///x",
            "127.0.0.1:80",
            "https://a",
            "ftp://a",
            "http://a:99999",
            "http://a:0",
            "http://a:",
            "http://u@a",
            "http://a/?q",
            "http://a/#f",
            "http://a b",
            "http://:80",
            "http://[::1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
