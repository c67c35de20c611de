//! The trail in a file.

use super::entry::{AuditEntry, Chain, Draft, hex, read};
use super::verify::follow;
use crate::admin::wall::Wall;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes at the end of a file that are verified when it is opened; more than a hundred lines of the longest kind.
const VERIFIED: u64 = 1 << 20;

/// Why a trail cannot be gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditError {
    path: PathBuf,
    why: String,
}

impl AuditError {
    pub(super) fn new(path: &Path, why: impl Into<String>) -> AuditError {
        AuditError { path: path.into(), why: why.into() }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open the audit trail {}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for AuditError {}

/// A file that lines are added to.
#[derive(Debug)]
pub(super) struct AuditFile {
    file: File,
    /// Where its last whole line ends.
    length: u64,
    /// Something was written after that and could not be taken away.
    ragged: bool,
}

/// A file, and what is in it.
pub(super) struct Opened {
    pub(super) file: AuditFile,
    pub(super) chain: Chain,
    pub(super) recent: Vec<AuditEntry>,
    pub(super) torn: Option<Torn>,
}

/// What was cut off at the end.
pub(super) struct Torn {
    bytes: usize,
    digest: String,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Torn { bytes, digest } = self;
        write!(
            f,
            "the last line was torn: {bytes} bytes without an end, SHA-256 {digest}, were cut off; what they told of was not done"
        )
    }
}

impl Torn {
    pub(super) fn draft(&self) -> Draft {
        let wall = Wall::read(crate::Time::ZERO);
        Draft {
            at: wall.rfc3339(wall.now()),
            action: "mend".into(),
            result: "done",
            detail: Some(self.to_string()),
            ..Draft::default()
        }
    }
}

impl AuditFile {
    pub(super) fn open(path: &Path) -> Result<Opened, AuditError> {
        let failed = |error: io::Error| AuditError::new(path, error.to_string());
        let is_new = !path.exists();
        let mut file = options().open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::new(path, "another process writes it")),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        check_permissions(&file).map_err(|why| AuditError::new(path, why))?;
        if is_new {
            sync_folder(path).map_err(failed)?;
        }
        let (end, from_start) = last_bytes(&mut file).map_err(failed)?;
        let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = end.split_at(whole);
        let torn = (!rest.is_empty()).then(|| Torn { bytes: rest.len(), digest: hex(&Sha256::digest(rest)) });
        let (chain, recent) = verified(lines, from_start).map_err(|why| AuditError::new(path, why))?;
        let length = file.metadata().map_err(failed)?.len() - rest.len() as u64;
        let mut file = AuditFile { file, length, ragged: false };
        if torn.is_some() {
            file.cut().map_err(failed)?;
        }
        Ok(Opened { file, chain, recent, torn })
    }

    /// Adds a line and, where something is done because of it, sees that it is on the disk.
    pub(super) fn append(&mut self, line: &str, durably: bool) -> io::Result<()> {
        if self.ragged {
            self.cut()?;
        }
        self.is_ours()?;
        let written = self.file.write_all(line.as_bytes());
        let written = written.and_then(|()| if durably { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // Half a line would break the chain for the next one.
            self.ragged = self.cut().is_err();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Takes away what is after the last whole line.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_data()?;
        self.ragged = false;
        Ok(())
    }

    /// Refuses to go on where somebody else has had a hand in the file.
    fn is_ours(&mut self) -> io::Result<()> {
        let found = self.file.metadata()?;
        if found.len() != self.length {
            let (found, expected) = (found.len(), self.length);
            let why = format!("somebody else has changed the file: found {found} bytes, expected {expected}");
            return Err(io::Error::other(why));
        }
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&found) == 0 {
            return Err(io::Error::other("somebody has deleted the file; restart to begin another"));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    options
}

/// Who else may read the trail is its owner's choice; nobody else may write it.
#[cfg(unix)]
fn check_permissions(file: &File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(format!(
            "permissions: found {mode:03o}, accepted: written by its owner alone; chmod 600"
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_permissions(_: &File) -> Result<(), String> {
    Ok(())
}

/// A new file is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The end of the file, and whether that is all of it.
fn last_bytes(file: &mut File) -> io::Result<(Vec<u8>, bool)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(VERIFIED);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok((end, from == 0))
}

/// The chain at the end of these lines. Unless they are all there are, the first may be a part of one and what it follows is taken on trust.
fn verified(lines: &[u8], from_start: bool) -> Result<(Chain, Vec<AuditEntry>), String> {
    let mut lines = lines.split_inclusive(|byte| *byte == b'\n');
    let (mut chain, mut recent) = (Chain::default(), Vec::new());
    if !from_start {
        lines.next();
        let first = lines.next().ok_or("its last line is too long to be one")?;
        let (entry, is_intact) = parsed(first).ok_or("its end is no trail")?;
        if !is_intact {
            return Err("its end is broken: a line was edited".into());
        }
        chain = Chain::after(&entry);
        recent.push(entry);
    }
    for line in lines {
        chain = follow(&chain, line).map_err(|why| {
            format!("its end is broken after seq {}: {why}; verify it and begin another", chain.newest())
        })?;
        recent.extend(parsed(line).map(|(entry, _)| entry));
    }
    Ok((chain, recent))
}

fn parsed(line: &[u8]) -> Option<(AuditEntry, bool)> {
    std::str::from_utf8(line).ok().and_then(|line| read(line.trim_end_matches('\n')))
}
