//! Memory orderings, each with its reason beside it.

use super::Finding;
use crate::project::Text;

/// How far below the end of its comment an ordering may stand, in lines: the protocol's other lines, not the
/// rest of the function.
const REACH: usize = 8;

const STRONG: &[&str] = &["Acquire", "Release", "AcqRel", "SeqCst"];

/// Every ordering in the core that is stronger than relaxed has an `ORDERING:` comment on its line or close above.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.path.starts_with("crates/fusebox-core/src/") || !text.is_rust() || is_test_file(&text.path) {
        return findings;
    }
    let bare = imports_bare_names(text);
    // The line up to which the last comment speaks.
    let mut covered = 0;
    let mut in_comment = false;
    for (number, line) in text.lines() {
        if line.trim_start().starts_with("#[cfg(test") || line.trim_start().starts_with("#[cfg(all(test") {
            break;
        }
        let (code, comment) =
            line.split_once("//").map_or((line, None), |(code, comment)| (code, Some(comment)));
        if let Some(comment) = comment {
            // A comment of several lines speaks from its last one.
            in_comment = comment.contains("ORDERING:") || (in_comment && code.trim().is_empty());
            if in_comment {
                covered = number + REACH;
            }
        } else {
            in_comment = false;
        }
        if number > covered && is_strong(code, bare) {
            findings.push(Finding::new(
                &text.path,
                number,
                "a strong ordering without an `ORDERING:` comment",
            ));
        }
    }
    findings
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/loom.rs")
}

/// Whether the file calls orderings by their bare names.
fn imports_bare_names(text: &Text) -> bool {
    text.body.contains("Ordering::{") || text.body.contains("Ordering::*")
}

fn is_strong(code: &str, bare: bool) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !code.trim_start().starts_with("use ")
        && STRONG.iter().any(|name| {
            code.match_indices(name).any(|(at, _)| {
                let (before, after) = (&code[..at], &code[at + name.len()..]);
                let qualified = before.ends_with("Ordering::");
                !after.starts_with(is_word)
                    && (qualified || (bare && !before.ends_with(|c| is_word(c) || c == ':')))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn found(body: &str) -> Vec<usize> {
        check(&text("crates/fusebox-core/src/breaker/front.rs", body))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_strong_ordering_needs_its_reason() {
        assert_eq!(found("a.load(Ordering::Acquire);\n"), [1]);
        assert_eq!(
            found("// ORDERING: pairs with the store in `trip`.\na.load(Ordering::Acquire);\n"),
            [0; 0]
        );
        assert_eq!(found("a.load(Ordering::SeqCst); // ORDERING: one order for all\n"), [0; 0]);
        assert_eq!(found("a.load(Ordering::Relaxed);\n"), [0; 0]);
    }

    #[test]
    fn a_comment_reaches_from_its_last_line_and_not_to_the_end_of_the_file() {
        let near =
            format!("// ORDERING: one\n// two\n// three\n{}a.load(Ordering::Acquire);\n", "x();\n".repeat(7));
        assert_eq!(found(&near), [0; 0]);
        let far = format!("// ORDERING: one\n{}a.load(Ordering::Acquire);\n", "x();\n".repeat(8));
        assert_eq!(found(&far), [10]);
    }

    #[test]
    fn bare_names_count_where_they_are_imported_and_other_words_do_not() {
        assert_eq!(found("use core::sync::atomic::Ordering::{Acquire, Release};\na.load(Acquire);\n"), [2]);
        assert_eq!(found("hold(Release);\nhold(Hold::Release);\n"), [0; 0]);
        assert_eq!(found("// a word: Ordering::Acquire\n"), [0; 0]);
    }

    #[test]
    fn tests_and_other_crates_are_left_alone() {
        assert_eq!(found("#[cfg(test)]\nmod tests { fn f() { a.load(Ordering::SeqCst); } }\n"), [0; 0]);
        assert!(check(&text("crates/fusebox/src/clock.rs", "a.load(Ordering::SeqCst);")).is_empty());
    }
}
