//! A proxy whose configuration is in a file, which is written anew while it runs.

use super::Running;
use fusebox_proxy::config::Plan;
use fusebox_proxy::{Helm, Options, Proxy};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const LISTENER: &str = "[[listener]]\nlisten = \"127.0.0.1:0\"\n";

/// The proxy and its file.
pub(crate) struct File {
    running: Running,
    path: PathBuf,
    /// Stands before what a test writes.
    head: String,
    _folder: tempfile::TempDir,
}

impl Deref for File {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl File {
    /// Starts a proxy from the rest of a configuration.
    pub(crate) fn run(config: &str) -> File {
        File::run_after("listen = \"127.0.0.1:0\"\n", config)
    }

    /// As [`run`](Self::run), with this admin interface.
    pub(crate) fn run_after(admin: &str, config: &str) -> File {
        let head = format!("[admin]\n{admin}{LISTENER}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fusebox.toml");
        write(&path, &head, config);
        let journal = Arc::new(Mutex::new(Vec::new()));
        let lines = journal.clone();
        let again = path.clone();
        let options = Options {
            workers: Some(2),
            journal: Some(Arc::new(move |line: &str| {
                lines.lock().expect("not poisoned").push(line.to_owned());
            })),
            source: Some(Arc::new(move || read(&again))),
            ..Options::default()
        };
        let plan = read(&path).unwrap_or_else(|errors| panic!("{errors:?}"));
        let proxy = Proxy::start_with(plan, options).expect("a free port");
        let address = proxy.addresses()[0];
        File { running: Running { proxy: Some(proxy), address, journal }, path, head, _folder: folder }
    }

    /// Writes the rest of another configuration.
    pub(crate) fn write(&self, config: &str) {
        write(&self.path, &self.head, config);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn helm(&self) -> Helm {
        self.proxy().helm()
    }

    /// The proxy, without its file.
    pub(crate) fn take(&mut self) -> Proxy {
        self.running.take()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.proxy().journal().flush();
        self.journal.lock().expect("not poisoned").clone()
    }
}

fn write(path: &Path, head: &str, config: &str) {
    std::fs::write(path, format!("{head}{config}")).expect("the folder is writable");
}

fn read(path: &Path) -> Result<Plan, Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    Plan::parse("fusebox.toml", &text).map_err(|errors| errors.lines())
}
