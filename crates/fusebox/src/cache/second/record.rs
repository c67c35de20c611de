//! An entry as bytes.
//!
//! ```text
//! "fbx" version | stored_at | fresh_for | keeps_for | key's length | key | value | CRC-32 of all before
//!   3      1          8           8           8             4                            4     bytes, big-endian, in ns
//! ```
//!
//! The whole key is in it. Names of places are hashes, and two keys may have one.

use super::LevelError;
use fusebox_core::cache::Terms;
use std::time::Duration;

const MAGIC: &[u8; 4] = b"fbx\x01";
const HEAD: usize = 4 + 3 * 8 + 4;
const CHECKSUM: usize = 4;
/// Clocks of two machines may differ by so much. An entry from further ahead is no entry.
const AHEAD: Duration = Duration::from_secs(60);

/// What stands around a value, in bytes, beside its key.
pub(super) const AROUND: usize = HEAD + CHECKSUM;

/// An entry that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Record<'a> {
    pub(super) value: &'a [u8],
    pub(super) terms: Terms,
    pub(super) age: Duration,
}

/// Whether it begins as an entry does, of whatever version.
#[cfg(feature = "redis")]
pub(in crate::cache) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC[..3])
}

/// Writes an entry that was stored at this time of day.
pub(super) fn write(key: &[u8], value: &[u8], terms: Terms, stored_at: Duration) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(AROUND + key.len() + value.len());
    bytes.extend_from_slice(MAGIC);
    for span in [stored_at, terms.fresh_for(), terms.keeps_for()] {
        bytes.extend_from_slice(&nanos(span).to_be_bytes());
    }
    bytes.extend_from_slice(&u32::try_from(key.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    Some(bytes)
}

/// Reads the entry of `key`; `None` when it is another key's.
pub(super) fn read<'a>(bytes: &'a [u8], key: &[u8], now: Duration) -> Result<Option<Record<'a>>, LevelError> {
    let (told, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(LevelError::Garbled)?;
    if !told.starts_with(MAGIC) || told.len() < HEAD || crc32fast::hash(told) != u32::from_be_bytes(*checksum)
    {
        return Err(LevelError::Garbled);
    }
    let (head, rest) = told.split_at(HEAD);
    let number = |at: usize| {
        let bytes = head[at..].first_chunk::<8>().copied().unwrap_or_default();
        Duration::from_nanos(u64::from_be_bytes(bytes))
    };
    let (stored_at, fresh_for, keeps_for) = (number(4), number(12), number(20));
    let length = head.last_chunk::<4>().copied().map_or(0, u32::from_be_bytes) as usize;
    let (found, value) = rest.split_at_checked(length).ok_or(LevelError::Garbled)?;
    let stale_for = keeps_for.checked_sub(fresh_for).ok_or(LevelError::Garbled)?;
    if stored_at > now.saturating_add(AHEAD) {
        return Err(LevelError::Garbled);
    }
    let record =
        Record { value, terms: Terms::new(fresh_for, stale_for), age: now.saturating_sub(stored_at) };
    Ok((found == key).then_some(record))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(1_800_000_000);

    fn written() -> (Vec<u8>, Terms) {
        let terms = Terms::new(Duration::from_secs(60), Duration::from_secs(3_600));
        (write(b"key", b"value", terms, AT).expect("short"), terms)
    }

    #[test]
    fn an_entry_comes_back_with_its_terms_and_its_age() {
        let (bytes, terms) = written();
        let age = Duration::from_secs(90);
        let record = Record { value: b"value".as_slice(), terms, age };
        assert_eq!(read(&bytes, b"key", AT + age), Ok(Some(record)));
    }

    #[test]
    fn the_entry_of_another_key_under_the_same_name_is_a_miss() {
        for other in [b"kez".as_slice(), b"keyv", b"ke", b""] {
            assert_eq!(read(&written().0, other, AT), Ok(None));
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let (bytes, _) = written();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&changed, b"key", AT), Err(LevelError::Garbled), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], b"key", AT), Err(LevelError::Garbled), "{length} bytes");
        }
    }

    #[test]
    fn an_entry_of_another_version_is_none_of_ours_though_it_is_whole() {
        let (mut bytes, _) = written();
        bytes[3] = 2;
        let told = bytes.len() - CHECKSUM;
        let sum = crc32fast::hash(&bytes[..told]).to_be_bytes();
        bytes[told..].copy_from_slice(&sum);
        assert_eq!(read(&bytes, b"key", AT), Err(LevelError::Garbled));
    }

    #[test]
    fn an_entry_from_the_future_is_none_and_one_a_little_ahead_is_new() {
        let (bytes, _) = written();
        let read = |now| read(&bytes, b"key", now).map(|record| record.map(|record| record.age));
        assert_eq!(read(AT - AHEAD), Ok(Some(Duration::ZERO)));
        assert_eq!(read(AT - AHEAD - Duration::from_nanos(1)), Err(LevelError::Garbled));
    }
}
