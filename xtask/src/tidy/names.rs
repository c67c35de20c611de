//! File names and file lengths.

use super::Finding;
use crate::project::Text;

/// Past this a file holds more than one thing.
const MOST_LINES: usize = 500;

/// Words that say nothing about what is inside.
const EMPTY_WORDS: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "managers", "common", "handler", "handlers"];

/// No file and no folder is named by a word that fits everything.
pub(super) fn check(paths: &[String]) -> Vec<Finding> {
    let words = |path: &str| -> Vec<String> {
        path.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect()
    };
    let mut findings = Vec::new();
    for path in paths {
        for word in words(path) {
            if EMPTY_WORDS.contains(&word.as_str()) {
                findings.push(Finding::new(path, 0, format!("'{word}' in a name: say what it holds")));
            }
        }
    }
    findings
}

/// A source file has at most 500 lines.
pub(super) fn length(text: &Text) -> Option<Finding> {
    let extension = text.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
    let is_source =
        matches!(extension, Some("rs" | "sh" | "py" | "js" | "css" | "html")) || text.path == ".ci/run";
    let lines = text.body.lines().count();
    (is_source && lines > MOST_LINES).then(|| {
        Finding::new(
            &text.path,
            0,
            format!("{lines} lines, more than {MOST_LINES}: split it by what it does"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn empty_words_are_found_in_files_and_folders_and_only_whole() {
        let paths = ["src/string_utils.rs", "src/common/mod.rs", "src/utility.rs", "src/event_handler.rs"];
        let found = check(&paths.map(str::to_owned));
        let found: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(found, ["src/string_utils.rs", "src/common/mod.rs", "src/event_handler.rs"]);
    }

    #[test]
    fn the_line_after_the_five_hundredth_is_one_too_many() {
        assert_eq!(length(&text("a.rs", &"x\n".repeat(500))), None);
        assert!(length(&text("a.rs", &"x\n".repeat(501))).is_some());
        assert_eq!(length(&text("Cargo.lock", &"x\n".repeat(501))), None);
    }
}
