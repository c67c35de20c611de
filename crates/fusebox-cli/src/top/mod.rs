//! `fusebox top`: the circuits of a running proxy, live.
//!
//! One loop takes in frames, keys, answers and the passing of time, and after each draws the screen that follows from them.

mod dialog;
mod draw;
mod keys;
mod line;
mod model;
#[cfg(test)]
mod screens;
mod terminal;

use crate::admin::Admin;
use crate::admin::feed::{Feed, Heard};
use crate::admin::shapes::Done;
use crate::args::operate::Top;
use crate::args::queue::actor;
use crate::clock;
use crate::failure::Failure;
use crate::operate::one::{self, All};
use crate::operate::{block_on, holds};
use crate::output::Output;
use crate::signals::Signals;
use dialog::Step;
use draw::Paint;
use fusebox_core::Time;
use keys::Effect;
use model::{Detail, Model, View};
use ratatui::crossterm::event::{Event, KeyEventKind};
use std::time::Duration;
use terminal::{Hangup, Screen};
use tokio::sync::mpsc;

/// How often countdowns are drawn anew.
const TICK: Duration = Duration::from_millis(250);
/// How often all about a circuit is read anew while it is looked at.
const READ_AGAIN: Duration = Duration::from_secs(2);

/// Shows them until it is told to stop.
pub(crate) fn run(asked: &Top, output: Output) -> Result<(), Failure> {
    if !output.is_live() || !terminal::has_keys() {
        let why = "fusebox top draws on a terminal, and this is none; `fusebox circuits` prints, with --watch over and over";
        return Err(Failure::Usage(why.into()));
    }
    let admin = asked.reach.admin(output)?;
    let paint = Paint { colour: output.has_colours() };
    block_on(async {
        // What cannot be reached is said on the terminal as it is.
        let who = admin.get("/whoami").await?;
        let name = who["name"].as_str().filter(|_| who["authentication"] == "token");
        let name = name.map_or_else(|| actor(None), str::to_owned);
        let hands = Hands { admin: admin.clone(), actor: name };
        watch(hands, paint).await
    })
}

/// What comes from outside.
#[derive(Debug)]
enum Came {
    Heard(Heard),
    /// The feed is over: another try would fail alike.
    Over(Failure),
    Read(String, Result<Box<All>, Failure>),
    Ordered {
        circuit: String,
        dry_run: bool,
        done: Result<Box<Done>, Failure>,
    },
}

/// What reaches out for a key.
#[derive(Clone, Debug)]
struct Hands {
    admin: Admin,
    actor: String,
}

async fn watch(hands: Hands, paint: Paint) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::Run(format!("cannot start: {error}"));
    let (mut signals, mut hangup) = (Signals::catch().map_err(cannot)?, Hangup::catch().map_err(cannot)?);
    let (come, mut came) = mpsc::channel(256);
    tokio::spawn(listen(hands.admin.clone(), come.clone()));
    let mut screen = Screen::enter()?;
    let mut events = terminal::events();
    let clock = clock::precise();
    let mut model = Model::new(hands.admin.address().to_string(), clock.now());
    loop {
        let now = clock.now();
        let drawn = screen.0.draw(|frame| draw::screen(&model, now, paint, frame.buffer_mut()));
        drawn.map_err(|error| Failure::Run(format!("cannot draw: {error}")))?;
        let effect = tokio::select! {
            _ = signals.next() => return Ok(()),
            () = hangup.next() => return Ok(()),
            event = events.recv() => match event {
                None => return Ok(()),
                Some(event) => key(&mut model, &event, &hands.actor),
            },
            Some(first) = came.recv() => {
                take(&mut model, first, clock.now())?;
                // What came with it is drawn with it.
                while let Ok(more) = came.try_recv() {
                    take(&mut model, more, clock.now())?;
                }
                None
            }
            () = clock::pause(TICK) => again(&mut model, clock.now()),
        };
        match effect {
            None => {}
            Some(Effect::Quit) => return Ok(()),
            Some(effect) => drop(tokio::spawn(hands.clone().reach(effect, come.clone()))),
        }
    }
}

