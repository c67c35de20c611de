//! One worker: it leases, makes its calls in no time, and says so.

use crate::tables::{EQUAL, LEAST, Table};
use crate::{Trio, ours, raw};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a round finds waiting; one that gets through it ends early.
const WAITING: u64 = 100_000;

/// Items a second that are leased and settled, one by one and by the hundred.
pub(crate) fn measure(folder: &Path, rounds: usize, span: Duration) -> Result<Vec<Trio>, String> {
    let tables = [("least", &LEAST), ("equal", &EQUAL)];
    let open = |(name, table): (&str, &'static Table)| {
        raw::connect(&folder.join(format!("{name}-drain")), table).map(|raw| (raw, table, 0))
    };
    let mut raws = tables.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let (store, mut of_ours) = (ours::open(&folder.join("ours-drain"))?, 0);
    let mut trios = Vec::new();
    for batch in [1, 100] {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let mut rates = [0.0; 3];
            for ((raw, table, left), rate) in raws.iter_mut().zip(&mut rates) {
                raw::fill(raw, table, WAITING - *left, 1_000)?;
                (*left, *rate) = round(span, || raw::lease_and_settle(raw, table, batch))?;
            }
            ours::fill(&store, WAITING - of_ours)?;
            (of_ours, rates[2]) = round(span, || ours::lease_and_settle(&store, batch))?;
            figures.push(rates);
        }
        let title = match batch {
            1 => "lease and settle, one by one".to_owned(),
            _ => format!("lease and settle, {batch} at a time"),
        };
        println!("{title}: {figures:.0?}");
        // One by one, the way to the committer's thread and back is most of it, and raw SQLite goes none.
        trios.push(Trio { judged: batch > 1, ..Trio::of(title, &figures) });
    }
    Ok(trios)
}

/// How many are left after a round, and how many a second were done.
fn round(span: Duration, mut turn: impl FnMut() -> Result<u64, String>) -> Result<(u64, f64), String> {
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < span && done < WAITING {
        done += turn()?;
    }
    Ok((WAITING - done, done as f64 / begin.elapsed().as_secs_f64()))
}
