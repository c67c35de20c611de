//! Errors that say where, what was found and what is accepted.

use super::secret::masked;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// Most errors shown; the rest is counted.
const SHOWN: usize = 20;
/// Longest stretch of a line shown, in characters.
const WIDTH: usize = 96;

/// Everything wrong with a configuration, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's name, as given; for a value that is in no file, the option it came by.
    pub file: String,
    /// Where in the file.
    pub place: Option<Place>,
    /// The key's full name, as `service.breaker.failure_rate`; empty when the file is no TOML.
    pub key: String,
    /// What was found and what is accepted.
    pub message: String,
}

/// A place in a file, with the line to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line itself.
    pub text: String,
    /// How many characters from `column` on are meant.
    pub length: usize,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(SHOWN).enumerate() {
            f.write_str(if i > 0 { "\n\n" } else { "" })?;
            write!(f, "{error}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n\n... and {more} more"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// Each on one line: where, what was found, and what is accepted.
    pub fn lines(&self) -> Vec<String> {
        let first = |error: &ConfigError| error.to_string().lines().next().unwrap_or_default().to_owned();
        self.0.iter().map(first).collect()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        self.place.as_ref().map_or(Ok(()), |place| place.fmt(f))
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before = self.column - 1;
        let skipped = if before + self.length.min(WIDTH / 2) > WIDTH { before - WIDTH / 3 } else { 0 };
        let shown: String = self.text.chars().skip(skipped).take(WIDTH).map(visible).collect();
        let caret = before - skipped;
        let length = self.length.min(shown.chars().count().saturating_sub(caret)).max(1);
        let (cut, pad) = if skipped > 0 { ("...", "   ") } else { ("", "") };
        write!(f, "\n {margin} |\n {number} | {cut}{shown}\n {margin} | {pad}")?;
        write!(f, "{}{}", " ".repeat(caret), "^".repeat(length))
    }
}

/// Keeps a line on its line, and what is under a caret under it.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Where errors gather while a file is read.
pub(super) struct Errors<'t> {
    file: &'t str,
    text: &'t str,
    found: RefCell<Vec<(usize, ConfigError)>>,
}

impl<'t> Errors<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Errors { file, text, found: RefCell::default() }
    }

    pub(super) fn add(&self, at: Range<usize>, key: String, message: String) {
        let error = self.error(&at, key, message);
        let mut found = self.found.borrow_mut();
        if !found.iter().any(|(_, known)| *known == error) {
            found.push((at.start, error));
        }
    }

    /// An error that leaves nothing else to say.
    pub(super) fn only(&self, at: Range<usize>, message: String) -> ConfigErrors {
        ConfigErrors(vec![self.error(&at, String::new(), message)])
    }

    /// All of them in the order of the file.
    pub(super) fn finish(self) -> Result<(), ConfigErrors> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        match found.is_empty() {
            true => Ok(()),
            false => Err(ConfigErrors(found.into_iter().map(|(_, error)| error).collect())),
        }
    }

    /// The text at `at` on one line, as it is shown in a message.
    pub(super) fn snippet(&self, at: Range<usize>) -> String {
        let text = self.text.get(at).unwrap_or_default();
        let line = masked(text.lines().next().unwrap_or_default());
        let mut shown: String = line.chars().take(60).map(visible).collect();
        if shown.chars().count() < text.trim_end().chars().count() {
            shown.push_str("...");
        }
        shown
    }

    fn error(&self, at: &Range<usize>, key: String, message: String) -> ConfigError {
        ConfigError { file: self.file.into(), place: Some(self.place(at)), key, message }
    }

    fn place(&self, at: &Range<usize>) -> Place {
        let start = boundary(self.text, at.start);
        let end = boundary(self.text, at.end.max(start));
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            text: masked(line),
            length: self.text[start..end].lines().next().unwrap_or_default().chars().count().max(1),
        }
    }
}

/// The last start of a character that is not beyond `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}
