//! What the ledger keeps of an item, and how it is written.

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::{ItemId, NewItem, View};
use crate::notice::Events;
use crate::record::{Lease, Record, State};
use fusebox_core::Priority;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// An item beside its payload, which its carrier has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) view: View,
    /// Of the fingerprint.
    pub(super) digest: String,
    pub(super) format: u16,
    /// Bytes of its payload.
    pub(super) size: u64,
    /// Where to tell the server what became of the carrier's latest delivery.
    pub(super) reply: Option<String>,
    /// Its carrier is known to be in the stream.
    pub(super) carried: bool,
}

impl Row {
    pub(super) fn of(item: &NewItem, now: Timestamp) -> Row {
        let (id, queue, key) = (id_of(&item.queue, &item.key), item.queue.clone(), item.key.clone());
        Row {
            view: View { id, queue, key, record: item.record(now) },
            digest: hex(&Sha256::digest(&item.fingerprint)),
            format: item.format,
            size: item.payload.len() as u64,
            reply: None,
            carried: false,
        }
    }

    /// As it is written: JSON, so that operators can read it where it is.
    pub(super) fn write(&self) -> Vec<u8> {
        let View { queue, key, record, .. } = &self.view;
        let death = match record.state {
            State::Dead(death) => Some(death.as_str().into()),
            _ => None,
        };
        let written = Written {
            version: VERSION,
            queue: queue.clone(),
            key: key.clone(),
            digest: self.digest.clone(),
            format: self.format,
            size: self.size,
            reply: self.reply.clone(),
            carried: self.carried,
            state: record.state.as_str().into(),
            death,
            class: record.class as usize,
            needs_check: record.needs_check,
            attempts: record.attempts,
            max_attempts: record.max_attempts,
            crashes: record.crashes,
            max_crashes: record.max_crashes,
            created_at: record.created_at.0,
            due_at: record.due_at.0,
            expires_at: record.expires_at.0,
            first_attempt_at: record.first_attempt_at.map(|at| at.0),
            lease: record.lease.map(|lease| (lease.number, lease.until.0)),
            last_lease: record.last_lease,
            ended_at: record.ended_at.map(|at| at.0),
            result: record.result.as_deref().map(hex),
            reason: record.reason.clone(),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// What was written of the item with this number.
    pub(super) fn read(id: ItemId, bytes: &[u8]) -> Result<Row, StoreError> {
        let unreadable =
            |why: String| StoreError::Other(format!("the row of item {:016x} cannot be read: {why}", id.0));
        let row: Written = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        if row.version != VERSION {
            return Err(unreadable(format!("it is of version {}, this one knows {VERSION}", row.version)));
        }
        let state = State::named(&row.state, row.death.as_deref());
        let state = state.ok_or_else(|| unreadable(format!("it is {:?} of {:?}", row.state, row.death)))?;
        let class = Priority::ALL.get(row.class).map(|(_, class)| *class);
        let result = row.result.as_deref().map(unhex).map(|bytes| bytes.ok_or("its result is no hex"));
        let record = Record {
            state,
            class: class.ok_or_else(|| unreadable(format!("its class is {}", row.class)))?,
            needs_check: row.needs_check,
            attempts: row.attempts,
            max_attempts: row.max_attempts,
            crashes: row.crashes,
            max_crashes: row.max_crashes,
            created_at: Timestamp(row.created_at),
            due_at: Timestamp(row.due_at),
            expires_at: Timestamp(row.expires_at),
            first_attempt_at: row.first_attempt_at.map(Timestamp),
            lease: row.lease.map(|(number, until)| Lease { number, until: Timestamp(until) }),
            last_lease: row.last_lease,
            ended_at: row.ended_at.map(Timestamp),
            result: result.transpose().map_err(|why| unreadable(why.into()))?,
            reason: row.reason,
            contact: None,
            events: Events::default(),
            delayed_at: None,
        };
        Ok(Row {
            view: View { id, queue: row.queue, key: row.key, record },
            digest: row.digest,
            format: row.format,
            size: row.size,
            reply: row.reply,
            carried: row.carried,
        })
    }
}

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Written {
    version: u8,
    queue: String,
    key: String,
    digest: String,
    format: u16,
    size: u64,
    reply: Option<String>,
    carried: bool,
    state: String,
    death: Option<String>,
    class: usize,
    needs_check: bool,
    attempts: u32,
    max_attempts: u32,
    crashes: u32,
    max_crashes: u32,
    created_at: u64,
    due_at: u64,
    expires_at: u64,
    first_attempt_at: Option<u64>,
    lease: Option<(u64, u64)>,
    last_lease: u64,
    ended_at: Option<u64>,
    result: Option<String>,
    reason: Option<String>,
}

/// An item's number is a digest of its queue and key: whoever has one of them finds the row without an index.
pub(super) fn id_of(queue: &str, key: &str) -> ItemId {
    // A queue's name holds no length of its own: the length before it keeps "ab" + "c" from "a" + "bc".
    let digest = Sha256::new().chain_update((queue.len() as u64).to_be_bytes()).chain_update(queue);
    let digest = digest.chain_update(key).finalize();
    let (first, _) = digest.split_at(8);
    let number = first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    // Tables of other stores count in 63 bits.
    ItemId(number >> 1)
}

/// The part of a subject, and of a stream's name, that stands for a queue: itself where it is short and plain.
pub(super) fn token_of(queue: &str) -> String {
    let plain = queue.len() <= 64 && queue.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match plain {
        true => format!("n-{queue}"),
        false => format!("h-{}", hex(&Sha256::digest(queue)[..16])),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Death;
    use crate::store::Settlement;

    #[test]
    fn a_row_is_read_as_it_was_written_in_every_state() {
        let item = NewItem { class: Priority::High, needs_check: true, ..NewItem::new("q", "k", "call") };
        let ready = Row::of(&item, Timestamp(5));
        let mut leased = Row { reply: Some("$JS.ACK.x".into()), carried: true, ..ready.clone() };
        assert!(leased.view.record.lease(7, Timestamp(90), Timestamp(6)));
        let settled = |settlement| {
            let mut row = leased.clone();
            row.view.record.settle(7, settlement, Timestamp(8));
            row
        };
        let done = settled(Settlement::Complete { result: vec![0, 255, 16] });
        let dead = settled(Settlement::Bury { death: Death::Undecodable, reason: "no".into() });
        for row in [ready, leased, done, dead] {
            assert_eq!(Row::read(row.view.id, &row.write()), Ok(row));
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_of_its_item() {
        let row = Row::of(&NewItem::new("q", "k", ""), Timestamp(5));
        let text = String::from_utf8(row.write()).expect("JSON");
        for (from, to) in [("\"ready\"", "\"lost\""), ("\"version\":1", "\"version\":9"), ("{", "[")] {
            let error = Row::read(row.view.id, text.replacen(from, to, 1).as_bytes()).expect_err(to);
            assert!(error.to_string().contains(&format!("{:016x}", row.view.id.0)), "{error}");
        }
    }

    #[test]
    fn queues_and_keys_are_told_apart() {
        assert_ne!(id_of("ab", "c"), id_of("a", "bc"));
        assert_eq!(id_of("payments", "order-17"), ItemId(id_of("payments", "order-17").0));
        assert_eq!(token_of("payments"), "n-payments");
        let odd = ["a.b", "a b", "*", "ä", &"x".repeat(65)].map(token_of);
        assert!(odd.iter().all(|token| token.len() == 34 && token.starts_with("h-")), "{odd:?}");
    }
}
