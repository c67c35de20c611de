//! What came of pushing metrics somewhere.

use crate::telemetry::{Kind, Tell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What came of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// Taken.
    Sent,
    /// Taken in part; the collector says what it left out.
    Partial,
    /// Refused, with a status or an answer that is none.
    Refused,
    /// No answer in time, or no connection.
    Unreachable,
}

const ALL: [(Export, &str); 4] = [
    (Export::Sent, "sent"),
    (Export::Partial, "partial"),
    (Export::Refused, "refused"),
    (Export::Unreachable, "unreachable"),
];

/// Counts exports; there are series for them once anything is exported.
#[derive(Debug, Default)]
pub(crate) struct Exports(OnceLock<[AtomicU64; ALL.len()]>);

impl Exports {
    /// There will be exports.
    #[cfg(feature = "otlp")]
    pub(crate) fn begin(&self) {
        self.0.get_or_init(Default::default);
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn count(&self, export: Export) {
        self.0.get_or_init(Default::default)[export as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn tell(&self, out: &mut impl Tell) {
        let Some(counts) = self.0.get() else { return };
        out.family(
            "fusebox_otlp_exports_total",
            Kind::Counter,
            "Exports of metrics by OTLP, by what came of them.",
        );
        for (export, result) in ALL {
            out.sample(&[("result", result)], counts[export as usize].load(Relaxed) as f64);
        }
    }
}
