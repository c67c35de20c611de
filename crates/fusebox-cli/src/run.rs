//! `fusebox run`: the proxy, from its start to its last call.

use crate::args::Run;
use crate::failure::Failure;
use crate::look::{self, HEAD, QUIET};
use crate::output::Output;
use crate::signals::{Asked, Signals};
use crate::source;
use fusebox::Clock;
use fusebox_core::event::Event;
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Journal, Level, Options, PlanSource, Proxy};
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
        let proxy = Proxy::start_with(plan.clone(), options(run, output))?;
        let (helm, journal) = (proxy.helm(), proxy.journal().clone());
        output.write(&banner(&plan, proxy.addresses(), proxy.admin_address()));
        while signals.next().await == Asked::Reload {
            // What came of it is told by the proxy.
            if helm.reload(false).is_none() {
                journal.say(Level::Warn, "nothing to read again: all was said on the command line");
            }
        }
        let grace = helm.limits().drain;
        journal.say(
            Level::Info,
            format!("stopping: no new calls, those in flight get {grace:?}; once more stops at once"),
        );
        let (ended, end) = oneshot::channel();
        thread::spawn(move || ended.send(proxy.shutdown(grace)));
        tokio::select! {
            Ok(cut_off) = end => stopped(cut_off, &journal),
            () = signals.stop() => Err(Failure::Stopped),
        }
    })
}

/// What the proxy is told beside the plan: where its lines go, how they look, and where the plan comes from.
fn options(run: &Run, output: Output) -> Options {
    let say = move |line: &str| {
        output.say(line);
    };
    let clock = Clock::system();
    let start = clock.now();
    let tell = move |circuit: &str, event: &Event| {
        let since = look::seconds(clock.now().since(start));
        look::event(event).map(|text| format!("{}  {circuit}  {text}", QUIET.paint(format!("{since:>9}"))))
    };
    let asked = run.clone();
    let again = move || source::asked(&asked).map_err(|failure| failure.sentences());
    Options {
        journal: Some(Arc::new(say)),
        teller: Some(Arc::new(tell)),
        source: run.upstream.is_empty().then(|| Arc::new(again) as PlanSource),
        ..Options::default()
    }
}

/// Starts `plan` without a word.
pub(crate) fn start(plan: Plan) -> Result<Proxy, Failure> {
    Ok(Proxy::start_with(plan, Options { journal: Some(Arc::new(|_| {})), ..Options::default() })?)
}

fn stopped(cut_off: io::Result<usize>, journal: &Journal) -> Result<(), Failure> {
    let line =
        match cut_off.map_err(|error| Failure::Run(format!("a worker of the proxy failed: {error}")))? {
            0 => "stopped".to_owned(),
            more => format!("stopped; {} cut off", look::count(more, "connection")),
        };
    // Not written here: nobody may take it.
    journal.say(Level::Info, line);
    journal.flush();
    Ok(())
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
    let what = "/circuits, also /metrics, /healthz, /readyz";
    match (&plan.admin, admin) {
        (None, _) => line("circuits", "not shown: admin = false".into()),
        (Some(plan), Some(address)) => {
            let scheme = if plan.tls.is_some() { "https" } else { "http" };
            line("circuits", format!("{scheme}://{address}{what}"));
        }
        (Some(plan), None) => line("circuits", format!("{}, there {what}", plan.listen)),
    }
    lines.extend(plan.warnings.iter().map(|warning| look::warning(warning)));
    lines.push(String::new());
    lines.join("\n")
}
