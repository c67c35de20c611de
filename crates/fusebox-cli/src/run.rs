//! `fusebox run`: the proxy, from its start to its last call.

use crate::args::Run;
use crate::failure::Failure;
use crate::look::{self, HEAD, QUIET};
use crate::output::Output;
use crate::signals::Signals;
use crate::source;
use fusebox_core::event::Event;
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Journal, Options, Proxy};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::runtime;
use tokio::sync::oneshot;

/// Runs until a signal, then lets the calls in flight end.
pub(crate) fn run(run: &Run, output: Output) -> Result<(), Failure> {
    let plan = source::asked(run)?;
    let no_runtime = |error| Failure::Run(format!("cannot wait for signals: {error}"));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    runtime.block_on(async {
        // Before the start: a signal that comes at once is not lost.
        let mut signals = Signals::catch().map_err(no_runtime)?;
        let proxy = start(plan.clone())?;
        output.write(&banner(&plan, proxy.addresses(), proxy.admin_address()));
        let say = move |line: &str| {
            output.say(line);
        };
        let journal = Journal::start(Arc::new(say))
            .map_err(|error| Failure::Run(format!("cannot start a thread: {error}")))?;
        tell_events(&proxy, journal.clone());
        signals.next().await;
        let grace = plan.limits.drain;
        journal
            .say(format!("stopping: no new calls, those in flight get {grace:?}; once more stops at once"));
        let (ended, end) = oneshot::channel();
        thread::spawn(move || ended.send(proxy.shutdown(grace)));
        tokio::select! {
            Ok(cut_off) = end => stopped(cut_off, &journal),
            () = signals.next() => Err(Failure::Stopped),
        }
    })
}

/// Starts `plan`; what its circuits do is told here and not by the proxy itself.
pub(crate) fn start(plan: Plan) -> Result<Proxy, Failure> {
    Ok(Proxy::start_with(plan, Options { journal: Some(Arc::new(|_| {})), ..Options::default() })?)
}

fn stopped(cut_off: io::Result<usize>, journal: &Journal) -> Result<(), Failure> {
    match cut_off.map_err(|error| Failure::Run(format!("a worker of the proxy failed: {error}")))? {
        0 => journal.say("stopped"),
        more => journal.say(format!("stopped; {} cut off", look::count(more, "connection"))),
    }
    journal.flush();
    Ok(())
}

/// A line for each event of each circuit.
fn tell_events(proxy: &Proxy, journal: Journal) {
    let clock = proxy.registry().clock().clone();
    let start = clock.now();
    let tell = move |circuit: &str, event: &Event| {
        if let Some(text) = look::event(event) {
            let since = look::seconds(clock.now().since(start));
            journal.say(format!("{}  {circuit}  {text}", QUIET.paint(format!("{since:>9}"))));
        }
    };
    // The proxy makes what is due happen on time; it needs no timer thread besides.
    proxy.registry().subscribe(Arc::new(tell));
}

/// What runs where, and what is doubtful about it.
fn banner(plan: &Plan, addresses: &[SocketAddr], admin: Option<SocketAddr>) -> String {
    let mut lines = vec![format!("{} {}", HEAD.paint("fusebox"), env!("CARGO_PKG_VERSION"))];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:9} {text}"));
    for address in addresses {
        line("listens", format!("http://{address}"));
    }
    for service in &plan.services {
        let matches = service.own_route().map(|route| route.matches.to_string()).unwrap_or_default();
        let endpoints: Vec<_> = service.endpoints.iter().map(ToString::to_string).collect();
        line("protects", format!("{} {matches} at {}", service.name, endpoints.join(", ")));
    }
    match admin {
        Some(admin) => line("circuits", format!("http://{admin}/circuits, also /metrics, /healthz, /readyz")),
        None => line("circuits", "not shown: admin = false".into()),
    }
    lines.extend(plan.warnings.iter().map(|warning| look::warning(warning)));
    lines.push(String::new());
    lines.join("\n")
}
