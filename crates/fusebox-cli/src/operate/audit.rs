//! `fusebox audit`: who has changed what by hand.

use super::words::plain;
use super::write;
use crate::admin::shapes::AuditEntry;
use crate::args::operate::{AuditCommand, Lines};
use crate::failure::Failure;
use crate::look::{self, BAD, GOOD, QUIET};
use crate::output::Output;
use crate::table::table;
use fusebox::admin::audit::{Broken, Verified, verify as verified};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Digits of a hash.
const HASH: usize = 64;

pub(super) async fn run(command: &AuditCommand, output: Output) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { file, head } => verify(file, head.as_deref(), output),
        AuditCommand::Show { file: Some(file), limit, output: shape, .. } => {
            show(&latest(file, *limit)?, *shape, output)
        }
        AuditCommand::Show { file: None, limit, output: shape, reach } => {
            let answer = reach.admin(output)?.get(&format!("/audit?limit={limit}")).await?;
            let entries = answer["entries"].as_array().into_iter().flatten();
            show(&entries.map(Value::to_string).collect::<Vec<_>>(), *shape, output)
        }
    }
}

/// The last entries of a trail, the latest first, as they were written: their hashes are over the text.
fn latest(file: &Path, limit: usize) -> Result<Vec<String>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: file.into(), source };
    let mut last = VecDeque::new();
    for (at, line) in BufReader::new(File::open(file).map_err(unreadable)?).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        serde_json::from_str::<AuditEntry>(&line).map_err(|error| {
            let (file, line) = (file.display(), at + 1);
            Failure::Run(format!(
                "{file}:{line}: not an entry of a trail: {error}; `fusebox audit verify {file}`"
            ))
        })?;
        last.push_front(line);
        last.truncate(limit);
    }
    Ok(last.into())
}

fn show(entries: &[String], shape: Lines, output: Output) -> Result<(), Failure> {
    if shape == Lines::Json {
        return entries.iter().try_for_each(|entry| write(output, &format!("{entry}\n")));
    }
    if entries.is_empty() {
        return write(output, "no operator has done anything\n");
    }
    let entry = |line: &String| serde_json::from_str::<AuditEntry>(line).ok();
    let rows: Vec<_> = entries.iter().filter_map(entry).map(|entry| row(&entry)).collect();
    write(output, &table(&["SEQ", "WHEN", "WHO", "DID", "TO", "RESULT", "WHY"], &rows))
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.as_deref().map_or("-".into(), plain);
    let from = entry.peer.as_deref().map(|peer| format!(" {}", QUIET.paint(format!("from {}", plain(peer)))));
    let (result, why) = match entry.result.as_str() {
        "refused" => (BAD.paint(format!("refused {}", entry.status)), or_dash(&entry.detail)),
        other => (plain(other).replace('_', " "), or_dash(&entry.reason)),
    };
    vec![
        entry.seq.to_string(),
        // To the second: the rest is for programs.
        plain(entry.at.get(..19).unwrap_or(&entry.at)).replace('T', " "),
        format!("{}{}", or_dash(&entry.actor), from.unwrap_or_default()),
        plain(&entry.action).replace('_', " "),
        or_dash(&entry.target),
        result,
        why,
    ]
}

/// Says whether a trail is as it was written, and what it ends with.
fn verify(file: &Path, head: Option<&str>, output: Output) -> Result<(), Failure> {
    let head = head.map(str::to_lowercase);
    if let Some(head) = &head
        && (head.len() != HASH || !head.chars().all(|c| c.is_ascii_hexdigit()))
    {
        return Err(Failure::Usage(format!("--head: found {head:?}, accepted: {HASH} hexadecimal digits")));
    }
    let trail = File::open(file).map_err(|source| Failure::Unreadable { path: file.into(), source })?;
    match verified(BufReader::new(trail), head.as_deref()) {
        Ok(Verified { entries: 0, .. }) => write(output, "unbroken: no entries yet\n"),
        Ok(verified) => {
            let entries = look::count(usize::try_from(verified.entries).unwrap_or(usize::MAX), "entry");
            let entries = entries.replace("entrys", "entries");
            let since = match (&head, verified.since_expected) {
                (Some(_), since @ 1..) => format!(", {since} of them after the expected one"),
                _ => String::new(),
            };
            write(output, &format!("{}: {entries}{since}\nhead {}\n", GOOD.paint("unbroken"), verified.head))
        }
        Err(Broken { line, why }) => {
            Err(Failure::Run(format!("{}:{line}: the trail is broken: {}", file.display(), plain(&why))))
        }
    }
}
