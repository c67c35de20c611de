//! The demo's configuration file: `demo.toml` with the ports that are free.

use super::schedule::Schedule;
use crate::failure::Failure;
use fusebox_proxy::config::Plan;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, process};

const TEXT: &str = include_str!("demo.toml");
/// What stands in the file for the endpoints, in the order of the backends.
const ENDPOINTS: [&str; 3] = ["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"];
/// What stands there for the proxy's own addresses.
const OWN: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9900"];
const ANY_PORT: &str = "127.0.0.1:0";
const WAITS: &str = "base = \"1s\", multiplier = 2.0, max = \"2s\"";

/// The file and the plan in it.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) file: PathBuf,
    pub(super) plan: Plan,
}

impl Setting {
    /// Writes the file, for `endpoints` and the waits that fit `schedule`, and reads it as any other.
    pub(super) fn write(endpoints: [SocketAddr; 3], schedule: Schedule) -> Result<Setting, Failure> {
        let text = text(endpoints, schedule);
        let folder = env::temp_dir().join(format!("fusebox-demo-{}", process::id()));
        let file = folder.join("fusebox.toml");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, &text))
            .map_err(|error| Failure::Run(format!("cannot write {}: {error}", file.display())))?;
        let name = file.display().to_string();
        let plan = Plan::parse(&name, &text);
        let plan = plan.map_err(|errors| Failure::Configuration { what: "the demo".into(), errors })?;
        Ok(Setting { file, plan })
    }
}

fn text(endpoints: [SocketAddr; 3], schedule: Schedule) -> String {
    let mut text = TEXT.to_owned();
    for (written, free) in ENDPOINTS.iter().zip(endpoints) {
        text = text.replace(written, &free.to_string());
    }
    for written in OWN {
        text = text.replace(written, ANY_PORT);
    }
    let base = schedule.wait();
    let waits = format!("base = \"{}\", multiplier = 2.0, max = \"{}\"", span(base), span(base * 2));
    text.replace(WAITS, &waits)
}

/// A duration as the configuration takes it and a person likes it.
pub(super) fn span(span: Duration) -> String {
    match span.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fusebox_core::breaker::WaitStrategy;

    #[test]
    fn the_file_in_the_repository_is_an_ordinary_one() {
        let plan = Plan::parse("demo.toml", TEXT).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(plan.services.len(), 2);
        assert_eq!(plan.warnings, ["payments: no fallback: while a circuit is open its callers are refused"]);
    }

    #[test]
    fn ports_and_waits_are_put_in_everywhere() {
        let endpoints = [41001, 41002, 41003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let schedule = Schedule::for_demo(6);
        let text = text(endpoints, schedule);
        for written in ENDPOINTS.iter().chain(&OWN).chain([&WAITS]) {
            assert!(TEXT.contains(written) && !text.contains(written), "{written}\n{text}");
        }
        let plan = Plan::parse("demo.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
        let ports = plan.services.iter().flat_map(|service| &service.endpoints).map(|endpoint| endpoint.port);
        assert_eq!(ports.collect::<Vec<_>>(), [41001, 41002, 41003]);
        let base = schedule.wait();
        for service in &plan.services {
            let strategy = service.routes[0].policies.breaker.config().wait_in_open.strategy;
            let WaitStrategy::Exponential { base: written, max, .. } = strategy else {
                panic!("{strategy:?}")
            };
            assert_eq!((written.as_millis(), max.as_millis()), (base.as_millis(), (base * 2).as_millis()));
        }
    }
}
