//! The section of the results page.

use crate::Trio;
use crate::backlog::Backlog;
use fusebox_benchmarks::machine::locked_version;
use fusebox_benchmarks::stats::{Spread, number};
use std::fmt::Write;

/// Where the difference comes from, and what others say of theirs.
const ELSEWHERE: &str = "
What is above the equal table in each item: one more index to enter and leave (expiry), wider rows, the owner's epoch looked at in each transaction, and the state machine, which reads a whole record before it leases.

### What others publish

Not measured here, and not to be compared line by line: other machines, other stores, other promises.

| | figure | conditions |
|---|---|---|
| graphile-worker ([performance](https://worker.graphile.org/docs/performance)) | 183,000 jobs executed a second | PostgreSQL, \"optimal conditions\": 24 jobs at once on a pool of 25 connections, a local queue of 500, completions batched |
| graphile-worker | 202,000 jobs queued a second | one `add_jobs` call with all of them: one commit for the batch |
| graphile-worker | 4.16 ms from `add_job` to the start of the job, 13.84 ms at most | the same |
| River | none that we can cite with its conditions | PostgreSQL or SQLite |
";
/// What is asked of each ratio to raw SQLite.
const RATIO: f64 = 0.85;

/// All of it, as Markdown.
pub(crate) fn section(
    machine: &str,
    load: Option<(f64, f64)>,
    floor: Spread,
    (trios, backlog): (&[Trio], &Backlog),
    rounds: usize,
) -> String {
    let mut page = String::from("## The queue\n\n");
    let _ = writeln!(page, "{machine}- Command: `cargo xtask bench queue`");
    if let Some((before, after)) = load {
        let _ = writeln!(
            page,
            "- Load average before and after the run: {before} and {after}; its own work is in the second"
        );
    }
    let _ = write!(
        page,
        "- Versions: rusqlite {}, with the SQLite that it bundles\n\
         - The floor, one write of 600 bytes and its `fdatasync`: {floor} µs, median [fastest..slowest]\n\n\
         Items a second, median [slowest..fastest] of {rounds} rounds, raw SQLite's and ours in turn on the same disk. Payloads have \
         200 bytes, keys 32 random characters, fingerprints 32 bytes. Every enqueue, lease and settlement is synced before it is \
         answered (`synchronous = FULL`), and every producer waits for its answer. *Raw SQLite* is one thread that \
         commits whatever is waiting, with a table of its own. The *least* that could be called a queue has a unique key and, for the \
         draining, one index of what is due: it loses sight of leases whose worker died, keeps keys for ever and takes any number of \
         items. The *equal* one has in plain SQL what the same promises take: fingerprints, indexes of lost leases and of keys to be \
         forgotten, counted attempts, an exact limit; but no expiry, age, classes, fencing, notices or orders. Both lease and settle in \
         the worker's own thread, so one by one they are spared the way to another thread, and that ratio has no target. Ratios are taken round by round.\n\n\
         | items a second | the least | equal | fusebox-queue | of the least | of the equal | target | |\n\
         |---|---|---|---|---|---|---|---|\n",
        locked_version("rusqlite")
    );
    for Trio { title, least, equal, ours, of_least, of_equal, judged } in trios {
        let (target, met) = match judged {
            true => (format!("≥ {RATIO} of the equal"), met(of_equal.median >= RATIO)),
            false => (String::new(), ""),
        };
        let _ = writeln!(
            page,
            "| {title} | {least} | {equal} | {ours} | {of_least} | {of_equal} | {target} | {met} |"
        );
    }
    let Backlog { items, filled_per_second, drained_per_second, bytes_per_item, first_lease, memory } =
        backlog;
    let _ = write!(
        page,
        "\nA backlog of {items} items; the cold start is of a new process, with nothing of the file in the page cache.\n\n\
         | backlog | measured | target | |\n|---|---|---|---|\n\
         | filled, 1,000 to a call | {} items/s | | |\n\
         | on disk | {} bytes an item | | |\n\
         | cold start, from before the file is opened until an item is leased | {first_lease} ms | ≤ 1000 ms | {} |\n\
         | resident memory then | {memory} MB | ≤ 100 MB | {} |\n\
         | drained, 100 at a time | {} items/s | | |\n",
        number(*filled_per_second),
        number(*bytes_per_item),
        met(first_lease.median <= 1_000.0),
        met(memory.median <= 100.0),
        number(*drained_per_second),
    );
    page.push_str(ELSEWHERE);
    page
}

fn met(is: bool) -> &'static str {
    if is { "met" } else { "**missed**" }
}
