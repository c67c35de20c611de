//! `fusebox demo`: a dependency fails and recovers, with fusebox and without.
//!
//! Nothing in it is played: real servers on real sockets, the proxy on an ordinary configuration, a load that does
//! not wait for answers, and the same schedule of faults a second time without the proxy. What is shown is read
//! from the circuits, the servers and the callers.

mod backend;
mod load;
mod scene;
mod schedule;
mod setting;
mod show;
mod summary;
mod table;
mod tally;
mod transcript;

use crate::args;
use crate::clock;
use crate::failure::Failure;
use crate::look::{HEAD, QUIET};
use crate::output::Output;
use crate::signals::Signals;
use backend::Backend;
use load::{RATE, Tallies, Way};
use scene::{Protection, Scene};
use schedule::{PHASES, Schedule};
use setting::{Setting, span};
use show::Show;
use std::net::SocketAddr;
use std::time::Duration;
use summary::Total;
use transcript::Transcript;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the demo.
pub(crate) fn run(demo: &args::Demo, output: Output) -> Result<(), Failure> {
    let no_runtime = |error| Failure::Run(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(no_runtime)?.block_on(async {
        let mut signals = Signals::catch().map_err(no_runtime)?;
        tokio::select! {
            ended = play(demo, output) => ended,
            _ = signals.next() => {
                // The terminal has put a ^C where the next line would begin.
                output.say("");
                if demo.serve { Ok(()) } else { Err(Failure::Interrupted) }
            }
        }
    })
}

async fn play(demo: &args::Demo, output: Output) -> Result<(), Failure> {
    let schedule = Schedule::for_demo(demo.seconds);
    let stage = Stage::set(schedule, output).await?;
    let proxy = crate::run::start(stage.setting.plan.clone())?;
    let admin = proxy.admin_address();
    let [front] = *proxy.addresses() else { return Err(Failure::Run("the demo has no listener".into())) };
    heard(output.write(&stage.opening(front, admin)))?;

    let registry = proxy.registry().clone();
    let protection =
        Protection { transcript: Transcript::of(&registry), start: registry.clock().now(), registry };
    let with = stage.run(Way::Through(front), Some(&protection)).await?;
    let [provider, backup, profiles] = stage.addresses();
    let without = stage.run(Way::Straight { payments: vec![provider, backup], profiles }, None).await?;

    let file = stage.setting.file.display().to_string();
    let mut lines = summary::compare(&with, &without);
    lines.push(String::new());
    lines.extend(summary::onward(&file));
    heard(output.say(lines.join("\n")))?;
    if demo.serve {
        heard(output.write(&stage.still_up(front, admin)))?;
        std::future::pending::<()>().await;
    }
    // Nobody calls any more: there is nothing to wait for.
    drop(proxy);
    Ok(())
}

fn heard(written: bool) -> Result<(), Failure> {
    if written { Ok(()) } else { Err(Failure::Unheard) }
}

/// The backends and the file that says how they are protected.
struct Stage {
    backends: [Backend; 3],
    setting: Setting,
    schedule: Schedule,
    output: Output,
}

impl Stage {
    async fn set(schedule: Schedule, output: Output) -> Result<Stage, Failure> {
        let no_backend = |error| Failure::Run(format!("cannot start a backend on 127.0.0.1: {error}"));
        let backends = [
            Backend::start("provider", r#"{"quote": 12.5}"#).await.map_err(no_backend)?,
            Backend::start("backup", r#"{"quote": 12.9}"#).await.map_err(no_backend)?,
            Backend::start("profiles", r#"{"name": "Ada"}"#).await.map_err(no_backend)?,
        ];
        let setting = Setting::write(backends.each_ref().map(Backend::address), schedule)?;
        Ok(Stage { backends, setting, schedule, output })
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        self.backends.each_ref().map(Backend::address)
    }

    /// The schedule once, by `way`.
    async fn run(&self, way: Way, protection: Option<&Protection>) -> Result<Total, Failure> {
        let [provider, _, profiles] = &self.backends;
        self.backends.iter().for_each(Backend::forget);
        let (clock, tallies, length) = (clock::precise(), Tallies::default(), self.schedule.length());
        let start = clock.now();
        let load = {
            let (clock, tallies) = (clock.clone(), tallies.clone());
            tokio::spawn(async move { load::run(&way, &clock, start, length, &tallies).await })
        };
        let mut show = Show::on(self.output);
        let mut phase = 0;
        let look = |elapsed| Scene::look(elapsed, self.schedule, protection, &self.backends, &tallies);
        while !load.is_finished() {
            let elapsed = clock.now().since(start);
            if self.schedule.phase(elapsed) != phase {
                phase = self.schedule.phase(elapsed);
                provider.suffer(PHASES[phase].provider);
                profiles.suffer(PHASES[phase].profiles);
            }
            heard(show.update(&look(elapsed)))?;
            let turn = start + self.schedule.start(phase + 1);
            let next = clock.now() + LOOK;
            clock::until(&clock, if turn > clock.now() { next.min(turn) } else { next }).await;
        }
        let last = look(length);
        heard(show.end(&last))?;
        let reached_failing = last.backends.iter().map(|backend| backend.while_failing).sum();
        let refused = last.circuits.map(|circuits| circuits.iter().map(|circuit| circuit.rejected).sum());
        Ok(Total::new(&tallies, reached_failing, refused))
    }

    /// What is about to be seen, and where to look closer.
    fn opening(&self, front: SocketAddr, admin: Option<SocketAddr>) -> String {
        let mut lines = vec![
            HEAD.paint("  fusebox demo"),
            format!("  {RATE} calls per second go through the proxy while its backends fail and recover;"),
            "  then the same calls and the same faults without it.".into(),
            String::new(),
        ];
        lines.extend(self.places(front, admin));
        lines.push(String::new());
        let wait = self.schedule.wait();
        lines.push(QUIET.paint(format!(
            "  Waits are shortened for the demo: an open circuit probes after {}, then {},",
            span(wait),
            span(wait * 2)
        )));
        lines.push(QUIET.paint("  instead of 30s, 1m, 2m, ...; a call times out after 500ms instead of 5s."));
        lines.push(String::new());
        lines.push(String::new());
        lines.join("\n")
    }

    fn places(&self, front: SocketAddr, admin: Option<SocketAddr>) -> Vec<String> {
        let mut lines: Vec<_> = self
            .backends
            .iter()
            .map(|backend| format!("  {:9} http://{}", backend.name(), backend.address()))
            .collect();
        lines.push(format!("  proxy     http://{front}/payments/quote and /profiles/7"));
        lines.extend(admin.map(|admin| format!("  circuits  http://{admin}/circuits and /metrics")));
        lines.push(format!("  file      {}", self.setting.file.display()));
        lines
    }

    /// What stays up, and how to stop it.
    fn still_up(&self, front: SocketAddr, admin: Option<SocketAddr>) -> String {
        let mut lines = vec![String::new(), HEAD.paint("  Still up, until Ctrl-C:")];
        lines.extend(self.places(front, admin));
        lines.push(String::new());
        lines.join("\n")
    }
}
