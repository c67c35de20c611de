//! `fusebox events`: what has happened, and what happens.

use super::words;
use super::{one, write};
use crate::admin::feed::{Feed, Heard};
use crate::admin::shapes::{History, LogEvent, Snapshot};
use crate::admin::{Admin, in_path};
use crate::args::operate::{Events, Lines};
use crate::failure::Failure;
use crate::look::{self, BAD, DOUBTFUL, GOOD, QUIET};
use crate::output::Output;
use crate::signals::Signals;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How far back events go that nobody asked otherwise for.
const AN_HOUR: Duration = Duration::from_secs(3_600);
/// More than a proxy keeps of one circuit, and as many as may be asked for.
const ALL: usize = 10_000;

pub(super) async fn run(admin: Admin, asked: &Events, output: Output) -> Result<(), Failure> {
    match (&asked.circuit, asked.follow) {
        (Some(circuit), false) => past_of(&admin, circuit, asked, output).await,
        (Some(circuit), true) => {
            // A name that is mistyped would be waited for in silence.
            admin.get(&format!("/circuits/{}", in_path(circuit))).await?;
            follow(admin, asked, output).await
        }
        (None, _) => follow(admin, asked, output).await,
    }
}

async fn past_of(admin: &Admin, circuit: &str, asked: &Events, output: Output) -> Result<(), Failure> {
    let history: History = admin.read_at(&format!("/history/{}?limit={ALL}", in_path(circuit))).await?;
    let since = asked.since.unwrap_or(AN_HOUR);
    let teller = Teller { asked, output };
    for event in history.events.iter().rev() {
        if is_within(event, &history.generated_at, since) {
            teller.tell(event)?;
        }
    }
    teller.gone(history.lost);
    Ok(())
}

fn is_within(event: &LogEvent, now: &str, since: Duration) -> bool {
    words::between(&event.at, now).is_none_or(|ago| ago <= since)
}

/// Where the reading stands: which events of which process have been told.
#[derive(Debug, Default)]
struct Place {
    boot: Option<String>,
    seq: u64,
}

async fn follow(admin: Admin, asked: &Events, output: Output) -> Result<(), Failure> {
    let address = admin.address().to_string();
    let mut signals = Signals::catch().map_err(super::cannot_start)?;
    let (mut feed, mut place) = (Feed::new(admin), Place::default());
    let teller = Teller { asked, output };
    let mut is_lost = false;
    loop {
        let heard = tokio::select! {
            _ = signals.next() => return Ok(()),
            heard = feed.next() => heard?,
        };
        match heard {
            Heard::Lost(why) => {
                if !std::mem::replace(&mut is_lost, true) {
                    teller.aside(&BAD.paint(format!("-- disconnected from {address}: {why}; trying again")));
                }
            }
            Heard::Event { name, data } if name == "snapshot" => {
                let snapshot: Snapshot = parsed(&data)?;
                let resumed = take_up(&mut place, &mut feed, &snapshot, &teller)?;
                if resumed && !asked.follow {
                    return Ok(());
                }
                if resumed && (std::mem::take(&mut is_lost) || asked.follow) {
                    let version = words::plain(&snapshot.version);
                    teller.aside(&QUIET.paint(format!("-- connected to {address} (fusebox {version})")));
                }
            }
            Heard::Event { name, data } if name == "log" => {
                let event: LogEvent = parsed(&data)?;
                if event.seq > place.seq {
                    place.seq = event.seq;
                    teller.tell(&event)?;
                }
            }
            Heard::Event { .. } | Heard::Beat | Heard::Connected => {}
        }
    }
}

/// Tells what a snapshot brings. False if the feed has to be asked again for what came before.
fn take_up(
    place: &mut Place,
    feed: &mut Feed,
    snapshot: &Snapshot,
    teller: &Teller<'_>,
) -> Result<bool, Failure> {
    let boot = match &snapshot.boot {
        serde_json::Value::String(boot) => boot.clone(),
        other => other.to_string(),
    };
    let known = place.boot.replace(boot.clone());
    let is_same = known.as_ref() == Some(&boot);
    if !is_same {
        let is_first = known.is_none();
        if !is_first {
            teller.aside(&DOUBTFUL.paint("-- the process has started anew; what follows is since then"));
        }
        place.seq = 0;
        let from_now_on = is_first && teller.asked.follow && teller.asked.since.is_none();
        if from_now_on {
            place.seq = snapshot.seq;
            return Ok(true);
        }
        // What a new process has done itself, or, asked for the first time, all that it still knows.
        let before = if is_first { 0 } else { snapshot.first_seq.saturating_sub(1) };
        feed.go_on_after(format!("{boot}-{before}"));
        return Ok(false);
    }
    // Before the first event that is told, what is too old is left out; after a gap nothing is.
    let since = if place.seq == 0 { teller.since() } else { None };
    for event in snapshot.missed.iter().filter(|event| event.seq > place.seq) {
        if since.is_none_or(|since| is_within(event, &snapshot.generated_at, since)) {
            teller.tell(event)?;
        }
    }
    place.seq = snapshot.seq.max(place.seq);
    teller.gone(snapshot.lost);
    Ok(true)
}

fn parsed<T: DeserializeOwned>(data: &str) -> Result<T, Failure> {
    serde_json::from_str(data).map_err(|error| Failure::Run(format!("an event was not understood: {error}")))
}

/// Says events to whoever asked.
struct Teller<'a> {
    asked: &'a Events,
    output: Output,
}

impl Teller<'_> {
    fn since(&self) -> Option<Duration> {
        self.asked.since.or((!self.asked.follow).then_some(AN_HOUR))
    }

    fn tell(&self, event: &LogEvent) -> Result<(), Failure> {
        if self.asked.circuit.as_ref().is_some_and(|circuit| *circuit != event.circuit) {
            return Ok(());
        }
        let line = match self.asked.output {
            Lines::Text => line(event),
            Lines::Json => serde_json::to_string(event).unwrap_or_default(),
        };
        write(self.output, &format!("{line}\n"))
    }

    fn gone(&self, lost: u64) {
        if lost > 0 {
            let events = look::count(usize::try_from(lost).unwrap_or(usize::MAX), "older event");
            self.aside(&DOUBTFUL.paint(format!("-- {events} no longer known by the proxy")));
        }
    }

    /// What is no event goes where it is in no pipe's way.
    fn aside(&self, line: &str) {
        self.output.complain(line);
    }
}

/// When, which circuit, what.
fn line(event: &LogEvent) -> String {
    let look = match (event.kind.as_str(), event.to.as_deref()) {
        ("transition", Some("closed")) => GOOD,
        ("transition", Some("open")) | ("fault", _) => BAD,
        ("transition" | "held", _) => DOUBTFUL,
        _ => QUIET,
    };
    let said = one::happened(event);
    let (what, why) = said.split_once(": ").map_or((said.as_str(), ""), |(what, why)| (what, why));
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let at = words::plain(&event.at);
    format!("{}  {}  {}{why}", QUIET.paint(at), words::plain(&event.circuit), look.paint(what))
}
