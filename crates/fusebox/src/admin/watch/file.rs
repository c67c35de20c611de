//! The story of a day, kept across restarts: a file of lines, one for each event, appended as they are numbered.
//!
//! It is written by the thread that watches and never by one that serves calls. A line that could not be written is counted and the file
//! is tried again with the next; what it lacks then is still told until the process ends.

use super::entry::LogEvent;
use super::log::KEPT;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A file longer than this is written anew with what is recent.
const LONGEST: u64 = 32 << 20;

#[derive(Debug)]
pub(super) struct Diary {
    path: PathBuf,
    file: File,
    /// Lines that could not be written.
    lost: u64,
    /// The last line was not written whole.
    torn: bool,
}

impl Diary {
    /// Opens the file at `path`, or makes it; and what it holds of the last day, the oldest first. Lines that cannot be read, as the last
    /// one of a process that was killed, are passed over.
    pub(super) fn open(path: &Path, date: Duration) -> io::Result<(Diary, Vec<LogEvent>)> {
        let oldest = date.saturating_sub(KEPT).as_millis();
        let events: Vec<LogEvent> = match File::open(path) {
            Ok(file) => BufReader::new(file)
                .split(b'\n')
                .map_while(Result::ok)
                .filter_map(|line| serde_json::from_slice(&line).ok())
                .filter(|event: &LogEvent| event.at_millis() >= oldest)
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let file = rewritten(path, events.iter())?;
        Ok((Diary { path: path.to_owned(), file, lost: 0, torn: false }, events))
    }

    /// Writes down what happened.
    pub(super) fn write(&mut self, event: &LogEvent) {
        // After a line that broke off, on a full disk, another begins all the same.
        let start: &[u8] = if self.torn { b"\n" } else { b"" };
        self.torn = self.file.write_all(&[start, &line(event)].concat()).is_err();
        self.lost += u64::from(self.torn);
    }

    /// Whether it has grown long.
    pub(super) fn is_long(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() > LONGEST)
    }

    /// Begins the file anew with `kept`.
    pub(super) fn shorten(&mut self, kept: &[Arc<LogEvent>]) {
        if let Ok(file) = rewritten(&self.path, kept.iter().map(|event| &**event)) {
            (self.file, self.torn) = (file, false);
        }
    }

    /// Lines that could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// The file at `path` with these events and nothing else, ready for more. It takes the old one's place in one step.
fn rewritten<'a>(path: &Path, events: impl Iterator<Item = &'a LogEvent>) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    let all: Vec<u8> = events.flat_map(line).collect();
    file.write_all(&all)?;
    std::fs::rename(&beside, path)?;
    Ok(file)
}

fn line(event: &LogEvent) -> Vec<u8> {
    // Plain structs: see `answer::encoded`.
    let mut line = serde_json::to_vec(event).expect("plain structs serialize");
    line.push(b'\n');
    line
}
