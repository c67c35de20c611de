//! Whether a trail is as it was written.

use super::entry::{Chain, read};
use std::fmt;
use std::io::{BufRead, Read};

/// The longest line that can be one.
const LONGEST: u64 = 1 << 20;

/// A trail that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its lines.
    pub entries: u64,
    /// The hash of the newest; 64 zeros if there is none.
    pub head: String,
    /// Lines after the one with the expected hash.
    pub since_expected: u64,
}

/// A trail that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first line that does not fit; the first is 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Broken {}

/// Reads a trail from its beginning and checks that every line is as it was written and follows the one before.
///
/// `expected_head` is a hash that was the newest at some time, kept elsewhere: with it a trail is broken too if its end was cut off.
///
/// # Errors
///
/// The first line that does not fit.
pub fn verify(mut reader: impl BufRead, expected_head: Option<&str>) -> Result<Verified, Broken> {
    let (mut chain, mut number, mut line) = (Chain::default(), 0, Vec::new());
    let mut seen = expected_head.is_none_or(|expected| expected == chain.head()).then_some(0);
    loop {
        number += 1;
        let broken = |why: String| Broken { line: number, why };
        line.clear();
        let length = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if length.map_err(|error| broken(format!("failed to read it: {error}")))? == 0 {
            break;
        }
        chain = follow(&chain, &line).map_err(broken)?;
        if expected_head == Some(chain.head()) {
            seen = Some(number);
        }
    }
    let entries = number - 1;
    match seen {
        Some(seen) => Ok(Verified { entries, head: chain.head().into(), since_expected: entries - seen }),
        None => Err(Broken { line: number, why: "the end is missing: no line has the expected hash".into() }),
    }
}

/// The chain with this line, if it follows.
pub(super) fn follow(chain: &Chain, line: &[u8]) -> Result<Chain, String> {
    let Some(line) = line.strip_suffix(b"\n") else { return Err("it is torn: it has no end".into()) };
    let read = std::str::from_utf8(line).ok().and_then(read);
    let (entry, is_intact) = read.ok_or("it is no line of a trail")?;
    if !is_intact {
        return Err("it was edited: its text is not what its hash was taken over".into());
    }
    let due = chain.newest() + 1;
    if entry.previous != chain.head() {
        return Err(match entry.seq {
            seq if seq > due => format!("lines are missing before it: found seq {seq}, expected {due}"),
            seq if seq < due => format!("it is out of order: found seq {seq}, expected {due}"),
            _ => "it does not follow the line before: one of the two was replaced".into(),
        });
    }
    if entry.seq != due {
        return Err(format!("its number is wrong: found seq {}, expected {due}", entry.seq));
    }
    Ok(Chain::after(&entry))
}