fn key(model: &mut Model, event: &Event, actor: &str) -> Option<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => keys::press(model, *key, actor),
        _ => None,
    }
}

/// What is looked at is read again now and then.
fn again(model: &mut Model, now: Time) -> Option<Effect> {
    let detail = model.detail.as_mut().filter(|detail| now.since(detail.at) >= READ_AGAIN)?;
    detail.at = now;
    Some(Effect::Read(detail.name.clone()))
}

async fn listen(admin: Admin, come: mpsc::Sender<Came>) {
    let mut feed = Feed::new(admin);
    loop {
        let heard = feed.next().await;
        let is_over = heard.is_err();
        let sent = come.send(heard.map_or_else(Came::Over, Came::Heard)).await;
        if is_over || sent.is_err() {
            return;
        }
    }
}

impl Hands {
    async fn reach(self, effect: Effect, come: mpsc::Sender<Came>) {
        let came = match effect {
            Effect::Quit => return,
            Effect::Read(name) => {
                let all = one::read(&self.admin, &name).await;
                Came::Read(name, all.map(Box::new))
            }
            Effect::Order { circuit, order, revision } => Came::Ordered {
                dry_run: order.dry_run,
                done: holds::order(&self.admin, &circuit, &order, revision.as_deref()).await.map(Box::new),
                circuit,
            },
        };
        // The program may have ended.
        let _ = come.send(came).await;
    }
}

/// Takes in what came from outside.
fn take(model: &mut Model, came: Came, now: Time) -> Result<(), Failure> {
    match came {
        Came::Over(failure) => return Err(failure),
        Came::Heard(heard) => hear(model, heard, now)?,
        Came::Read(name, all) if is_looked_at(model, &name) => {
            let all = all.map_err(|failure| failure.to_string());
            model.detail = Some(Detail { name, at: now, all });
        }
        // Whoever asked has gone back.
        Came::Read(..) => {}
        Came::Ordered { circuit, dry_run, done } => ordered(model, &circuit, (dry_run, done), now),
    }
    Ok(())
}

fn hear(model: &mut Model, heard: Heard, now: Time) -> Result<(), Failure> {
    let strange = |error| Failure::Run(format!("an event was not understood: {error}"));
    match heard {
        Heard::Lost(why) => model.lost(why),
        Heard::Connected => {}
        Heard::Beat => model.beat(now),
        Heard::Event { name, data } => match name.as_str() {
            "snapshot" => model.snapshot(serde_json::from_str(&data).map_err(strange)?, now),
            "update" => model.update(serde_json::from_str(&data).map_err(strange)?, now),
            "log" => model.log(&serde_json::from_str(&data).map_err(strange)?, now),
            _ => {}
        },
    }
    Ok(())
}

/// Whether the answer about the circuit is still wanted, and not that about another.
fn is_looked_at(model: &Model, name: &str) -> bool {
    matches!(model.view, View::Detail(_)) && model.chosen().is_some_and(|chosen| chosen.row.name == name)
}

fn ordered(model: &mut Model, circuit: &str, (dry_run, done): (bool, Result<Box<Done>, Failure>), now: Time) {
    let asks = match &mut model.view {
        View::Order(dialog) if dialog.circuit == circuit && matches!(dialog.step, Step::Sent { .. }) => {
            Some(dialog)
        }
        _ => None,
    };
    let Some(dialog) = asks else {
        // Whoever left the question hears of it all the same.
        if let (false, Err(failure)) = (dry_run, done) {
            model.say(failure.to_string(), now);
        }
        return;
    };
    match (done, dry_run) {
        (Err(failure), _) => dialog.step = Step::Refused(failure.to_string()),
        (Ok(done), true) => dialog.step = Step::Tried(done),
        (Ok(done), false) => {
            let said = format!("done: {} {}", done.action.replace('_', " "), done.circuit);
            model.view = View::List;
            model.say(said, now);
        }
    }
}
