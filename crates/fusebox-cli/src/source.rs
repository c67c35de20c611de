//! From arguments to a plan: a file, or URLs and the defaults.

use crate::args::Run;
use crate::failure::Failure;
use fusebox_proxy::config::{DEFAULT_ADMIN, DEFAULT_LISTENER, Plan};
use std::net::SocketAddr;
use std::path::Path;

/// Taken when no other configuration is named.
const USUAL_FILE: &str = "fusebox.toml";

const NOTHING_TO_PROTECT: &str = "\
nothing to protect
  one service, with the defaults:  fusebox run --upstream http://127.0.0.1:7001
  from a file:                     fusebox run --config fusebox.toml
  to see it at work first:         fusebox demo";

/// What `run` was asked to run.
pub(crate) fn asked(run: &Run) -> Result<Plan, Failure> {
    let mut plan = match &run.config {
        Some(path) => file(path)?,
        None if run.upstream.is_empty() && Path::new(USUAL_FILE).is_file() => file(Path::new(USUAL_FILE))?,
        None if run.upstream.is_empty() => return Err(Failure::Usage(NOTHING_TO_PROTECT.into())),
        None => return upstreams(run),
    };
    if let Some(listen) = run.listen {
        plan.listeners = vec![listen];
    }
    if let Some(admin) = run.admin {
        plan.admin = Some(admin);
        plan.warnings.retain(|warning| !warning.starts_with("admin: "));
        plan.warnings.extend(exposed(admin));
    }
    if run.listen.is_some() || run.admin.is_some() {
        consistent(&plan)?;
    }
    Ok(plan)
}

/// The plan in `file`.
pub(crate) fn file(file: &Path) -> Result<Plan, Failure> {
    let unreadable = |source| Failure::Unreadable { path: file.into(), source };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let name = file.display().to_string();
    let refused = |errors| Failure::Configuration { what: name.clone(), errors };
    Plan::parse(&name, &text).map_err(refused)
}

fn upstreams(run: &Run) -> Result<Plan, Failure> {
    let (listen, admin) = (run.listen.unwrap_or(DEFAULT_LISTENER), run.admin.unwrap_or(DEFAULT_ADMIN));
    let refused = |errors| Failure::Configuration { what: "what was asked".into(), errors };
    let mut plan = Plan::for_upstreams(&run.upstream, listen, admin).map_err(refused)?;
    plan.warnings.extend(exposed(admin));
    Ok(plan)
}

fn exposed(admin: SocketAddr) -> Option<String> {
    let text = format!("admin: listens on {admin}: whoever reaches it reads every circuit");
    (!admin.ip().is_loopback()).then_some(text)
}

/// Options may have brought together what the file kept apart.
fn consistent(plan: &Plan) -> Result<(), Failure> {
    let same = |a: SocketAddr, b: SocketAddr| {
        let ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
        ip && a.port() == b.port() && a.port() != 0
    };
    for listener in &plan.listeners {
        if plan.admin.is_some_and(|admin| same(admin, *listener)) {
            let text = format!(
                "{listener} is both --listen and --admin: clients and the admin interface need one each"
            );
            return Err(Failure::Usage(text));
        }
        for endpoint in plan.services.iter().flat_map(|service| &service.endpoints) {
            let itself = match endpoint.host.parse() {
                Ok(ip) => same(SocketAddr::new(ip, endpoint.port), *listener),
                Err(_) => endpoint.host == "localhost" && endpoint.port == listener.port(),
            };
            if itself {
                let text =
                    format!("--listen {listener} is the endpoint {endpoint}: calls would go round for ever");
                return Err(Failure::Usage(text));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: &Path, listen: Option<&str>, admin: Option<&str>) -> Run {
        let address = |text: &str| text.parse().expect("an address");
        Run {
            config: Some(config.into()),
            upstream: Vec::new(),
            listen: listen.map(address),
            admin: admin.map(address),
        }
    }

    #[test]
    fn options_override_the_file_and_are_checked_against_it() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fusebox.toml");
        let plan = |listen, admin| asked(&run(&example, listen, admin));

        let plain = plan(None, None).expect("a good file");
        assert_eq!((plain.listeners[0], plain.admin), (DEFAULT_LISTENER, Some(DEFAULT_ADMIN)));
        let moved = plan(Some("127.0.0.1:1234"), Some("0.0.0.0:99")).expect("free addresses");
        assert_eq!(moved.listeners, ["127.0.0.1:1234".parse().expect("an address")]);
        assert_eq!(moved.warnings.len(), 1, "{:?}", moved.warnings);

        for (listen, admin, words) in [
            (Some("127.0.0.1:9900"), None, "both --listen and --admin"),
            (None, Some("0.0.0.0:8080"), "both --listen and --admin"),
            (Some("127.0.0.1:7001"), None, "round for ever"),
        ] {
            let failure = plan(listen, admin).expect_err(words);
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
}
