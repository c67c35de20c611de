//! What Istio's and Linkerd's resources have in common: names, hosts, documents.

use crate::export::yaml::{Yaml, list, map};
use fusebox_proxy::config::{Route, Service};

/// `name` as Kubernetes takes it: lower-case letters, digits and dashes.
pub(super) fn name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).collect();
    name.trim_matches('-').chars().take(63).collect()
}

/// A resource.
pub(super) fn resource(api: &str, kind: &str, metadata: Yaml, spec: Yaml) -> Yaml {
    map([("apiVersion", api.into()), ("kind", kind.into()), ("metadata", metadata), ("spec", spec)])
}

/// Resources as one file.
pub(super) fn documents(resources: &[Yaml]) -> String {
    resources.iter().map(|resource| format!("---\n{}", resource.document())).collect()
}

/// The name of the one host that all endpoints have, if they do: then that is the service's in the cluster.
pub(super) fn host(service: &Service) -> Option<&str> {
    let first = service.endpoints.first()?;
    let same =
        service.endpoints.iter().all(|e| (e.host.as_str(), e.port) == (first.host.as_str(), first.port));
    (same && first.host.parse::<std::net::IpAddr>().is_err()).then_some(first.host.as_str())
}

/// Where a call goes that a route accepts, as the Gateway API says it.
pub(super) fn path_match(route: &Route) -> Yaml {
    let path = [("type", "PathPrefix".into()), ("value", route.matches.path_prefix.as_str().into())];
    list([map([("path", map(path))])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes() {
        for (given, taken) in
            [("payments/capture", "payments-capture"), ("Pay_Ments.v2", "pay-ments-v2"), ("_a_", "a")]
        {
            assert_eq!(name(given), taken);
        }
        assert_eq!(name(&"x".repeat(80)).len(), 63);
    }
}
