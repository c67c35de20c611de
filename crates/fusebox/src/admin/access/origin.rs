//! A page of another site may neither read nor change anything here.
//!
//! Three marks tell such a page's requests from an operator's. A name that was bound to this machine's address (DNS rebinding) comes with
//! that name as `Host`: only addresses, `localhost` and the names that were configured are answered under. A script's request to another
//! origin comes with its own `Origin`. And a browser says with `Sec-Fetch-Site` whose page asks, also for images, scripts and forms, which
//! have no `Origin`; `same-site` is refused like `cross-site`, since a page on another port of this machine, or under a sibling name, is of
//! the same site and still somebody else's. Only a person who follows a link to `/` may come from elsewhere. Browsers leave the third mark
//! away where the address is neither encrypted nor this machine's own; what is left there is a read whose answer the page does not get,
//! since no answer allows it to, and a change needs `Content-Type: application/json`, which a page cannot send to another origin unasked.

use crate::admin::answer::Problem;
use crate::admin::asked::Asked;
use std::net::IpAddr;

pub(super) fn check(asked: &Asked<'_>, names: &[String]) -> Result<(), Problem> {
    let host = asked.host.unwrap_or("localhost");
    if !is_own(host) && !names.iter().any(|accepted| is_named(host, accepted)) {
        return Err(Problem::forbidden(format!(
            "Host: found {host:?}, accepted: an address, localhost or a name that is configured; any other could be anybody's. \
             Where this is the interface's own name, add it to the accepted ones (in the proxy: admin.hosts)"
        )));
    }
    let from = asked.origin.map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    if from.is_some_and(|from| !from.eq_ignore_ascii_case(host)) {
        let origin = asked.origin.unwrap_or_default();
        return Err(Problem::forbidden(format!("Origin: found {origin:?}, accepted: this interface's own")));
    }
    match asked.fetch_site {
        None | Some("none" | "same-origin") => Ok(()),
        Some(_) if is_visit(asked) => Ok(()),
        Some(site) => Err(Problem::forbidden(format!(
            "Sec-Fetch-Site: found {site:?}, accepted: same-origin or none; a page of another site may only link to /"
        ))),
    }
}

/// A person has followed a link to the page, in a window of its own.
fn is_visit(asked: &Asked<'_>) -> bool {
    asked.method == "GET"
        && asked.path() == "/"
        && asked.fetch_mode == Some("navigate")
        && asked.fetch_dest == Some("document")
}

fn is_own(host: &str) -> bool {
    let name = name(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Whether `host` is `accepted`, which stands for every port unless it has one.
fn is_named(host: &str, accepted: &str) -> bool {
    let whole = accepted.contains(':');
    let found = if whole { host } else { name(host) };
    found.trim_end_matches('.').eq_ignore_ascii_case(accepted.trim_end_matches('.'))
}

/// Without the port.
fn name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(asked: Asked<'_>) -> bool {
        check(&asked, &["fusebox.internal".into(), "ops.test:9900".into()]).is_ok()
    }

    fn asked_as(host: &str) -> Asked<'_> {
        Asked { method: "GET", target: "/circuits", host: Some(host), ..Asked::default() }
    }

    #[test]
    fn addresses_this_machines_own_name_and_configured_names_are_asked_by() {
        let own = ["127.0.0.1:9900", "localhost", "LOCALHOST:1", "[::1]:9900", "10.0.0.7:9900"];
        let configured = ["fusebox.internal", "FUSEBOX.internal:80", "fusebox.internal.", "ops.test:9900"];
        for host in own.into_iter().chain(configured) {
            assert!(accepts(asked_as(host)), "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:9900",
            "127.0.0.1.evil.test",
            "",
            "localhost.evil.test:9900",
            "ops.test",
            "?",
        ] {
            assert!(!accepts(asked_as(host)), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let from = |origin| Asked { origin: Some(origin), ..asked_as("127.0.0.1:9900") };
        assert!(accepts(from("http://127.0.0.1:9900")));
        for origin in
            ["http://evil.test", "http://127.0.0.1:80", "null", "http://127.0.0.1", "127.0.0.1:9900", "?"]
        {
            assert!(!accepts(from(origin)), "{origin}");
        }
    }

    #[test]
    fn from_another_site_only_a_person_may_come_and_only_to_the_page() {
        let visit = Asked {
            target: "/",
            fetch_site: Some("cross-site"),
            fetch_mode: Some("navigate"),
            fetch_dest: Some("document"),
            ..asked_as("localhost")
        };
        assert!(accepts(visit));
        assert!(accepts(Asked { target: "/?x", fetch_site: Some("same-site"), ..visit }));
        for own in ["none", "same-origin"] {
            assert!(accepts(Asked { fetch_site: Some(own), ..asked_as("localhost") }), "{own}");
        }
        for refused in [
            Asked { target: "/circuits", ..visit },
            Asked { method: "POST", ..visit },
            Asked { fetch_dest: Some("iframe"), ..visit },
            Asked { fetch_mode: Some("no-cors"), ..visit },
            Asked { fetch_mode: None, ..visit },
            Asked { fetch_site: Some("same-site"), ..asked_as("localhost") },
            Asked { fetch_site: Some("cross-site"), ..asked_as("localhost") },
            Asked { fetch_site: Some("?"), ..asked_as("localhost") },
        ] {
            assert!(!accepts(refused), "{refused:?}");
        }
    }
}
