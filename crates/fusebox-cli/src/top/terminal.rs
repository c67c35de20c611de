//! The terminal, as it was afterwards whatever happens.

use crate::failure::Failure;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use std::io::IsTerminal;
use tokio::sync::mpsc;

/// A terminal that is drawn on; dropped, or on a panic, it is as it was.
#[derive(Debug)]
pub(super) struct Screen(pub(super) DefaultTerminal);

impl Screen {
    /// Takes the terminal over.
    pub(super) fn enter() -> Result<Screen, Failure> {
        // It also hooks into panics, so that their message is read on the terminal as it was.
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen(terminal)),
            Err(error) => {
                ratatui::restore();
                Err(Failure::Run(format!("cannot draw on this terminal: {error}; `fusebox circuits` prints")))
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Whether keys can be read.
pub(super) fn has_keys() -> bool {
    std::io::stdin().is_terminal()
}

/// Keys and changes of size, from a thread that waits for them until the program ends.
pub(super) fn events() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        // A terminal that cannot be read any more is gone; so is a reader.
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}

/// SIGHUP, caught from here on: the terminal is closed.
#[cfg(unix)]
pub(super) struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(super) fn catch() -> std::io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map(Hangup)
    }

    pub(super) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Terminals hang up nowhere else.
#[cfg(not(unix))]
pub(super) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Hangup)
    }

    pub(super) async fn next(&mut self) {
        std::future::pending().await
    }
}
