//! What may stand in for the dependency's answer, and how often it did.
//!
//! A fallback list has no order of its own: the list, as it is written, is the order. When to fall back is the pipeline's
//! decision ([`FallbackOn`](crate::pipeline::FallbackOn)); the driver goes through the list, and the first item with an
//! answer ends it. An item that fails or panics is a step to the next one; when none is left, the call ends as it would
//! have without a list.

use crate::sync::{AtomicU64, Relaxed};
use core::fmt;

/// What kind of thing an item of a fallback list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A kept answer, fresh or stale.
    Cached,
    /// Another service or endpoint, behind a circuit of its own.
    Alternative,
    /// The same service in another region, behind a circuit of its own.
    OtherRegion,
    /// The call is kept and made later. The place of durable deferred calls: their store answers "accepted" here, with the
    /// deferred call's identity.
    Queue,
    /// A default value, or what a function makes of the cause.
    Default,
}

impl Kind {
    /// Every kind, with the name it has in configuration files, labels and `explain`.
    pub const ALL: [(&'static str, Kind); 5] = [
        ("cached", Kind::Cached),
        ("alternative", Kind::Alternative),
        ("other_region", Kind::OtherRegion),
        ("queue", Kind::Queue),
        ("default", Kind::Default),
    ];

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Kind> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The name it has in configuration files, labels and `explain`.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const KINDS: usize = Kind::ALL.len();

/// What came of asking one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It answered.
    Answered,
    /// It had no answer: nothing kept, refused, or failed.
    Nothing,
    /// It panicked; the panic ended there.
    Panicked,
}

/// The counters of one pipeline's fallbacks.
#[derive(Debug, Default)]
pub struct Counters {
    by_kind: [[AtomicU64; 3]; KINDS],
    unanswered: AtomicU64,
}

impl Counters {
    /// An item of this kind was asked, and this came of it.
    pub fn told(&self, kind: Kind, told: Told) {
        self.by_kind[kind as usize][told as usize].fetch_add(1, Relaxed);
    }

    /// No item of the list had an answer: the call ended as it would have without.
    pub fn unanswered(&self) {
        self.unanswered.fetch_add(1, Relaxed);
    }

    /// The counters as they stand.
    pub fn snapshot(&self) -> Snapshot {
        let of = |kind: usize, told: Told| self.by_kind[kind][told as usize].load(Relaxed);
        Snapshot {
            by_kind: core::array::from_fn(|kind| Tally {
                kind: Kind::ALL[kind].1,
                answered: of(kind, Told::Answered),
                nothing: of(kind, Told::Nothing),
                panicked: of(kind, Told::Panicked),
            }),
            unanswered: self.unanswered.load(Relaxed),
        }
    }
}

/// A pipeline's fallbacks at one moment, counted since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// One line for each kind, in the order of [`Kind::ALL`].
    pub by_kind: [Tally; KINDS],
    /// Calls for which no item of the list had an answer.
    pub unanswered: u64,
}

impl Snapshot {
    /// The line of this kind.
    pub fn of(&self, kind: Kind) -> Tally {
        self.by_kind[kind as usize]
    }

    /// Calls that a fallback answered.
    pub fn answered(&self) -> u64 {
        self.by_kind.iter().map(|tally| tally.answered).sum()
    }
}

/// What came of the items of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// The kind.
    pub kind: Kind,
    /// Answered.
    pub answered: u64,
    /// Had no answer.
    pub nothing: u64,
    /// Panicked.
    pub panicked: u64,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_name_and_stands_in_its_place() {
        for (place, (name, kind)) in Kind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, Kind::named(name), kind.as_str()), (place, Some(kind), name));
        }
        assert_eq!(Kind::named("cache"), None);
    }

    #[test]
    fn what_came_of_each_item_is_counted_under_its_kind() {
        let counters = Counters::default();
        for _ in 0..3 {
            counters.told(Kind::Cached, Told::Nothing);
            counters.told(Kind::Default, Told::Answered);
        }
        counters.told(Kind::Default, Told::Panicked);
        counters.unanswered();
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.of(Kind::Cached).nothing, 3);
        assert_eq!(
            snapshot.of(Kind::Default),
            Tally { kind: Kind::Default, answered: 3, nothing: 0, panicked: 1 }
        );
        assert_eq!((snapshot.answered(), snapshot.unanswered), (3, 1));
    }
}
