//! Opening a file: whose it is, what it is, and what the last owner left.

use super::Options;
use super::desk::{BUSY, Desk};
use super::rows::{WRITABLE, failed};
use super::schema::{VERSION, upgrade};
use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::Limits;
use rusqlite::config::DbConfig;
use rusqlite::vtab::array;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// "fuse" in ASCII: what tells our files from others'.
const APPLICATION: i64 = 0x6675_7365;
/// Files up to this size are checked whole when they are opened.
const CHECKED: u64 = 64 << 20;

/// A desk on the file, and the lock that keeps others out.
pub(super) fn open(path: &Path, options: Options) -> Result<(Desk, File), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    refuse_network(path, folder)?;
    let lock = lock(path)?;
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => return Err(corrupt(path, "it is empty")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, folder)?,
        Err(error) => return Err(unwritable(path, &error)),
    }
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| failed(path, error))?;
    inspect(path, &connection)?;
    let most_pages = settle_in(&connection, &options).map_err(|error| failed(path, error))?;
    upgrade(&connection).map_err(|error| failed(path, error))?;
    let seen = connection.query_row("SELECT seen_at FROM owner", (), |row| row.get::<_, i64>(0));
    let seen = Timestamp(seen.map_err(|error| failed(path, error))?.cast_unsigned());
    let clock = options.clock.unwrap_or_else(|| StoreClock::real(seen));
    let mut desk = Desk::new(connection, path.into(), (options.limits, most_pages), clock);
    desk.take_over()?;
    Ok((desk, lock))
}

/// A connection that only reads the file.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    });
    open.map_err(|error| failed(path, error))
}

/// A desk that only reads the file, which may have an owner.
pub(super) fn look(path: &Path) -> Result<Desk, StoreError> {
    let missing = || StoreError::ReadOnly { path: path.into(), why: "there is no such file".into() };
    fs::metadata(path).map_err(|_| missing())?;
    let connection = reader(path)?;
    let version = inspect(path, &connection)?;
    if version < VERSION {
        let why = format!("its schema is version {version}, and only its owner brings it to {VERSION}");
        return Err(StoreError::ReadOnly { path: path.into(), why });
    }
    let limits = (Limits::default(), i64::MAX);
    Ok(Desk::new(connection, path.into(), limits, StoreClock::real(Timestamp(0))))
}

/// Sets the connection up; answers how many pages items may take.
fn settle_in(connection: &Connection, options: &Options) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Where a sync does not reach the drive by itself.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(64);
    array::load_module(connection)?;
    // Without it, SQLite compiles what leases anew for every value that it is given.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let Some(most) = options.max_file_bytes else { return Ok(i64::MAX) };
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = (most.cast_signed() / page).max(32);
    connection.pragma_update(None, "max_page_count", pages)?;
    // An eighth is kept free: what makes room has to be written too.
    Ok(pages - pages / 8)
}

/// Whether it is a whole file of ours that this version can read; answers its own version.
fn inspect(path: &Path, connection: &Connection) -> Result<i64, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(|error| failed(path, error))?;
    if application != APPLICATION {
        return Err(corrupt(path, "it is a database of another program"));
    }
    let found = pragma("user_version").map_err(|error| failed(path, error))?;
    if found > VERSION {
        return Err(StoreError::TooNew { path: path.into(), found, known: VERSION });
    }
    if fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED) {
        let said = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
        let said = said.map_err(|error| failed(path, error))?;
        if said != "ok" {
            return Err(corrupt(path, &said));
        }
    }
    Ok(found)
}

/// Makes the file beside its place, whole and synced, and puts it there: there is never half a file.
fn create(path: &Path, folder: &Path) -> Result<(), StoreError> {
    let new = beside(path, "new");
    let _ = fs::remove_file(&new);
    // Calls carry secrets: the file is its owner's alone, and what SQLite makes beside it is as the file is.
    let owned = File::options().create_new(true).write(true).mode(0o600).open(&new);
    owned.map_err(|error| unwritable(path, &error))?;
    let made = (|| {
        let connection = Connection::open(&new)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        upgrade(&connection)?;
        connection.close().map_err(|(_, error)| error)
    })();
    made.map_err(|error| failed(path, error))?;
    let place = || {
        File::open(&new)?.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    };
    place().map_err(|error| unwritable(path, &error))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options().create(true).append(true).open(beside(path, "lock"));
    let file = file.map_err(|error| unwritable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Owned(path.into())),
        Err(TryLockError::Error(error)) => Err(unwritable(path, &error)),
    }
}

fn refuse_network(path: &Path, folder: &Path) -> Result<(), StoreError> {
    let kind = rustix::fs::statfs(folder).ok().and_then(|found| network(found.f_type as u64 & 0xffff_ffff));
    kind.map_or(Ok(()), |kind| Err(StoreError::NetworkFileSystem { path: path.into(), kind }))
}

/// The network file systems by the numbers that Linux gives them.
fn network(number: u64) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        0x0bd0_0bd0 => "Lustre",
        _ => return None,
    })
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}

fn corrupt(path: &Path, why: &str) -> StoreError {
    StoreError::Corrupt { path: path.into(), why: why.into() }
}

fn unwritable(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull(path.into()),
        kind => StoreError::ReadOnly { path: path.into(), why: format!("{error}; {}", remedy(kind)) },
    }
}

/// What to do about a file that cannot be written to.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "make its folder first",
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system must be mounted for writing, or the file be kept on another"
        }
        _ => WRITABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_on_the_drive_before_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("calls.queue")).unwrap();
        settle_in(&connection, &Options::default()).unwrap();
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!((synchronous, &*journal), (2, "wal"), "2 is FULL");
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!((network(0x6969), network(0xef53)), (Some("NFS"), None));
    }
}
