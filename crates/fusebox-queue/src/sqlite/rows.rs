//! Rows and records.

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::{ItemId, View};
use crate::notice::Events;
use crate::record::{Death, LAST_QUESTIONS, Lease, Record, State};
use fusebox_core::Priority;
use rusqlite::{ErrorCode, Row, ffi};
use std::path::Path;

/// What [`view`] reads, in its order.
pub(super) const COLUMNS: &str = "id, queue, key, state, death, class, needs_check, attempts, max_attempts, crashes, \
     max_crashes, created_at, due_at, expires_at, first_attempt_at, lease_until, ended_at, result, reason, \
     last_lease, contact, events, delayed_at";
/// Where what comes after them begins.
pub(super) const REST: usize = 23;

const LEASED: i64 = 1;

/// The number of a state; the partial indexes of the schema know them.
pub(super) fn number(state: &State) -> i64 {
    match state {
        State::Ready => 0,
        State::Leased => LEASED,
        State::Done => 2,
        State::Dead(_) => 3,
        State::Expired => 4,
        State::Cancelled => 5,
    }
}

/// The number of the state with this name.
pub(super) fn number_of(name: &str) -> Option<i64> {
    let all = [
        State::Ready,
        State::Leased,
        State::Done,
        State::Dead(Death::Buried),
        State::Expired,
        State::Cancelled,
    ];
    all.iter().find(|state| state.as_str() == name).map(number)
}

/// The state with this number.
pub(super) fn state(number: i64, death: Option<&str>) -> State {
    match number {
        0 => State::Ready,
        LEASED => State::Leased,
        2 => State::Done,
        4 => State::Expired,
        5 => State::Cancelled,
        _ => State::Dead(death.and_then(Death::named).unwrap_or(Death::Buried)),
    }
}

/// An item as its row says.
pub(super) fn view(row: &Row<'_>) -> rusqlite::Result<View> {
    let time = |at: usize| row.get::<_, i64>(at).map(|millis| Timestamp(millis.cast_unsigned()));
    let maybe = |at: usize| {
        row.get::<_, Option<i64>>(at).map(|millis| millis.map(|millis| Timestamp(millis.cast_unsigned())))
    };
    let class = row.get::<_, usize>(5)?;
    let last_lease = row.get::<_, i64>(19)?.cast_unsigned();
    let record = Record {
        state: state(row.get(3)?, row.get_ref(4)?.as_str_or_null().unwrap_or_default()),
        class: Priority::ALL.get(class).map_or(Priority::Normal, |(_, class)| *class),
        needs_check: row.get(6)?,
        attempts: row.get(7)?,
        max_attempts: row.get(8)?,
        crashes: row.get(9)?,
        max_crashes: row.get(10)?,
        created_at: time(11)?,
        due_at: time(12)?,
        expires_at: time(13)?,
        first_attempt_at: maybe(14)?,
        lease: maybe(15)?.map(|until| Lease { number: last_lease, until }),
        ended_at: maybe(16)?,
        result: row.get(17)?,
        reason: row.get(18)?,
        last_lease,
        contact: row.get(20)?,
        events: Events(row.get(21)?),
        delayed_at: maybe(22)?,
    };
    Ok(View {
        id: ItemId(row.get::<_, i64>(0)?.cast_unsigned()),
        queue: row.get(1)?,
        key: row.get(2)?,
        record,
    })
}

/// A moment as SQLite keeps it.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.0.min(Timestamp::NEVER.0).cast_signed()
}

/// What expired before then is not even asked for any more.
pub(super) fn asked_since(now: Timestamp) -> i64 {
    millis(now) - i64::try_from(LAST_QUESTIONS.as_millis()).unwrap_or(i64::MAX)
}

/// What a file takes to be written to.
pub(super) const WRITABLE: &str =
    "accepted: a file and a folder that this user may write to, on a file system that is mounted for writing";

/// What SQLite says, in our words.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull(path),
        Some(ErrorCode::SystemIoFailure) if is_for_room(&error) => StoreError::DiskFull(path),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { path, why: format!("{why}; {WRITABLE}") }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, why },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Owned(path),
        _ => StoreError::Other(why),
    }
}

/// Whether the file of shared memory could not be made longer, which SQLite does not call a full disk.
fn is_for_room(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
