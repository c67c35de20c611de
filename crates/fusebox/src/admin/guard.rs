//! Who may ask for what: a page of another site may neither read nor change anything here.
//!
//! A browser sends a foreign page's requests with an `Origin` of their own, and a name that was bound to this address with a `Host` of its
//! own (DNS rebinding). A change needs `Content-Type: application/json`, which a foreign page cannot send unasked.

use crate::admin::answer::Problem;
use crate::admin::asked::Asked;
use std::net::IpAddr;

impl Asked<'_> {
    /// Refuses what a foreign page may have sent, where it could change something or read whose calls wait.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        // What tells of circuits is asked by monitoring, too, under whatever name it knows this machine.
        if matches!(self.method, "GET" | "HEAD") && !self.target.starts_with("/queue") {
            return Ok(());
        }
        let host = self.host.unwrap_or("localhost");
        if !is_own(name(host)) {
            return Err(Problem::forbidden(format!(
                "Host: found {host:?}, accepted: an address or localhost; a name could be anybody's"
            )));
        }
        let from = self.origin.map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
        if from.is_some_and(|from| from != host) {
            let origin = self.origin.unwrap_or_default();
            return Err(Problem::forbidden(format!(
                "Origin: found {origin:?}, accepted: this interface's own"
            )));
        }
        let kind = self.content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        if !matches!(self.method, "GET" | "HEAD") && kind != Some("application/json") {
            let found = self.content_type.unwrap_or("none");
            return Err(Problem::bad_request(format!(
                "Content-Type: found {found:?}, accepted: application/json"
            )));
        }
        Ok(())
    }
}

/// Without the port.
fn name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_own(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> bool {
        let json = Some("application/json; charset=utf-8");
        Asked { method: "POST", host: Some(host), origin, content_type: json, ..Asked::default() }
            .check()
            .is_ok()
    }

    #[test]
    fn only_addresses_and_this_machines_own_name_are_asked_by() {
        for host in ["127.0.0.1:9900", "localhost", "LOCALHOST:1", "[::1]:9900", "10.0.0.7:9900"] {
            assert!(check(host, None), "{host}");
        }
        for host in ["evil.test", "evil.test:9900", "127.0.0.1.evil.test", "", "localhost.evil.test:9900"] {
            assert!(!check(host, None), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        assert!(check("127.0.0.1:9900", Some("http://127.0.0.1:9900")));
        for origin in ["http://evil.test", "http://127.0.0.1:80", "null", "http://127.0.0.1"] {
            assert!(!check("127.0.0.1:9900", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn a_change_is_written_in_json() {
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let asked = Asked { method: "POST", content_type: kind, ..Asked::default() };
            assert!(asked.check().is_err(), "{kind:?}");
            assert!(Asked { method: "GET", ..asked }.check().is_ok());
        }
    }
}
