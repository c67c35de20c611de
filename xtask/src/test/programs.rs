//! Programs that the tests run beside fusebox.

use std::process::{Command, Stdio};

use crate::arguments::Selection;
use crate::steps::End;

/// A program, the Debian package that brings it, and the packages of ours whose tests run it.
struct Program {
    name: &'static str,
    debian: &'static str,
    wanted_by: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program { name: "chromium", debian: "chromium", wanted_by: &["fusebox", "fusebox-cli"] },
    Program {
        name: "promtool",
        debian: "prometheus",
        wanted_by: &["fusebox", "fusebox-proxy", "fusebox-cli"],
    },
    Program { name: "prometheus", debian: "prometheus", wanted_by: &["fusebox-cli"] },
    Program { name: "redis-server", debian: "redis-server", wanted_by: &["fusebox", "fusebox-proxy"] },
    Program { name: "nats-server", debian: "nats-server", wanted_by: &["fusebox-queue"] },
    Program { name: "postgres", debian: "postgresql", wanted_by: &["fusebox-queue", "fusebox-proxy"] },
];

/// Where Debian puts servers of which several versions can be there, each with a folder `bin` of its own.
const VERSIONED: &[&str] = &["/usr/lib/postgresql"];

/// Sees to it that every program is there that the tests of `selection` run.
pub(crate) fn present(selection: &Selection) -> End {
    let wanted =
        || PROGRAMS.iter().filter(|program| program.wanted_by.iter().any(|name| selection.holds(name)));
    let missing: Vec<&Program> = wanted().filter(|program| !is_there(program.name)).collect();
    if missing.is_empty() {
        let names: Vec<&str> = wanted().map(|program| program.name).collect();
        return if names.is_empty() {
            End::LeftOut("none needed".into())
        } else {
            End::Passed(names.join(", "))
        };
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.debian).collect();
    apt(&packages);
    let missing: Vec<String> =
        missing.iter().filter(|program| !is_there(program.name)).map(lacking).collect();
    if missing.is_empty() { End::Passed("installed".into()) } else { End::Failed(missing.join("; ")) }
}

fn lacking(program: &&Program) -> String {
    format!("{} is missing: install it, on Debian `apt-get install {}`", program.name, program.debian)
}

/// Installs Debian packages, where that is possible: as root, where there is apt-get. Whether it worked shows in the
/// programs being there.
pub(super) fn apt(packages: &[&str]) {
    if !(on_path("apt-get") && is_root()) {
        return;
    }
    println!("installing {} with apt-get", packages.join(", "));
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).arg("-qq").args(arguments);
        command.status().is_ok_and(|status| status.success())
    };
    if !(run(&["update"]) && run(&[&["install", "-y", "--no-install-recommends"], packages].concat())) {
        println!("apt-get failed");
    }
}

fn is_there(name: &str) -> bool {
    let versions = VERSIONED.iter().flat_map(std::fs::read_dir).flatten().filter_map(Result::ok);
    on_path(name) || versions.into_iter().any(|version| version.path().join("bin").join(name).is_file())
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_run_no_other_program_need_none() {
        let selection = Selection { packages: vec!["fusebox-core".into()], ..Selection::default() };
        assert_eq!(present(&selection), End::LeftOut("none needed".into()));
    }

    #[test]
    fn a_missing_program_is_named_with_the_package_that_brings_it() {
        assert!(!is_there("a-program-that-nobody-has"));
        let promtool = PROGRAMS.iter().find(|program| program.name == "promtool").unwrap();
        let text = lacking(&promtool);
        assert!(text.contains("promtool") && text.contains("apt-get install prometheus"), "{text}");
    }
}
