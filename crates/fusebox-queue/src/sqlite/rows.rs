//! Rows and records.

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::{ItemId, View};
use crate::notice::Events;
use crate::record::{Death, Lease, Record, State};
use fusebox_core::Priority;
use rusqlite::{ErrorCode, Row};
use std::path::Path;

/// What [`view`] reads, in its order.
pub(super) const COLUMNS: &str = "id, queue, key, state, death, class, needs_check, attempts, max_attempts, crashes, \
     max_crashes, created_at, due_at, expires_at, first_attempt_at, lease, lease_until, ended_at, result, reason, \
     last_lease, contact, events, delayed_at";
/// Where what comes after them begins.
pub(super) const REST: usize = 24;

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
    let lease = row.get::<_, Option<i64>>(15)?.map(i64::cast_unsigned);
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
        lease: lease.zip(maybe(16)?).map(|(number, until)| Lease { number, until }),
        ended_at: maybe(17)?,
        result: row.get(18)?,
        reason: row.get(19)?,
        last_lease: row.get::<_, i64>(20)?.cast_unsigned(),
        contact: row.get(21)?,
        events: Events(row.get(22)?),
        delayed_at: maybe(23)?,
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

/// What SQLite says, in our words.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull(path),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { path, why }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, why },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Owned(path),
        _ => StoreError::Other(why),
    }
}
