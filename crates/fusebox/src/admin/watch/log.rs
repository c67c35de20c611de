//! What has happened to circuits, in its order: a ring of everything for those who resume a stream, and one for each circuit, so that
//! a circuit that flaps does not push the story of the others out.

use super::entry::LogEvent;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events that a stream can be resumed over.
const RESUMABLE: usize = 4_096;
/// Events of one circuit.
const OF_A_CIRCUIT: usize = 512;
/// Circuits with a story: more than there are at once, for those that come and go.
const STORIES: usize = 4_096;
/// How far back a circuit's story goes.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Default)]
pub(super) struct Log {
    /// The number of the newest event; the first has 1.
    newest: u64,
    all: VecDeque<Arc<LogEvent>>,
    /// Events that ring had no room for.
    lost: u64,
    by_circuit: HashMap<Arc<str>, Story>,
}

#[derive(Debug, Default)]
struct Story {
    events: VecDeque<Arc<LogEvent>>,
    /// Events that the ring had no room for, though they are recent enough.
    lost: u64,
}

impl Log {
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Events that were heard and could not be taken in: they have numbers, and nothing else.
    pub(super) fn skip(&mut self, events: u64) {
        self.newest += events;
        self.lost += events;
    }

    /// Takes an event in and numbers it. One of an earlier run keeps the number it has.
    pub(super) fn add(&mut self, event: LogEvent) -> Arc<LogEvent> {
        self.newest = event.seq.max(self.newest + 1);
        let event = Arc::new(LogEvent { seq: self.newest, ..event });
        if self.all.len() >= RESUMABLE {
            self.all.pop_front();
            self.lost += 1;
        }
        self.all.push_back(event.clone());
        let story = self.by_circuit.entry(event.circuit.as_str().into()).or_default();
        if story.events.len() >= OF_A_CIRCUIT {
            story.events.pop_front();
            story.lost += 1;
        }
        story.events.push_back(event.clone());
        event
    }

    /// Lets go of what is older than a day at `date`, and of the stories that are longest past where there are too many.
    pub(super) fn trim(&mut self, date: Duration) {
        let oldest = u64::try_from(date.saturating_sub(KEPT).as_millis()).unwrap_or(u64::MAX);
        self.by_circuit.retain(|_, story| {
            while story.events.front().is_some_and(|event| event.at_millis < oldest) {
                story.events.pop_front();
            }
            if story.events.is_empty() {
                story.lost = 0;
            }
            !story.events.is_empty()
        });
        if self.by_circuit.len() > STORIES {
            let newest = |story: &Story| story.events.back().map_or(0, |event| event.seq);
            let mut all: Vec<_> = self.by_circuit.values().map(newest).collect();
            let (_, limit, _) = all.select_nth_unstable_by(STORIES, |a, b| b.cmp(a));
            let limit = *limit;
            self.by_circuit.retain(|_, story| newest(story) > limit);
        }
    }

    /// The story of a circuit, the newest first, and how many of its events are lost.
    pub(super) fn story(&self, circuit: &str, most: usize) -> (Vec<Arc<LogEvent>>, u64) {
        let Some(story) = self.by_circuit.get(circuit) else { return Default::default() };
        (story.events.iter().rev().take(most).cloned().collect(), story.lost)
    }

    /// What happened to all circuits, the newest first, and how many events are lost.
    pub(super) fn latest(&self, most: usize) -> (Vec<Arc<LogEvent>>, u64) {
        (self.all.iter().rev().take(most).cloned().collect(), self.lost)
    }

    /// What happened after number `seen`, the oldest first, and how many of these are lost.
    pub(super) fn since(&self, seen: u64) -> (Vec<Arc<LogEvent>>, u64) {
        let missed: Vec<_> = self.all.iter().filter(|event| event.seq > seen).cloned().collect();
        let lost = self.newest.saturating_sub(seen).saturating_sub(missed.len() as u64);
        (missed, lost)
    }

    /// Everything that is kept, by its number.
    pub(super) fn kept(&self) -> Vec<Arc<LogEvent>> {
        let mut kept: Vec<_> =
            self.by_circuit.values().flat_map(|story| story.events.iter().cloned()).collect();
        kept.sort_by_key(|event| event.seq);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(circuit: &str, at_millis: u64) -> LogEvent {
        LogEvent { circuit: circuit.into(), at_millis, ..LogEvent::default() }
    }

    #[test]
    fn what_could_not_be_taken_in_is_told_as_lost() {
        let mut log = Log::default();
        log.add(event("a", 1));
        log.skip(3);
        log.add(event("a", 2));
        let (missed, lost) = log.since(1);
        assert_eq!((numbers(&missed), lost), (vec![5], 3));
        assert_eq!(log.latest(9).1, 3);
    }

    #[test]
    fn numbers_go_on_where_an_earlier_run_ended() {
        let mut log = Log::default();
        log.add(LogEvent { seq: 7, ..event("a", 1) });
        assert_eq!((log.add(event("a", 2)).seq, log.newest()), (8, 8));
    }

    fn numbers(events: &[Arc<LogEvent>]) -> Vec<u64> {
        events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn who_resumes_hears_what_it_missed_and_how_much_of_that_is_gone() {
        let mut log = Log::default();
        (0..RESUMABLE as u64 + 3).for_each(|_| drop(log.add(event("a", 0))));
        let newest = log.newest();
        assert_eq!(log.since(newest), (vec![], 0));
        let (missed, lost) = log.since(newest - 2);
        assert_eq!((numbers(&missed), lost), (vec![newest - 1, newest], 0));
        let (missed, lost) = log.since(1);
        assert_eq!((missed.len(), lost), (RESUMABLE, 2));
        let (latest, lost) = log.latest(2);
        assert_eq!((numbers(&latest), lost), (vec![newest, newest - 1], 3));
    }

    #[test]
    fn a_circuit_that_flaps_pushes_out_its_own_story_only() {
        let mut log = Log::default();
        log.add(event("quiet", 1));
        (0..OF_A_CIRCUIT + 5).for_each(|_| drop(log.add(event("flaps", 2))));
        let (quiet, lost) = log.story("quiet", 10);
        assert_eq!((numbers(&quiet), lost), (vec![1], 0));
        let (flaps, lost) = log.story("flaps", 2);
        assert_eq!((numbers(&flaps), lost), (vec![OF_A_CIRCUIT as u64 + 6, OF_A_CIRCUIT as u64 + 5], 5));
    }

    #[test]
    fn what_is_older_than_a_day_is_let_go_of() {
        let mut log = Log::default();
        log.add(event("a", 1_000));
        log.add(event("a", 90_000_000));
        log.trim(Duration::from_millis(90_000_000));
        assert_eq!(numbers(&log.story("a", 9).0), [2]);
        assert_eq!(numbers(&log.kept()), [2]);
    }

    #[test]
    fn circuits_that_come_and_go_do_not_grow_the_log_without_end() {
        let mut log = Log::default();
        (0..STORIES + 9).for_each(|n| drop(log.add(event(&n.to_string(), 1))));
        log.trim(Duration::from_millis(1));
        assert_eq!(log.kept().len(), STORIES);
        assert_eq!((log.story("8", 1).0.len(), log.story("9", 1).0.len()), (0, 1));
    }
}
