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
    // Orderings that the file calls by their bare names, since a `use` brought them in.
    let mut bare: Vec<&str> = Vec::new();
    let mut in_use = false;
    // The line up to which the last comment speaks.
    let mut covered = 0;
    let mut in_comment = false;
    let mut in_tests = false;
    for (number, line) in text.lines() {
        in_tests |= line.starts_with("#[cfg(test") || line.starts_with("#[cfg(all(test");
        if in_tests && line.starts_with("mod ") {
            if line.ends_with(';') {
                in_tests = false;
            } else {
                break;
            }
        }
        let (code, comment) =
            line.split_once("//").map_or((line, None), |(code, comment)| (code, Some(comment)));
        // A comment of several lines speaks from its last one.
        in_comment = comment
            .is_some_and(|comment| comment.contains("ORDERING:") || (in_comment && code.trim().is_empty()));
        if in_comment {
            covered = number + REACH;
        }
        in_use |= begins_use(code);
        if in_use {
            bare.extend(STRONG.iter().filter(|name| places(code, name).next().is_some()));
            in_use = !code.contains(';');
        } else if number > covered && is_strong(code, &bare) {
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
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.ends_with("/loom.rs")
}

fn begins_use(code: &str) -> bool {
    let code = code.trim_start();
    code.starts_with("use ") || (code.starts_with("pub") && code.contains(" use "))
}

fn is_strong(code: &str, bare: &[&str]) -> bool {
    STRONG.iter().any(|name| {
        places(code, name)
            .any(|before| before.ends_with("Ordering::") || (bare.contains(name) && !before.ends_with(':')))
    })
}

/// What stands before each whole word `name` in `code`.
fn places<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name)
        .filter(move |(at, _)| {
            !code[..*at].ends_with(is_word) && !code[at + name.len()..].starts_with(is_word)
        })
        .map(|(at, _)| &code[..at])
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
        assert_eq!(found("use crate::sync::{\n    AtomicU64, Acquire,\n};\na.swap(1, Acquire);\n"), [4]);
        assert_eq!(found("pub(crate) use core::sync::atomic::Ordering::{AcqRel, Relaxed};\n"), [0; 0]);
        assert_eq!(found("use crate::sync::Acquire;\nhold(Release);\nhold(Hold::Acquire);\n"), [0; 0]);
        assert_eq!(found("// a word: Ordering::Acquire\n"), [0; 0]);
    }

    #[test]
    fn tests_and_other_crates_are_left_alone() {
        assert_eq!(found("#[cfg(test)]\nmod tests {\n    fn f() { a.load(Ordering::SeqCst); }\n}\n"), [0; 0]);
        assert_eq!(found("#[cfg(test)]\nmod protocol_tests;\na.load(Ordering::SeqCst);\n"), [3]);
        assert!(check(&text("crates/fusebox/src/clock.rs", "a.load(Ordering::SeqCst);")).is_empty());
    }
}
