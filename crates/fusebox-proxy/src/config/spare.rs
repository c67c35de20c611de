//! What answers instead of a rejection or a failure, checked.

use super::levels::Levels;
use super::queue::Defer;
use bytes::Bytes;
use fusebox_core::pipeline::FallbackOn;
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::Duration;

/// What answers instead of a rejection or a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What it stands in for.
    pub on: FallbackOn,
    /// Who is asked, the first one first; never empty.
    pub list: Vec<FallbackItem>,
}

impl Fallback {
    /// How calls are deferred, if they are.
    pub fn defers(&self) -> Option<&Defer> {
        self.list.iter().find_map(|item| match item {
            FallbackItem::Queue(defer) => Some(defer),
            _ => None,
        })
    }
}

/// One that may have an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FallbackItem {
    /// An answer that was kept.
    Cached {
        /// How long an answer is as good as a live one.
        fresh: Duration,
        /// How long after that it may still stand in for one.
        stale: Duration,
        /// Room for all of them, in bytes.
        max_bytes: u64,
        /// Who may have whose answer.
        scope: CacheScope,
        /// The longest body that is kept, in bytes.
        max_body: usize,
        /// Where else they are.
        levels: Levels,
    },
    /// Another service of the file, behind its own circuits.
    Service {
        /// Its name.
        name: String,
    },
    /// The service's endpoints in other regions.
    Region,
    /// The call is kept, and made later.
    Queue(Defer),
    /// An answer kept ready.
    Static {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
}

/// Who may have whose kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Callers with the same values of these headers.
    Header(Vec<HeaderName>),
    /// Everyone.
    Shared,
}
