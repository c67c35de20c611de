//! A socket in the file system that its owner alone can connect to.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The path of a socket, which goes with this.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another process may have put its own in its place.
    inode: Option<u64>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Where it is gone already, somebody else has seen to it.
        if self.inode.is_some() && inode(&self.path) == self.inode {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.ino())
}

/// Listens at `path`. What a process that has ended left there is removed; a socket that is listened on is not touched.
pub(crate) fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    make_way(path)?;
    // Made where nobody else looks, so that it is never open to others, not for a moment.
    let hidden = folder(path).join(format!(".fusebox-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&hidden)?;
    let first = hidden.join("s");
    let bound = UnixListener::bind(&first).and_then(|listener| {
        fs::set_permissions(&first, Permissions::from_mode(0o600))?;
        fs::rename(&first, path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let _ = fs::remove_file(&first);
    fs::remove_dir(&hidden)?;
    Ok((bound?, SocketFile { path: path.to_owned(), inode: inode(path) }))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket stands there"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}
