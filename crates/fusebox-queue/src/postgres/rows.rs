//! Rows and records.

use crate::clock::Timestamp;
use crate::item::{ItemId, View};
use crate::notice::Events;
use crate::record::{Death, Lease, Record, State};
use fusebox_core::Priority;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::cell::Cell;

/// What [`held`] reads, in its order.
pub(super) const COLUMNS: &str = "id, queue, key, state, death, class, needs_check, attempts, max_attempts, crashes, \
     max_crashes, created_at, due_at, expires_at, first_attempt_at, lease, lease_until, ended_at, result, reason, \
     last_lease, contact, events, delayed_at, bytes";
/// Where what comes after them begins.
pub(super) const REST: usize = 25;

/// An item as its row says.
pub(super) struct Held {
    pub(super) view: View,
    /// Of its payload.
    pub(super) bytes: i64,
    /// What the row says that nothing can mean. The view shows such an item as dead, whatever it was.
    pub(super) broken: Option<Broken>,
}

/// A row that nobody can read.
#[derive(Clone, Copy)]
pub(super) struct Broken {
    /// In words.
    pub(super) why: &'static str,
    /// It has not been counted as ended.
    pub(super) live: bool,
}

/// The number of a state; the partial indexes of the schema know them.
pub(super) fn number(state: &State) -> i16 {
    match state {
        State::Ready => 0,
        State::Leased => 1,
        State::Done => 2,
        State::Dead(_) => 3,
        State::Expired => 4,
        State::Cancelled => 5,
    }
}

/// The number of the state with this name; one that no row has, if no state has the name.
pub(super) fn number_of(name: &str) -> i16 {
    let dead = State::Dead(Death::Buried);
    let all = [State::Ready, State::Leased, State::Done, dead, State::Expired, State::Cancelled];
    all.iter().find(|state| state.as_str() == name).map_or(-1, number)
}

/// The state with this number, and this death if it is dead.
pub(super) fn state(number: i16, death: Option<&str>) -> Option<State> {
    Some(match number {
        0 => State::Ready,
        1 => State::Leased,
        2 => State::Done,
        3 => State::Dead(Death::named(death?)?),
        4 => State::Expired,
        5 => State::Cancelled,
        _ => return None,
    })
}

/// A row on its way to be a record: remembers what it could not read.
struct Reading<'r> {
    row: &'r PgRow,
    broken: Cell<Option<&'static str>>,
}

impl Reading<'_> {
    /// What `found` says; its default if that means nothing.
    fn or_broken<T: Default>(&self, what: &'static str, found: Option<T>) -> T {
        found.unwrap_or_else(|| {
            self.broken.set(Some(what));
            T::default()
        })
    }

    fn time(&self, at: usize) -> sqlx::Result<Timestamp> {
        self.maybe(at).map(Option::unwrap_or_default)
    }

    fn maybe(&self, at: usize) -> sqlx::Result<Option<Timestamp>> {
        let millis: Option<i64> = self.row.try_get(at)?;
        let moment = |millis: i64| u64::try_from(millis).ok().map(Timestamp);
        Ok(millis.map(|millis| self.or_broken("a moment of its row is before 1970", moment(millis))))
    }

    fn count(&self, at: usize) -> sqlx::Result<u32> {
        let count: i64 = self.row.try_get(at)?;
        Ok(self.or_broken("a count of its row is below 0 or too large", u32::try_from(count).ok()))
    }
}

/// An item as its row says. What nothing can mean is an error of that one item, and no error of what was asked.
pub(super) fn held(row: &PgRow) -> sqlx::Result<Held> {
    let reading = Reading { row, broken: Cell::new(None) };
    let number: i16 = row.try_get(3)?;
    let known = state(number, row.try_get(4)?).map(Some);
    let known = reading.or_broken("its row is in a state that there is not", known);
    let class: i16 = row.try_get(5)?;
    let class = usize::try_from(class).ok().and_then(|class| Priority::ALL.get(class));
    let class =
        reading.or_broken("its row is of a class that there is not", class.map(|(_, class)| Some(*class)));
    let (lease, events): (Option<i64>, i16) = (row.try_get(15)?, row.try_get(22)?);
    let mut record = Record {
        state: known.unwrap_or(State::Dead(Death::Undecodable)),
        class: class.unwrap_or(Priority::Normal),
        needs_check: row.try_get(6)?,
        attempts: reading.count(7)?,
        max_attempts: reading.count(8)?,
        crashes: reading.count(9)?,
        max_crashes: reading.count(10)?,
        created_at: reading.time(11)?,
        due_at: reading.time(12)?,
        expires_at: reading.time(13)?,
        first_attempt_at: reading.maybe(14)?,
        lease: lease
            .zip(reading.maybe(16)?)
            .map(|(number, until)| Lease { number: number.cast_unsigned(), until }),
        ended_at: reading.maybe(17)?,
        result: row.try_get(18)?,
        reason: row.try_get(19)?,
        last_lease: row.try_get::<i64, _>(20)?.cast_unsigned(),
        contact: row.try_get(21)?,
        events: Events(reading.or_broken("its row's events are none", u8::try_from(events).ok())),
        delayed_at: reading.maybe(23)?,
    };
    let broken = reading.broken.get().map(|why| Broken { why, live: matches!(number, 0 | 1) });
    if let Some(broken) = broken {
        (record.state, record.lease) = (State::Dead(Death::Undecodable), None);
        record.reason = Some(broken.why.into());
    }
    let id = ItemId(row.try_get::<i64, _>(0)?.cast_unsigned());
    let view = View { id, queue: row.try_get(1)?, key: row.try_get(2)?, record };
    Ok(Held { view, bytes: row.try_get(24)?, broken })
}

/// The layout of a payload; of one that says none, none that anybody has.
pub(super) fn format(row: &PgRow, at: usize) -> sqlx::Result<u16> {
    row.try_get::<i32, _>(at).map(|format| u16::try_from(format).unwrap_or(u16::MAX))
}

/// A moment as PostgreSQL keeps it.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.0.min(Timestamp::NEVER.0).cast_signed()
}

/// Words as PostgreSQL keeps them: it has no letter 0.
pub(super) fn text(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}

/// At most so many.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_what_its_number_says_and_a_number_without_one_is_none() {
        for (_, death) in Death::ALL {
            let dead = State::Dead(death);
            assert_eq!(state(number(&dead), Some(death.as_str())), Some(dead));
        }
        for name in ["ready", "leased", "done", "expired", "cancelled"] {
            assert_eq!(state(number_of(name), None).map(|state| state.as_str()), Some(name));
        }
        assert_eq!((state(9, None), state(3, Some("bored")), number_of("bored")), (None, None, -1));
    }

    #[test]
    fn words_are_kept_without_the_letter_that_there_is_not() {
        assert_eq!(text("a\0b"), "a\u{fffd}b");
    }
}
