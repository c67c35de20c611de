//! Opening the file: whether it is ours, and whole.

use super::desk::Desk;
use crate::cache::second::LevelError;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "fuca" in ASCII: what tells our files from others'.
const APPLICATION: u32 = 0x6675_6361;
/// The tables that this version has. A file of another one is begun anew: what is in it is nobody's only copy.
const VERSION: i64 = 1;
/// How long it waits for another process that writes.
const BUSY: Duration = Duration::from_millis(50);

/// Files up to this size are checked whole when they are opened. Entries have a checksum of their own.
const CHECKED: u64 = 64 << 20;

const SCHEMA: &str = "
    CREATE TABLE cache (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        entry TEXT NOT NULL UNIQUE, grp TEXT,
        bytes BLOB NOT NULL, size INTEGER NOT NULL, expires_at INTEGER NOT NULL
    );
    CREATE INDEX cache_group ON cache (grp) WHERE grp IS NOT NULL;
    CREATE INDEX cache_expiry ON cache (expires_at);
";

/// A desk at the file; a corrupt one is set aside first.
pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Desk, LevelError> {
    let is_new = match header(path) {
        Ok(found) => {
            if found.as_ref().is_some_and(|header| !is_ours(header)) {
                let why = format!("{} is no cache of fusebox, and is left alone", path.display());
                return Err(LevelError::Unavailable(why));
            }
            found.is_none()
        }
        Err(error) => return Err(LevelError::Unavailable(format!("{}: {error}", path.display()))),
    };
    if is_new {
        create(path).map_err(|error| LevelError::Unavailable(format!("{}: {error}", path.display())))?;
    }
    set_up(path, is_new, max_bytes).map_err(|error| fault(path, &error))
}

/// Makes the file, for our eyes only: it has callers' answers in it. SQLite gives its log the same rights.
fn create(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The beginning of the file; `None` where there is none, or nothing in it.
fn header(path: &Path) -> io::Result<Option<[u8; 100]>> {
    let mut header = [0; 100];
    match File::open(path) {
        Ok(mut file) if file.metadata()?.len() > 0 => {
            file.read_exact(&mut header[..]).or_else(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(error),
            })?;
            Ok(Some(header))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is a database with our mark. The mark is in the first page, whatever is wrong with the others.
fn is_ours(header: &[u8; 100]) -> bool {
    header.starts_with(b"SQLite format 3\0") && header[68..72] == APPLICATION.to_be_bytes()
}

fn set_up(path: &Path, is_new: bool, max_bytes: u64) -> rusqlite::Result<Desk> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    if is_new {
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // Entries have their own bound; this one is for what they need around them.
    let most = max_bytes.saturating_mul(2).saturating_add(4 << 20).cast_signed().max(0) / page.max(1);
    connection.pragma_update(None, "max_page_count", most.min(i64::from(u32::MAX) - 2))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        let drop = "DROP TABLE IF EXISTS cache;";
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {drop} {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"
        ))?;
    }
    if fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED) {
        let said: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
        if said != "ok" {
            return Err(corrupt());
        }
    }
    Desk::new(connection, max_bytes)
}

fn corrupt() -> Error {
    Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None)
}

/// What an error means; the file is set aside if it is corrupt, and ours.
pub(super) fn fault(path: &Path, error: &Error) -> LevelError {
    let is_corrupt =
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
    let ours = || header(path).ok().flatten().is_some_and(|header| is_ours(&header));
    let shown = path.display();
    if !(is_corrupt && ours()) {
        return LevelError::Unavailable(format!("{shown}: {error}"));
    }
    let aside = beside(path, ".corrupt");
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, end));
    }
    LevelError::Unavailable(match fs::rename(path, &aside) {
        Ok(()) => format!("{shown} is corrupt; it is set aside as {}", aside.display()),
        Err(why) => format!("{shown} is corrupt, and cannot be set aside: {why}"),
    })
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}
