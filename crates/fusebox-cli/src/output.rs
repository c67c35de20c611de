//! Where the program's words go: standard output and standard error, coloured where that is wanted.
//!
//! A reader may close its end at any time, as `head` does. What cannot be written is dropped; only those who ask
//! are told.

use anstream::AutoStream;
use clap::ColorChoice;
use std::io::{self, IsTerminal, Write};

/// The two streams. A copy writes to the same ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    color: anstream::ColorChoice,
}

impl Output {
    pub(crate) fn new(color: ColorChoice) -> Self {
        let color = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Output { color }
    }

    /// Whether standard output is a terminal that can be redrawn.
    pub(crate) fn is_live(self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        io::stdout().is_terminal() && !dumb
    }

    /// Writes `text` to standard output as it stands; false once nobody reads it any more.
    pub(crate) fn write(self, text: &str) -> bool {
        let mut stream = AutoStream::new(io::stdout(), self.color).lock();
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
    }

    /// `text` with its colours, or without where they are not wanted.
    pub(crate) fn coloured(self, text: &str) -> String {
        match self.has_colours() {
            false => anstream::adapter::strip_str(text).to_string(),
            true => text.to_owned(),
        }
    }

    /// Whether colours are wanted on standard output.
    pub(crate) fn has_colours(self) -> bool {
        let choice = match self.color {
            anstream::ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            chosen => chosen,
        };
        choice != anstream::ColorChoice::Never
    }

    /// Writes `text` to a terminal, the cursor's movements in it whatever the colours.
    pub(crate) fn draw(self, text: &str) -> bool {
        let mut stream = io::stdout().lock();
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
    }

    /// Writes a line to standard output; false once nobody reads it any more.
    pub(crate) fn say(self, line: impl AsRef<str>) -> bool {
        self.write(&format!("{}\n", line.as_ref()))
    }

    /// Writes a complaint to standard error.
    pub(crate) fn complain(self, line: impl AsRef<str>) {
        let mut stream = AutoStream::new(io::stderr(), self.color).lock();
        let _ = stream.write_all(format!("{}\n", line.as_ref()).as_bytes());
    }
}
