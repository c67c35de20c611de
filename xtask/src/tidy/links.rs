//! Links between the project's pages.

use std::collections::BTreeSet;

use super::Finding;
use crate::project::Text;

/// Every link of a markdown file to a file or folder of the project leads somewhere.
pub(super) fn check(texts: &[Text], paths: &[String]) -> Vec<Finding> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        known.insert(path);
        known.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    let mut findings = Vec::new();
    for page in texts.iter().filter(|text| text.path.ends_with(".md")) {
        for (number, target) in targets(page) {
            let file = target.split(['#', '?']).next().unwrap_or("");
            if file.is_empty() || is_elsewhere(target) {
                continue;
            }
            if !resolve(&page.path, file).is_some_and(|path| path.is_empty() || known.contains(path.as_str()))
            {
                findings.push(Finding::new(
                    &page.path,
                    number,
                    format!("the link to '{target}' leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` and of `[label]: target`, outside code.
fn targets(page: &Text) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in page.lines() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        // Text and code take turns at each backtick.
        let prose: Vec<(usize, &str)> = {
            let mut at = 0;
            let mut spans = Vec::new();
            for (index, span) in line.split('`').enumerate() {
                if index % 2 == 0 {
                    spans.push((at, span));
                }
                at += span.len() + 1;
            }
            spans
        };
        let in_prose =
            |at: usize| prose.iter().any(|(start, span)| (*start..start + span.len()).contains(&at));
        for (at, _) in line.match_indices("](").filter(|(at, _)| in_prose(*at)) {
            let rest = &line[at + 2..];
            if let Some(target) = rest.split([')', ' ']).next() {
                found.push((number, target.trim_matches(['<', '>'])));
            }
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((number, target.split(' ').next().unwrap_or("").trim_matches(['<', '>'])));
        }
    }
    found
}

fn is_elsewhere(target: &str) -> bool {
    target
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(char::is_alphanumeric))
}

/// `target` as a path from the root, seen from the file `from`; none if it leaves the project.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    (!target.starts_with('/')).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn broken(path: &str, body: &str) -> Vec<usize> {
        let paths = ["README.md", "docs/tower.md", "docs/policies/breaker.md"].map(str::to_owned);
        check(&[text(path, body)], &paths).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn links_are_followed_from_where_the_page_stands() {
        assert_eq!(
            broken("README.md", "[a](docs/tower.md#x) [b](docs) [c](tower.md)\n[d](docs/no.md)"),
            [1, 2]
        );
        assert_eq!(
            broken("docs/policies/breaker.md", "[up](../tower.md) [root](../../) [out](../../../x)"),
            [1]
        );
        assert_eq!(broken("README.md", "[r]: docs/none.md\n[s]: docs/tower.md \"title\""), [1]);
        assert_eq!(broken("README.md", "![p](/docs/tower.md)"), [1]);
    }

    #[test]
    fn addresses_anchors_and_code_are_no_links_to_files() {
        let body =
            "[a](https://example.org/x) [b](#here) `[c](none)`\n```\n[d](none)\n```\n[e](mailto:x@y)\n";
        assert_eq!(broken("README.md", body), [0; 0]);
    }
}
