//! The circuits of a plan, in groups that share their settings, and how PromQL selects them.

use fusebox_core::breaker::{self, WaitStrategy, Window};
use fusebox_core::explain::span;
use fusebox_proxy::config::{Plan, Policies, Route, Service};
use std::time::Duration;

/// Circuits with the same settings.
#[derive(Debug)]
pub(crate) struct Circuits {
    /// The name they begin with, or what they are.
    pub(crate) title: String,
    /// Label matchers that select them, without braces; empty for all there are.
    pub(crate) selector: String,
    pub(crate) settings: breaker::Settings,
}

impl Circuits {
    /// The groups of `plan`, in its order.
    pub(crate) fn of(plan: &Plan) -> Vec<Circuits> {
        let mut groups = Vec::new();
        for service in &plan.services {
            for route in service.own_route().into_iter().chain(service.inner_routes()) {
                if route.policies.circuit == route.name {
                    groups.push(Circuits::before(service, route));
                }
            }
        }
        // Beyond the cap the worst of them stands for all; the slowest settings are those it is measured by.
        let slowest = |group: &&Circuits| (group.settings.probe_lease(), group.longest_wait());
        if plan.services.iter().any(many)
            && let Some(slow) = groups.iter().max_by_key(slowest)
        {
            let (settings, title) = (slow.settings.clone(), "other".to_owned());
            groups.push(Circuits { title, selector: "circuit_name=\"other\"".into(), settings });
        }
        groups
    }

    /// One group for whatever there is, on these settings.
    pub(crate) fn all(settings: &breaker::Settings) -> Circuits {
        Circuits { title: "all".into(), selector: String::new(), settings: settings.clone() }
    }

    fn before(service: &Service, route: &Route) -> Circuits {
        let policies = &route.policies;
        let mut names: Vec<String> =
            service.endpoints.iter().map(|endpoint| policies.circuit_name(service, endpoint)).collect();
        let wide = policies.scopes.is_some() && names.len() > 1;
        if wide {
            names.push(policies.circuit.clone());
        }
        let keyed = policies.breaker_key.is_some() || has_tenants(policies);
        let selector = match names.as_slice() {
            [name] if !keyed => format!("circuit_name=\"{name}\""),
            names => {
                let names: Vec<_> = names.iter().map(|name| literally(name)).collect();
                let mut pattern = names.join("|");
                if policies.breaker_key.is_some() {
                    pattern = format!("({pattern})([[].*)?");
                } else if keyed {
                    pattern += &format!("|{}[[].*", literally(&policies.circuit));
                }
                format!("circuit_name=~\"{pattern}\"")
            }
        };
        Circuits { title: route.name.clone(), selector, settings: (*policies.breaker).clone() }
    }

    /// `metric` of these circuits, with further label matchers.
    pub(crate) fn metric(&self, metric: &str, more: &str) -> String {
        let matchers: Vec<_> = [self.selector.as_str(), more].into_iter().filter(|m| !m.is_empty()).collect();
        match matchers.as_slice() {
            [] => metric.into(),
            some => format!("{metric}{{{}}}", some.join(",")),
        }
    }

    /// The longest that a circuit stays open before it probes, jitter included.
    pub(crate) fn longest_wait(&self) -> Duration {
        let wait = &self.settings.config().wait_in_open;
        let longest = match wait.strategy {
            WaitStrategy::Fixed(always) => always,
            WaitStrategy::Exponential { max, .. } | WaitStrategy::Adaptive { max, .. } => max,
        };
        longest.mul_f64(1.0 + wait.jitter)
    }

    /// What the circuit does, in a sentence.
    pub(crate) fn numbers(&self) -> String {
        let config = self.settings.config();
        let window = match config.window {
            Window::Calls(calls) => format!("the last {calls} calls"),
            Window::Time(time) => span(time),
        };
        let rate = |what: &str, share: f64| {
            format!(
                "when {}% of at least {} calls in {window} {what}",
                round(share * 100.0),
                config.minimum_calls
            )
        };
        let rules = [
            config.consecutive_failures.map(|n| format!("at {n} failures in a row")),
            config.failure_count.map(|n| format!("at {n} failures in {window}")),
            config.failure_rate.map(|share| rate("failed", share)),
            config
                .slow_call_rate
                .zip(self.settings.slow_call_duration())
                .map(|(share, slow)| rate(&format!("took {} or more", span(slow)), share)),
        ];
        let rules: Vec<_> = rules.into_iter().flatten().collect();
        let (jitter, lease) = (round(config.wait_in_open.jitter * 100.0), span(self.settings.probe_lease()));
        let waits = match config.wait_in_open.strategy {
            WaitStrategy::Fixed(always) => span(always),
            WaitStrategy::Exponential { base, max, .. } | WaitStrategy::Adaptive { base, max, .. } => {
                format!("{} to {}", span(base), span(max))
            }
        };
        format!(
            "It opens {}; it stays open for {waits} (± {jitter}%), then probes; a probe has {lease}.",
            rules.join(", or ")
        )
    }
}

/// `number` without the noise of floating point.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// Whether there may be more circuits than have series of their own.
fn many(service: &Service) -> bool {
    service.routes.iter().any(|route| route.policies.breaker_key.is_some() || has_tenants(&route.policies))
}

fn has_tenants(policies: &Policies) -> bool {
    policies.scopes.as_ref().is_some_and(|scopes| scopes.tenant.is_some())
}

/// A pattern for `name` itself, without a backslash, which PromQL would want escaped once more.
pub(crate) fn literally(name: &str) -> String {
    let one = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_/:".contains(c) => c.to_string(),
        '^' => "\\\\^".into(),
        c => format!("[{c}]"),
    };
    name.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Vec<Circuits> {
        Circuits::of(&Plan::parse("test", text).expect("a good file"))
    }

    #[test]
    fn a_group_selects_its_own_circuits_and_no_others() {
        let found = groups(
            r#"
            [[service]]
            name = "pay.ments"
            match = { path_prefix = "/pay" }
            endpoints = ["http://10.0.0.1:80", "http://[::1]:80"]
            [[service.route]]
            match = { path_prefix = "/pay/capture" }
            breaker = { consecutive_failures = 2 }
            [[service]]
            name = "shops"
            match = { path_prefix = "/shops" }
            endpoints = ["http://a:80"]
            breaker = { key = "header:x-tenant", max_circuits = 9 }
            [[service]]
            name = "plain"
            endpoints = ["http://a:81"]
            "#,
        );
        let selectors: Vec<_> = found.iter().map(|group| group.selector.as_str()).collect();
        assert_eq!(
            selectors,
            [
                "circuit_name=~\"pay[.]ments/10[.]0[.]0[.]1:80|pay[.]ments/[[]::1[]]:80\"",
                "circuit_name=~\"pay[.]ments/capture/10[.]0[.]0[.]1:80|pay[.]ments/capture/[[]::1[]]:80\"",
                "circuit_name=~\"(shops)([[].*)?\"",
                "circuit_name=\"plain\"",
                "circuit_name=\"other\"",
            ]
        );
    }

    #[test]
    fn the_numbers_are_those_of_the_file() {
        let found = groups(
            "[[service]]\nname = \"a\"\nendpoints = [\"http://a:80\"]\ncall_timeout = \"2s\"\n\
             breaker = { preset = \"polly\", failure_rate = 0.3 }\n",
        );
        assert_eq!(
            found[0].numbers(),
            "It opens when 30% of at least 100 calls in 30s failed; it stays open for 5s (± 0%), then probes; a probe has \
             2.2s."
        );
    }
}
