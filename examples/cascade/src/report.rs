//! Both runs in words and numbers.

use crate::load::{NEEDS_DATABASE, PATIENCE, RATE};
use crate::run::{LENGTH, LOCKED, Run};
use crate::world::{CHAIN, World};
use example_stage::calls::Figures;
use example_stage::table::Table;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// The second half of the lock, when everything that was going to break has broken.
pub(crate) const SECOND_HALF: Range<Duration> = Duration::from_secs(8)..LOCKED.end;

/// What is about to be seen.
pub(crate) fn opening() -> String {
    format!(
        "A asks B, B asks C, C asks D, D asks a database: four processes, twice.\n\
         A and B have users, {RATE} calls a second each; one call in {NEEDS_DATABASE} needs the database, and C answers the others.\n\
         From {} s to {} s the database is locked: every query waits. The run takes {} s.\n",
        LOCKED.start.as_secs(),
        LOCKED.end.as_secs(),
        (LENGTH + PATIENCE).as_secs(),
    )
}

/// Where a chain's services listen.
pub(crate) fn places(world: &World) -> String {
    let place = |(name, address): (&str, &SocketAddr)| format!("  {name} http://{address}");
    CHAIN.into_iter().zip(&world.addresses()).map(place).collect()
}

/// Every second of a run: what share of its calls each service answered, and within which time 99 of 100 of them.
pub(crate) fn seconds(run: &Run) -> Table {
    let mut head = vec![String::from("second")];
    head.extend(CHAIN.iter().flat_map(|name| [name.to_uppercase(), String::from("p99")]));
    head.push(String::from("database"));
    let mut table = Table::new(head.iter().map(String::as_str));
    for second in 0..LENGTH.as_secs() {
        let span = Duration::from_secs(second)..Duration::from_secs(second + 1);
        let mut row = vec![second.to_string()];
        for service in 0..CHAIN.len() {
            row.extend([percent(run.share(service, &span)), millis(&run.figures(service, &span))]);
        }
        row.push(if LOCKED.contains(&span.start) { "locked".into() } else { String::new() });
        table.row(row);
    }
    table
}

/// What the circuit between C and D did.
pub(crate) fn turns(run: &Run) -> String {
    let line = |turn: &crate::service::Turn| {
        format!("  {:6.2} s  C to D: {}, {}\n", turn.at as f64 / 1e6, turn.to, turn.cause)
    };
    run.turns.iter().map(line).collect()
}

/// Both runs side by side.
pub(crate) fn comparison(without: &Run, with: &Run) -> Table {
    let mut table = Table::new(["while the database is locked", "without", "with"]);
    for (service, name) in ["A", "B"].into_iter().enumerate() {
        let [whole, late] =
            [LOCKED, SECOND_HALF].map(|span| [without, with].map(|run| run.figures(service, &span)));
        let row = |words: &str, figures: &[Figures; 2], cell: fn(&Figures) -> String| {
            let [without, with] = figures.each_ref().map(cell);
            [format!("{name} {words}"), without, with]
        };
        table.row(row("answered", &whole, |figures| percent(figures.share())));
        table.row(row("answered, last 5 s", &late, |figures| percent(figures.share())));
        table.row(row("p99", &whole, millis));
        table.row(row("answered by a fallback", &whole, |figures| figures.fallback.to_string()));
    }
    table.row(["D received".into(), received(without).to_string(), received(with).to_string()]);
    table
}

/// What D was asked while the database was locked.
pub(crate) fn received(run: &Run) -> usize {
    run.figures(3, &LOCKED).asked
}

/// Why D received no more.
pub(crate) fn spared(with: &Run) -> Option<String> {
    let (threshold, _) = with.limits?;
    Some(format!(
        "D received {}: allowed are {threshold} that open the circuit and {} probes",
        received(with),
        with.probes()
    ))
}

pub(crate) fn percent(share: Option<f64>) -> String {
    match share {
        None => "–".into(),
        Some(0.0) => "0 %".into(),
        // Never all for less than all, nor nothing for more than nothing.
        Some(share) if share < 1.0 => format!("{:.1} %", (share * 1000.0).clamp(1.0, 999.0).round() / 10.0),
        Some(_) => "100 %".into(),
    }
}

pub(crate) fn millis(figures: &Figures) -> String {
    match (figures.p99, figures.asked) {
        (Some(p99), _) => format!("{} ms", p99.as_millis()),
        (None, 0) => "–".into(),
        (None, _) => format!("> {} ms", PATIENCE.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_short_of_all_reads_as_all_and_nothing_above_none_as_none() {
        let read = [None, Some(0.0), Some(0.000_01), Some(0.5), Some(0.999_9), Some(1.0)].map(percent);
        assert_eq!(read, ["–", "0 %", "0.1 %", "50.0 %", "99.9 %", "100 %"]);
    }
}
