//! From arguments to a plan: a file, or URLs and the defaults.

use crate::args::Run;
use crate::failure::Failure;
use fusebox_proxy::config::{AdminPlace, AdminPlan, DEFAULT_ADMIN, DEFAULT_LISTENER, Plan};
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
    if let Some(place) = &run.admin {
        moved(&mut plan, place)?;
    }
    if let Some(level) = run.log_level {
        plan.log = level;
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

/// Has the admin interface listen at `place`, with what the file says of it else.
fn moved(plan: &mut Plan, place: &AdminPlace) -> Result<(), Failure> {
    let admin = match plan.admin.take() {
        Some(admin) => AdminPlan { listen: place.clone(), ..admin },
        None => AdminPlan::at(place.clone()),
    };
    if let Some(accepted) = admin.refusal() {
        return Err(Failure::Usage(format!("--admin: found {place}, accepted: {accepted}")));
    }
    plan.admin = Some(admin);
    Ok(())
}

fn upstreams(run: &Run) -> Result<Plan, Failure> {
    let listen = run.listen.unwrap_or(DEFAULT_LISTENER);
    let place = run.admin.clone().unwrap_or(AdminPlace::Address(DEFAULT_ADMIN));
    let refused = |errors| Failure::Configuration { what: "what was asked".into(), errors };
    let mut plan = Plan::for_upstreams(&run.upstream, listen, place.address().unwrap_or(DEFAULT_ADMIN))
        .map_err(refused)?;
    moved(&mut plan, &place)?;
    plan.log = run.log_level.unwrap_or(plan.log);
    Ok(plan)
}

/// Options may have brought together what the file kept apart.
fn consistent(plan: &Plan) -> Result<(), Failure> {
    let same = |a: SocketAddr, b: SocketAddr| {
        let ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
        ip && a.port() == b.port() && a.port() != 0
    };
    for listener in &plan.listeners {
        let admin = plan.admin.as_ref().and_then(|admin| admin.listen.address());
        if admin.is_some_and(|admin| same(admin, *listener)) {
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
            admin: admin.map(|text| text.parse().expect("a place")),
            log_level: None,
        }
    }

    #[test]
    fn options_override_the_file_and_are_checked_against_it() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fusebox.toml");
        let plan = |listen, admin| asked(&run(&example, listen, admin));

        let plain = plan(None, None).expect("a good file");
        let place = |plan: &Plan| plan.admin.as_ref().map(|admin| admin.listen.clone());
        assert_eq!(plain.listeners, [DEFAULT_LISTENER]);
        assert_eq!(place(&plain), Some(AdminPlace::Address(DEFAULT_ADMIN)));
        let moved = plan(Some("127.0.0.1:1234"), Some("unix:/tmp/a.sock")).expect("free addresses");
        assert_eq!(moved.listeners, ["127.0.0.1:1234".parse().expect("an address")]);
        assert_eq!(place(&moved), Some(AdminPlace::Unix("/tmp/a.sock".into())));

        for (listen, admin, words) in [
            (Some("127.0.0.1:9900"), None, "both --listen and --admin"),
            (None, Some("127.0.0.1:8080"), "both --listen and --admin"),
            (None, Some("0.0.0.0:99"), "unless admin.tokens names a file of tokens"),
            (Some("127.0.0.1:7001"), None, "round for ever"),
        ] {
            let failure = plan(listen, admin).expect_err(words);
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
}
