//! The library's examples, each run to its end.

use std::path::Path;

use super::tally::Tally;
use crate::arguments::Selection;
use crate::cargo::cargo;
use crate::project::Project;
use crate::steps::End;

/// Builds and runs every example of the crate `fusebox`; each must end with exit code 0.
pub(crate) fn all(project: &Project, selection: &Selection) -> (Tally, End) {
    if !selection.holds("fusebox") || selection.filter.is_some() {
        return (Tally::default(), End::LeftOut("not asked for".into()));
    }
    let names = names(&project.root().join("crates/fusebox/examples"));
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for name in names {
        println!("example {name}");
        let run = ["run", "--quiet", "-p", "fusebox", "--all-features", "--example", &name];
        match cargo(project, &run).output() {
            Ok(output) if output.status.success() => tally.passed += 1,
            Ok(output) => {
                print!(
                    "{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                failed.push(name);
            }
            Err(error) => {
                println!("cargo did not start: {error}");
                failed.push(name);
            }
        }
    }
    tally.failed = failed.len() as u64;
    let end = match (failed.is_empty(), tally.passed) {
        (true, 0) => End::Failed("crates/fusebox/examples holds none".into()),
        (true, _) => End::Passed(tally.to_string()),
        (false, _) => End::Failed(failed.join(", ")),
    };
    (tally, end)
}

/// The examples in `folder`: its files, and its folders that hold a `main.rs`.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file()
        })
        .filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_files_and_folders_with_a_main() {
        let folder = std::env::temp_dir().join(format!("fusebox-examples-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("server")).unwrap();
        std::fs::create_dir_all(folder.join("data")).unwrap();
        for file in ["server/main.rs", "blocking.rs", "notes.txt", "data/x.rs"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        let found = names(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["blocking", "server"]);
        assert!(names(&folder).is_empty());
    }
}
