//! Where the project stands and which files it holds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) struct Project {
    root: PathBuf,
}

/// One text file, its path relative to the root with forward slashes.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) body: String,
}

/// What keeps a chore from being done at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ChoreError {
    #[error("run it through `cargo xtask`: the root of the project is not known ({0})")]
    NoRoot(std::env::VarError),
    #[error("cannot run {program}: {error}")]
    NotStarted { program: String, error: std::io::Error },
    #[error("{program} failed: {message}")]
    Failed { program: String, message: String },
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: std::io::Error },
}

impl Project {
    /// The project that this program was started in.
    pub(crate) fn here() -> Result<Self, ChoreError> {
        let manifest = std::env::var("CARGO_MANIFEST_DIR").map_err(ChoreError::NoRoot)?;
        let root = Path::new(&manifest).parent().unwrap_or_else(|| Path::new("."));
        Ok(Project { root: root.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every path that git holds or would take in, relative to the root, in order.
    pub(crate) fn paths(&self) -> Result<Vec<String>, ChoreError> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = output(&mut git)?;
        let mut paths: Vec<String> =
            listed.split('\0').filter(|path| self.root.join(path).is_file()).map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }

    /// The files among `paths` that are text.
    pub(crate) fn texts(&self, paths: &[String]) -> Result<Vec<Text>, ChoreError> {
        let mut texts = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = std::fs::read(self.root.join(path))
                .map_err(|error| ChoreError::Unreadable { path: path.clone(), error })?;
            if let Ok(body) = String::from_utf8(bytes) {
                texts.push(Text { path: path.clone(), body });
            }
        }
        Ok(texts)
    }
}

impl Text {
    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.body.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// What `command` wrote to standard output, or its error output as the error.
pub(crate) fn output(command: &mut Command) -> Result<String, ChoreError> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Err(error) => Err(ChoreError::NotStarted { program, error }),
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            Err(ChoreError::Failed { program, message: String::from_utf8_lossy(&output.stderr).into_owned() })
        }
    }
}
