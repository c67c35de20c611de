//! What every crate's manifest says.

use super::Finding;
use crate::project::Text;

/// Every crate of the workspace takes the workspace's lints.
pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    texts
        .iter()
        .filter(|text| is_member(&text.path) && !takes_the_lints(&text.body))
        .map(|text| {
            Finding::new(&text.path, 0, "a crate takes the workspace's lints: `[lints]`, `workspace = true`")
        })
        .collect()
}

fn is_member(path: &str) -> bool {
    let folder = path.strip_suffix("/Cargo.toml");
    folder.is_some_and(|folder| {
        let inside = |parent| folder.strip_prefix(parent).is_some_and(|name| !name.contains('/'));
        folder == "xtask" || inside("crates/") || inside("examples/")
    })
}

fn takes_the_lints(manifest: &str) -> bool {
    let mut section = "";
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        if line.starts_with('[') {
            section = line;
        }
        let spaceless: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        match section {
            "[lints]" if spaceless == "workspace=true" => return true,
            _ if spaceless == "lints.workspace=true" => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn a_member_without_the_workspaces_lints_is_found() {
        let manifests = [
            text("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"),
            text(
                "crates/b/Cargo.toml",
                "[package]\nedition.workspace = true\n[lints.clippy]\nall = \"warn\"\n",
            ),
            text("crates/c/Cargo.toml", "[lints]\n# workspace = true\n[dependencies]\nworkspace = true\n"),
            text("examples/d/Cargo.toml", "[package]\n"),
            text("benchmarks/Cargo.toml", "[package]\n"),
            text("crates/a/tests/fixture/Cargo.toml", "[package]\n"),
        ];
        let found: Vec<String> = check(&manifests).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["crates/b/Cargo.toml", "crates/c/Cargo.toml", "examples/d/Cargo.toml"]);
    }
}
