//! Programs from Python packages, in the environment that `cargo xtask test` makes in the folder of builds; see `xtask/tools`.

use std::path::{Path, PathBuf};

/// Where that environment is.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the folder of builds").join("tools/python")
}

/// A file in it, at the first of the places where `package` may have put it.
pub(crate) fn program(package: &str, places: impl IntoIterator<Item = PathBuf>) -> PathBuf {
    places.into_iter().find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "{package} is missing in {}. `cargo xtask test -p fusebox-cli` installs it, or by hand: \
             python3 -m venv {0} && {0}/bin/pip install -r xtask/tools/requirements.txt",
            folder().display()
        )
    })
}

/// Where packages are, one folder for each version of Python.
pub(crate) fn packages() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(folder().join("lib")).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages")).collect()
}
