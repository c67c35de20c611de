//! One worker: it leases, makes its calls in no time, and says so.

use crate::raw::{self, Due};
use crate::{Pair, ours};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a round finds waiting; one that gets through it ends early.
const WAITING: u64 = 100_000;

/// Items a second that are leased and settled, one by one and by the hundred.
pub(crate) fn measure(folder: &Path, rounds: usize, span: Duration) -> Result<Vec<Pair>, String> {
    let raw = raw::connect(&folder.join("raw-drain"), Due::Indexed)?;
    let store = ours::open(&folder.join("ours-drain"))?;
    let (mut of_raw, mut of_ours) = (0, 0);
    let mut pairs = Vec::new();
    for batch in [1, 100] {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            raw::fill(&raw, WAITING - of_raw)?;
            ours::fill(&store, WAITING - of_ours)?;
            let (left, theirs) = round(span, || raw::lease_and_settle(&raw, batch))?;
            of_raw = left;
            let (left, our) = round(span, || ours::lease_and_settle(&store, batch))?;
            of_ours = left;
            figures.push((theirs, our));
        }
        let title = match batch {
            1 => "lease and settle, one by one".to_owned(),
            _ => format!("lease and settle, {batch} at a time"),
        };
        // One by one, the way to the committer's thread and back is most of it, and raw SQLite goes none.
        pairs.push(Pair { judged: batch > 1, ..Pair::of(title, &figures) });
        println!("{}: {:.0} of {:.0}", pairs[pairs.len() - 1].title, figures[0].1, figures[0].0);
    }
    Ok(pairs)
}

/// How many are left after a round, and how many a second were done.
fn round(span: Duration, mut turn: impl FnMut() -> Result<u64, String>) -> Result<(u64, f64), String> {
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < span && done < WAITING {
        done += turn()?;
    }
    Ok((WAITING - done, done as f64 / begin.elapsed().as_secs_f64()))
}
