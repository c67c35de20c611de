//! `fusebox audit`: who has changed what by hand.

use super::words::plain;
use super::write;
use crate::admin::shapes::AuditEntry;
use crate::admin::understood;
use crate::args::operate::{AuditCommand, Lines};
use crate::failure::Failure;
use crate::look::{BAD, QUIET};
use crate::output::Output;
use crate::table::table;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub(super) async fn run(command: &AuditCommand, output: Output) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { file, head } => verify(file, head.as_deref(), output),
        AuditCommand::Show { file: Some(file), limit, output: shape, .. } => {
            show(&latest(file, *limit)?, *shape, output)
        }
        AuditCommand::Show { file: None, limit, output: shape, reach } => {
            let answer = reach.admin(output)?.get(&format!("/audit?limit={limit}")).await?;
            show(answer["entries"].as_array().map_or(&[], Vec::as_slice), *shape, output)
        }
    }
}

/// The last entries of a trail, the latest first.
fn latest(file: &Path, limit: usize) -> Result<Vec<Value>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: file.into(), source };
    let mut last = std::collections::VecDeque::new();
    for (at, line) in BufReader::new(File::open(file).map_err(unreadable)?).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let entry = serde_json::from_str(&line).map_err(|error| {
            let (file, line) = (file.display(), at + 1);
            Failure::Run(format!(
                "{file}:{line}: not an entry of a trail: {error}; `fusebox audit verify {file}`"
            ))
        })?;
        last.push_front(entry);
        last.truncate(limit);
    }
    Ok(last.into())
}

fn show(entries: &[Value], shape: Lines, output: Output) -> Result<(), Failure> {
    if shape == Lines::Json {
        return entries.iter().try_for_each(|entry| write(output, &format!("{entry}\n")));
    }
    if entries.is_empty() {
        return write(output, "no operator has done anything\n");
    }
    let mut rows = Vec::new();
    for entry in entries {
        rows.push(row(&understood(entry.clone())?));
    }
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

fn verify(_file: &Path, _head: Option<&str>, _output: Output) -> Result<(), Failure> {
    Err(Failure::Run("not yet".into()))
}
