//! Which circuits have series of their own.
//!
//! Names may come from user input, and every series costs whoever stores it. The first circuits get series of their own
//! and keep them while they exist; the rest is told under one name. Counters under that name must not step back when a
//! circuit is let go of, or a query for their rate would take the step for a restart and count everything again:
//! they add up what each circuit has grown since the last scrape.

use super::row::{Counted, Row, zip};
use fusebox_core::registry::OTHER;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Circuits with series of their own, unless told otherwise.
const MOST: usize = 1_000;

/// Who has series of its own, from one scrape to the next.
#[derive(Debug)]
pub(crate) struct Series {
    most: usize,
    places: Mutex<Places>,
    /// Bytes of the longest exposition yet: the next one is about as long.
    length: AtomicUsize,
}

impl Default for Series {
    fn default() -> Self {
        Series::new(MOST)
    }
}

#[derive(Debug, Default)]
struct Places {
    /// By the address of the name, which belongs to one circuit alone and stays taken while it is held here.
    places: HashMap<usize, (Arc<str>, Place)>,
    shared: Counted,
}

#[derive(Debug)]
enum Place {
    Own,
    /// Told under the shared name, with what it had counted at the last scrape.
    Shared(Box<Counted>),
}

impl Series {
    /// At most so many circuits have series of their own.
    pub(crate) fn new(most: usize) -> Series {
        Series { most, places: Mutex::default(), length: AtomicUsize::new(0) }
    }

    /// How long an exposition will be, about.
    pub(super) fn length(&self) -> usize {
        self.length.load(Relaxed)
    }

    /// How long one was.
    pub(super) fn was(&self, length: usize) {
        self.length.fetch_max(length, Relaxed);
    }

    /// The rows to tell, and how many circuits had to share one.
    pub(super) fn seat(&self, rows: Vec<Row>) -> (Vec<Row>, usize) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).seat(rows, self.most)
    }
}

impl Places {
    fn seat(&mut self, rows: Vec<Row>, most: usize) -> (Vec<Row>, usize) {
        let mut before = std::mem::take(&mut self.places);
        let is_own = |row: &Row| matches!(before.get(&address(row)), Some((_, Place::Own)));
        let mut free = most.saturating_sub(rows.iter().filter(|row| is_own(row)).count());
        let (mut told, mut shared, mut capped) = (Vec::with_capacity(rows.len()), None::<Row>, 0);
        for row in rows {
            let place = match before.remove(&address(&row)) {
                Some((_, place)) => place,
                None if &*row.name != OTHER && free > 0 => {
                    free -= 1;
                    Place::Own
                }
                None => Place::Shared(Box::default()),
            };
            let name = row.name.clone();
            let place = match place {
                Place::Own => {
                    self.places.insert(address(&row), (name, Place::Own));
                    told.push(row);
                    continue;
                }
                Place::Shared(last) => {
                    let grown = zip(&row.counted, &last, u64::saturating_sub);
                    self.shared = zip(&self.shared, &grown, u64::saturating_add);
                    Place::Shared(Box::new(zip(&row.counted, &last, u64::max)))
                }
            };
            self.places.insert(address(&row), (name, place));
            capped += usize::from(&*row.name != OTHER);
            match &mut shared {
                Some(shared) => shared.join(&row),
                None => shared = Some(Row { name: OTHER.into(), service: OTHER.into(), ..row }),
            }
        }
        told.extend(shared.map(|row| Row { counted: self.shared, ..row }));
        (told, capped)
    }
}

fn address(row: &Row) -> usize {
    row.name.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CircuitBreaker;
    use std::time::Duration;

    fn circuit(name: &str, failures: u32) -> CircuitBreaker {
        let circuit = CircuitBreaker::new(name);
        (0..failures).for_each(|_| fail(&circuit));
        circuit
    }

    fn fail(circuit: &CircuitBreaker) {
        circuit.admit().expect("closed").failure();
    }

    fn failures(places: &mut Places, circuits: &[&CircuitBreaker]) -> (Vec<(String, u64)>, usize) {
        let rows = circuits.iter().map(|c| Row::new(c, &c.snapshot(), Duration::ZERO)).collect();
        let (rows, capped) = places.seat(rows, 2);
        (rows.iter().map(|row| (row.name.to_string(), row.counted.totals.failure)).collect(), capped)
    }

    fn told<const N: usize>(rows: [(&str, u64); N]) -> Vec<(String, u64)> {
        rows.map(|(name, count)| (name.to_owned(), count)).into()
    }

    #[test]
    fn the_first_keep_their_series_and_the_rest_is_summed() {
        let mut places = Places::default();
        let (b, c, d) = (circuit("b", 1), circuit("c", 2), circuit("d", 3));
        assert_eq!(failures(&mut places, &[&b, &c, &d]), (told([("b", 1), ("c", 2), ("other", 3)]), 1));
        let a = circuit("a", 4);
        let now = failures(&mut places, &[&a, &b, &c, &d]);
        assert_eq!(now, (told([("b", 1), ("c", 2), ("other", 7)]), 2), "a latecomer pushes nobody out");
    }

    #[test]
    fn a_shared_counter_does_not_step_back_when_a_circuit_is_let_go_of() {
        let mut places = Places::default();
        let (a, b, c, d) = (circuit("a", 0), circuit("b", 0), circuit("c", 5), circuit("d", 1));
        failures(&mut places, &[&a, &b, &c, &d]);
        fail(&d);
        let now = failures(&mut places, &[&a, &b, &d]);
        assert_eq!(now, (told([("a", 0), ("b", 0), ("other", 7)]), 1), "five of c, two of d");
        let c = circuit("c", 1);
        let now = failures(&mut places, &[&a, &b, &c, &d]);
        assert_eq!(now, (told([("a", 0), ("b", 0), ("other", 8)]), 2), "one more of the new c");
    }

    #[test]
    fn a_circuit_that_is_let_go_of_leaves_its_series_to_a_newcomer() {
        let mut places = Places::default();
        let (a, b, c) = (circuit("a", 0), circuit("b", 0), circuit("c", 0));
        failures(&mut places, &[&a, &b]);
        assert_eq!(failures(&mut places, &[&b, &c]), (told([("b", 0), ("c", 0)]), 0));
    }

    #[test]
    fn circuits_that_share_the_shared_name_make_one_row() {
        let mut places = Places::default();
        let (named, shared) = (circuit(OTHER, 1), circuit(OTHER, 2));
        assert_eq!(failures(&mut places, &[&named, &shared]), (told([("other", 3)]), 0));
    }
}
