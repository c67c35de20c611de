//! What answers in the place of a dependency: fallbacks, and kept answers.

use super::family::Join::Sum;
use super::family::{Family, Rows, counter, counter_by, gauge};
use super::{Subjects, Tell};
use fusebox_core::cache;
use fusebox_core::fallback::Tally;

/// Tells what came of fallbacks, and what is kept.
pub(super) fn tell(subjects: &Subjects, out: &mut impl Tell) {
    let (mut kinds, mut unanswered, mut caches) = (Rows::default(), Rows::default(), Rows::default());
    for (service, counters) in &subjects.fallbacks {
        let seen = counters.snapshot();
        for tally in seen.by_kind {
            let labels = vec![("service", service.clone()), ("kind", tally.kind.as_str().to_owned())];
            kinds.add(labels, tally);
        }
        unanswered.add(vec![("service", service.clone())], seen.unanswered);
    }
    for (service, read) in &subjects.caches {
        caches.add(vec![("service", service.clone())], read());
    }
    kinds.tell(out, FALLBACK);
    unanswered.tell(out, UNANSWERED);
    caches.tell(out, CACHE);
}

const FALLBACK: &[Family<Tally>] = &[counter_by(
    "fallback_asked_total",
    "Fallbacks that were asked, by kind and by what came of it.",
    "result",
    &[
        ("answered", |t| t.answered as f64),
        ("nothing", |t| t.nothing as f64),
        ("panicked", |t| t.panicked as f64),
    ],
)];

const UNANSWERED: &[Family<u64>] = &[counter(
    "fallback_unanswered_total",
    "Calls for which no fallback of the list had an answer.",
    |unanswered| *unanswered as f64,
)];

const CACHE: &[Family<cache::Snapshot>] = &[
    gauge("cache_entries", "Answers kept.", Sum, |s| s.entries as f64),
    gauge("cache_bytes", "What they weigh.", Sum, |s| s.bytes as f64),
    gauge("cache_max_bytes", "What they may weigh.", Sum, |s| s.max_bytes as f64),
    counter_by(
        "cache_looks_total",
        "Looks for a kept answer, by what was found.",
        "result",
        &[
            ("fresh", |s| s.hits_fresh as f64),
            ("stale", |s| s.hits_stale as f64),
            ("miss", |s| s.misses as f64),
        ],
    ),
    counter("cache_stored_total", "Answers stored.", |s| s.stored as f64),
    counter("cache_not_kept_total", "Answers not kept: too heavy, private or forbidden.", |s| {
        s.not_kept as f64
    }),
    counter("cache_refreshes_total", "Refreshes of stale answers begun.", |s| s.refreshes as f64),
    counter("cache_refresh_failures_total", "Refreshes that left the old answer.", |s| {
        s.refresh_failures as f64
    }),
    counter("cache_evictions_total", "Answers thrown out to make room.", |s| s.evictions as f64),
    counter_by(
        "cache_l2_looks_total",
        "Looks in second levels, by what was found.",
        "result",
        &[("hit", |s| s.l2_hits as f64), ("miss", |s| s.l2_misses as f64)],
    ),
    counter("cache_l2_errors_total", "Looks and writes that a second level failed.", |s| s.l2_errors as f64),
    counter("cache_l2_dropped_total", "Answers not written to a second level.", |s| s.l2_dropped as f64),
];
