//! `cargo xtask tidy`: the house rules that no compiler knows, each a small function over the project's files.

mod graph;
mod links;
mod manifests;
mod names;
mod ordering;
mod pages;
mod rooms;
mod words;

use std::fmt;

use crate::project::{ChoreError, Project};

/// A place where a rule is broken.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Finding { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Checks every rule and prints what is broken; true if nothing is.
pub(crate) fn run(project: &Project) -> Result<bool, ChoreError> {
    let paths = project.paths()?;
    let texts = project.texts(&paths)?;
    let mut findings = names::check(&paths);
    findings.extend(manifests::check(&texts));
    findings.extend(pages::check(&texts, &paths));
    findings.extend(links::check(&texts, &paths));
    for text in &texts {
        findings.extend(names::length(text));
        findings.extend(words::check(text));
        findings.extend(ordering::check(text));
        findings.extend(rooms::check(text));
    }
    findings.extend(graph::check(project)?);

    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, nothing to say", texts.len()),
        count => eprintln!("tidy: {count} places to tidy in {} files", texts.len()),
    }
    Ok(findings.is_empty())
}

/// A file as the tests of the rules write it.
#[cfg(test)]
fn text(path: &str, body: &str) -> crate::project::Text {
    crate::project::Text { path: path.to_owned(), body: body.to_owned() }
}
