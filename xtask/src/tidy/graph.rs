//! What a crate may depend on, proven by `cargo tree`.

use super::Finding;
use crate::cargo::cargo;
use crate::project::{ChoreError, Project, output};

/// One question to `cargo tree` and what its answer may hold.
struct Promise {
    package: &'static str,
    arguments: &'static [&'static str],
    keeps: Keeps,
}

/// Package names; one that ends in `*` stands for all that begin so.
enum Keeps {
    Only(&'static [&'static str]),
    Without(&'static [&'static str]),
}

const PROMISES: &[Promise] = &[
    Promise { package: "fusebox-core", arguments: &[], keeps: Keeps::Only(&["fusebox-core", "fastrand"]) },
    Promise {
        package: "fusebox-core",
        arguments: &["--all-features"],
        keeps: Keeps::Only(&["fusebox-core", "fastrand", "serde*"]),
    },
    // docs/ecosystem.md states the number.
    Promise {
        package: "fusebox",
        arguments: &[],
        keeps: Keeps::Only(&[
            "bitflags",
            "crossbeam-utils",
            "fastrand",
            "fusebox",
            "fusebox-core",
            "libc",
            "linux-raw-sys",
            "once_cell",
            "pin-project-lite",
            "quanta",
            "raw-cpuid",
            "rustix",
            "tokio",
        ]),
    },
    Promise {
        package: "fusebox",
        arguments: &["--no-default-features"],
        keeps: Keeps::Without(&["tokio*", "hyper*"]),
    },
];

/// The core depends on nothing that does I/O; the library alone brings no runtime and no HTTP, and little by default.
pub(super) fn check(project: &Project) -> Result<Vec<Finding>, ChoreError> {
    let mut findings = Vec::new();
    for promise in PROMISES {
        let tree = ["tree", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
        let mut command = cargo(project, &tree);
        command.args(["-p", promise.package]).args(promise.arguments);
        for name in broken(&output(&mut command)?, &promise.keeps) {
            let manifest = format!("crates/{}/Cargo.toml", promise.package);
            let what = format!("{} depends on {name} {}", promise.package, promise.arguments.join(" "));
            findings.push(Finding::new(&manifest, 0, what.trim_end()));
        }
    }
    Ok(findings)
}

/// The packages of `tree` that are not as promised.
fn broken<'a>(tree: &'a str, keeps: &Keeps) -> Vec<&'a str> {
    let named = |list: &[&str], name: &str| {
        list.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *pattern == name,
        })
    };
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| match keeps {
            Keeps::Only(list) => !named(list, name),
            Keeps::Without(list) => named(list, name),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "fusebox-core v0.1.0 (crates/fusebox-core)\nfastrand v2.3.0\nserde v1.0.1\n\
        serde_core v1.0.1\nserde v1.0.1 (*)\ntokio-util v0.7.1\n";

    #[test]
    fn what_is_not_on_the_list_is_found_once() {
        assert_eq!(broken(TREE, &Keeps::Only(&["fusebox-core", "fastrand", "serde*"])), ["tokio-util"]);
        assert_eq!(
            broken(TREE, &Keeps::Only(&["fusebox-core", "fastrand", "serde", "tokio*"])),
            ["serde_core"]
        );
    }

    #[test]
    fn what_is_banned_is_found_and_nothing_else() {
        assert_eq!(broken(TREE, &Keeps::Without(&["tokio*", "hyper*"])), ["tokio-util"]);
        assert_eq!(broken(TREE, &Keeps::Without(&["tokio", "hyper*"])), [""; 0]);
    }
}
