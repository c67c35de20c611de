//! The metrics, pushed to a collector by OTLP over HTTP.
//!
//! What is told is what `/metrics` tells, family by family under the same names. It is read and sent on a thread of its own;
//! a collector that is slow, gone or talks nonsense costs calls nothing: it is counted in
//! `fusebox_otlp_exports_total`, and told once when the condition changes. Nothing is kept for later, since counters only grow:
//! whatever an export that got lost would have said, the next one says too.
//!
//! ```no_run
//! use fusebox::{Registry, admin::Admin, otlp};
//!
//! let admin = Admin::new(Registry::global().clone());
//! let config = otlp::Config { service_name: "shop".into(), ..otlp::Config::to("http://127.0.0.1:4318") };
//! let exporter = admin.export(config, |line| eprintln!("{line}"))?;
//! // At the end of the program, for what has happened since the last export:
//! exporter.shutdown();
//! # Ok::<(), otlp::Error>(())
//! ```

mod config;
mod message;
mod send;

pub use config::{Config, Error};

use crate::admin::{Admin, Export};
use config::Checked;
use send::{Collector, Sent};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a program's end waits for the last export.
const FAREWELL: Duration = Duration::from_secs(2);

/// Exports until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it exports no more"]
pub struct Exporter {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Exporter {
    /// Exports once more, for what has happened since the last time, and ends. Waits for that for two seconds at most.
    pub fn shutdown(self) {
        let Exporter { stop, ended } = self;
        let _ = stop.send(());
        let _ = ended.recv_timeout(FAREWELL);
    }
}

impl Admin {
    /// Pushes the metrics to a collector, on a thread of its own, until what is answered is dropped. `tell` hears a line when
    /// exports begin to fail, and when they succeed again.
    ///
    /// # Errors
    ///
    /// [`Error`] when the configuration can never work, or there is no thread to be had.
    pub fn export(&self, config: Config, tell: impl Fn(&str) + Send + 'static) -> Result<Exporter, Error> {
        let checked = config.checked()?;
        let ((stop, stopped), (alive, ended)) = (channel(), channel());
        let admin = self.clone();
        admin.exports().begin();
        let run = move || {
            // Lives as long as the thread does.
            let _alive = alive;
            run(&admin, &checked, &stopped, &tell);
        };
        std::thread::Builder::new().name("fusebox-otlp".into()).spawn(run).map_err(Error::Thread)?;
        Ok(Exporter { stop, ended })
    }
}

fn run(admin: &Admin, config: &Checked, stopped: &Receiver<()>, tell: &impl Fn(&str)) {
    let collector = Collector::new(config);
    let since = admin.date();
    let mut before = Ok(());
    loop {
        let (is_last, patience) = match stopped.recv_timeout(config.interval) {
            Err(RecvTimeoutError::Timeout) => (false, config.timeout),
            Ok(()) => (true, config.timeout.min(FAREWELL)),
            // Nobody waits for another one.
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let sent = collector.send(message::of(admin, config, since), patience);
        admin.exports().count(sent.as_ref().map_or_else(
            |failed| failed.export(),
            |sent| match sent {
                Sent::All => Export::Sent,
                Sent::Partly(_) => Export::Partial,
            },
        ));
        let now = condition(&sent);
        if now != before {
            match &now {
                Ok(()) => tell(&format!("otlp: {} takes metrics", config.url)),
                Err(why) => tell(&format!("otlp: failed to export metrics to {}: {why}", config.url)),
            }
            before = now;
        }
        if is_last {
            return;
        }
    }
}

/// What is told when it changes.
fn condition(sent: &Result<Sent, send::Failed>) -> Result<(), String> {
    match sent {
        Ok(Sent::All) => Ok(()),
        Ok(Sent::Partly(why)) => Err(why.clone()),
        Err(failed) => Err(failed.to_string()),
    }
}
