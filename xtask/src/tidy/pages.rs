//! A page for every policy.

use super::Finding;
use crate::project::Text;

const CORE: &str = "crates/fusebox-core/src/lib.rs";

/// Public modules of the core that are no policy: what policies are made of, and what puts them together.
/// Every other public module is a policy and has its page.
const NOT_A_POLICY: &[&str] =
    &["event", "explain", "flow", "latency", "outcome", "pipeline", "registry", "rejection", "sync", "time"];

/// Every public policy of the core has its page, `docs/policies/<module>.md`.
pub(super) fn check(texts: &[Text], paths: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for core in texts.iter().filter(|text| text.path == CORE) {
        for (number, line) in core.lines() {
            let Some(module) = line.trim().strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'))
            else {
                continue;
            };
            let page = format!("docs/policies/{module}.md");
            if !NOT_A_POLICY.contains(&module) && !paths.contains(&page) {
                findings.push(Finding::new(
                    CORE,
                    number,
                    format!("the policy '{module}' has no page {page}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn a_policy_without_a_page_is_found_where_it_is_declared() {
        let core = [text(CORE, "pub mod breaker;\npub mod event;\nmod ratio;\npub mod bulkhead;\n")];
        let found = check(&core, &["docs/policies/breaker.md".to_owned()]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 4);
        assert!(found[0].what.contains("docs/policies/bulkhead.md"));
    }
}
