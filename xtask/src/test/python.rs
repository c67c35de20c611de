//! Programs that come as Python packages: one environment for all of them, in the folder of builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs;
use crate::arguments::Selection;
use crate::project::Project;
use crate::steps::End;

/// What is installed, each at a version that somebody chose.
const REQUIREMENTS: &str = "xtask/tools/requirements.txt";
/// The packages of ours whose tests run it.
const WANTED_BY: &[&str] = &["fusebox-cli"];

/// Sees to it that the environment is there, with all that is required and nothing else.
pub(crate) fn present(project: &Project, selection: &Selection) -> End {
    if !WANTED_BY.iter().any(|name| selection.holds(name)) {
        return End::LeftOut("none needed".into());
    }
    let (folder, file) = (folder(project), project.root().join(REQUIREMENTS));
    let Ok(wanted) = std::fs::read_to_string(&file) else {
        return End::Failed(format!("{REQUIREMENTS} cannot be read"));
    };
    let made = if is_made(&folder, &wanted) { Ok(()) } else { make(&folder, &file, &wanted) };
    match made {
        Ok(()) => End::Passed(packages(&wanted).join(", ")),
        Err(what) => End::Failed(format!(
            "{what}. By hand: python3 -m venv {0} && {0}/bin/pip install -r {REQUIREMENTS}",
            folder.display()
        )),
    }
}

/// Where the environment is; the tests look for it beside their own temporary folder.
fn folder(project: &Project) -> PathBuf {
    let builds = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    project.root().join(builds).join("tools/python")
}

/// The list that it was made from, kept in it once it is whole.
fn list(folder: &Path) -> PathBuf {
    folder.join("requirements.txt")
}

fn is_made(folder: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(list(folder)).is_ok_and(|made| made == wanted)
}

fn make(folder: &Path, file: &Path, wanted: &str) -> Result<(), String> {
    println!("installing {} into {}", packages(wanted).join(", "), folder.display());
    let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if venv().is_err() {
        // Debian keeps it apart from Python itself.
        programs::apt(&["python3", "python3-venv"]);
        venv().map_err(|what| format!("Python and its venv are missing ({what}): install them, on Debian `apt-get install python3-venv`"))?;
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(file);
    run(&mut pip).map_err(|what| format!("pip could not install what {REQUIREMENTS} asks for ({what})"))?;
    std::fs::write(list(folder), wanted).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Runs `command`, whose own words tell the details.
fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The lines of a list that name something.
fn packages(list: &str) -> Vec<&str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_has_one_version() {
        let list = include_str!("../../tools/requirements.txt");
        assert!(!packages(list).is_empty());
        for package in packages(list) {
            assert!(package.contains("=="), "{package} has no version");
        }
    }

    #[test]
    fn an_environment_is_made_anew_when_the_list_has_changed() {
        let folder = std::env::temp_dir().join(format!("fusebox-python-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!is_made(&folder, "a==1\n"), "one that broke off has no list");
        std::fs::write(list(&folder), "a==1\n").unwrap();
        assert!(is_made(&folder, "a==1\n") && !is_made(&folder, "a==2\n"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn packages_whose_tests_run_none_need_none() {
        let selection = Selection { packages: vec!["fusebox-core".into()], ..Selection::default() };
        let project = Project::here().unwrap();
        assert_eq!(present(&project, &selection), End::LeftOut("none needed".into()));
    }
}
