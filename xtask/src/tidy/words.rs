//! Words that belong in no file of the project: they mean something on one machine or one day only.

use super::Finding;
use crate::project::Text;

/// The rules must name what they forbid, and a lock file is not written by hand.
const EXEMPT: &[&str] = &["xtask/src/tidy/", "Cargo.lock", "benchmarks/Cargo.lock"];

const MACHINE_PATHS: &[&str] = &["/work", "/home", "/root"];
const REGISTRY_HOSTS: &[&str] = &["crates.io", "npmjs.", "registry.npm", "pypi."];
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "FIXME", "TODO"];

/// No machine paths, no package registries, no tracker numbers, nothing unfinished.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    if EXEMPT.iter().any(|exempt| text.path.starts_with(exempt)) {
        return findings;
    }
    for (number, line) in text.lines() {
        let mut find = |what: String| findings.push(Finding::new(&text.path, number, what));
        if let Some(path) = MACHINE_PATHS.iter().find(|path| has_path(line, path)) {
            find(format!("'{path}' is a path of one machine"));
        }
        if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(*host)) {
            find(format!("'{host}' names a package registry"));
        }
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            find(format!("'{word}': finish it or leave it out"));
        }
        if has_tracker_number(line) {
            find("a tracker's number: say what it is about".into());
        }
    }
    findings
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Each place of `needle` in `line`: what stands before it and what after.
fn around<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    line.match_indices(needle).map(move |(at, _)| (&line[..at], &line[at + needle.len()..]))
}

/// `path` where a path begins, and whole: not the tail of a longer one, nor the head of a longer word.
fn has_path(line: &str, path: &str) -> bool {
    around(line, path).any(|(before, after)| {
        !before.ends_with(|c: char| is_word(c) || matches!(c, '.' | '-' | '}' | ')' | '*'))
            && !after.starts_with(|c: char| is_word(c) || c == '-')
    })
}

fn has_word(line: &str, word: &str) -> bool {
    around(line, word).any(|(before, after)| {
        !before.ends_with(is_word) && (word.ends_with('!') || !after.starts_with(is_word))
    })
}

/// A `#` with a number after it that is no colour, no raw string, no format and no page's anchor.
fn has_tracker_number(line: &str) -> bool {
    let number = |after: &str| {
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        digits > 0 && !after[digits..].starts_with(|c: char| is_word(c) || c == '-')
    };
    let hash = around(line, "#").any(|(before, after)| {
        let plain = !before.ends_with(|c: char| is_word(c) || matches!(c, '&' | ':' | '/'));
        let colour =
            before.trim_end_matches(['"', '\'', ' ']).ends_with(':') || before.ends_with(['"', '\'']);
        plain && !colour && number(after)
    });
    let lower = line.to_ascii_lowercase();
    let spelled = around(&lower, "issue ")
        .any(|(before, after)| !before.ends_with(is_word) && number(after.trim_start_matches('#')));
    hash || spelled
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn finds(line: &str) -> bool {
        !check(&text("docs/page.md", line)).is_empty()
    }

    #[test]
    fn paths_of_one_machine_are_found_where_a_path_begins() {
        for line in ["cd /work/main", "see (/root/x)", "\"/home/me\"", "HOME=/root"] {
            assert!(finds(line), "{line}");
        }
        for line in ["https://host/home/x", "docs/work/x", "/workers", "/root-cause", "./home"] {
            assert!(!finds(line), "{line}");
        }
    }

    #[test]
    fn tracker_numbers_are_found_and_colours_formats_and_anchors_are_not() {
        for line in ["as in #12", "(#7)", "Issue 31 says", "issue #4.", "fixes #123456"] {
            assert!(finds(line), "{line}");
        }
        for line in [
            "color: #333;",
            "fill=\"#102030\"",
            "{:#04}",
            "&#39;",
            "r#\"x\"#",
            "[x](page.md#3)",
            "(#3-shape)",
            "tissue 4",
        ] {
            assert!(!finds(line), "{line}");
        }
    }

    #[test]
    fn registries_and_unfinished_work_are_found() {
        for line in
            ["at crates.io", "pypi.org", "    todo!()", "// FIXME later", "// TODO: rest", "unimplemented!()"]
        {
            assert!(finds(line), "{line}");
        }
        for line in ["let todos = 3;", "a to-do list", "TODOS"] {
            assert!(!finds(line), "{line}");
        }
    }

    #[test]
    fn the_rules_themselves_and_lock_files_may_name_them() {
        assert!(check(&text("Cargo.lock", "registry+crates.io")).is_empty());
        assert!(check(&text("xtask/src/tidy/words.rs", "FIXME")).is_empty());
        assert_eq!(check(&text("xtask/src/main.rs", "ok\nFIXME"))[0].line, 2);
    }
}
