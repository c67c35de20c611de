//! The last two minutes of a circuit, second by second.

use crate::admin::shapes::{Counts, Mark};
use std::collections::VecDeque;

/// Seconds that are remembered.
pub(super) const SECONDS: usize = 120;
/// What a point of a snapshot covers.
const SECONDS_A_POINT: usize = 2;

/// Counts by second, the newest last; and the transitions within.
#[derive(Clone, Debug, Default)]
pub(super) struct TimeLine {
    /// The second that the last of `counts` is, since 1970.
    newest: u64,
    counts: VecDeque<Counts>,
    /// When and to which state.
    marks: Vec<(u64, String)>,
}

/// What a stretch of the line shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stretch {
    pub(super) calls: u64,
    /// Calls that were not answered well: failed or rejected.
    pub(super) bad: f64,
    pub(super) has_rejected: bool,
    /// The last transition in it.
    pub(super) to: Option<String>,
}

impl TimeLine {
    /// From a snapshot's points, the last of which ends with `second`.
    pub(super) fn of(points: &[Counts], second: u64) -> TimeLine {
        let counts = points.iter().flat_map(|point| [*point; SECONDS_A_POINT]);
        let mut line = TimeLine { newest: second, counts: counts.collect(), marks: Vec::new() };
        line.trim();
        line
    }

    /// Puts what `second` brought in its place; said again, it counts once.
    pub(super) fn set(&mut self, second: u64, counts: Counts) {
        self.advance(second);
        let back = usize::try_from(self.newest.saturating_sub(second)).unwrap_or(usize::MAX);
        if let Some(at) = self.counts.len().checked_sub(back + 1)
            && let Some(slot) = self.counts.get_mut(at)
        {
            *slot = counts;
        }
    }

    /// Goes on to `second`, through seconds without a call.
    pub(super) fn advance(&mut self, second: u64) {
        let quiet = usize::try_from(second.saturating_sub(self.newest)).unwrap_or(usize::MAX).min(SECONDS);
        self.counts.extend(std::iter::repeat_n(Counts::default(), quiet));
        self.newest = self.newest.max(second);
        self.trim();
    }

    /// Takes the transitions as they were told in `second`, the latest first.
    pub(super) fn mark(&mut self, marks: &[Mark], second: u64) {
        let at = |mark: &Mark| second.saturating_sub(mark.at_seconds_ago.max(0.0) as u64);
        self.marks = marks.iter().rev().map(|mark| (at(mark), mark.to.clone())).collect();
    }

    fn trim(&mut self) {
        let spare = self.counts.len().saturating_sub(SECONDS);
        self.counts.drain(..spare);
    }

    /// The line in `width` stretches, the newest last.
    pub(super) fn stretches(&self, width: usize) -> Vec<Stretch> {
        let missing = SECONDS - self.counts.len().min(SECONDS);
        let first = self.newest.saturating_sub(SECONDS as u64 - 1);
        let stretch = |column: usize| {
            let (from, to) = (column * SECONDS / width, (column + 1) * SECONDS / width);
            // Where there are more columns than seconds, a second takes several.
            let to = to.max(from + 1);
            let counts = (from..to).filter_map(|at| self.counts.get(at.checked_sub(missing)?));
            let sum = counts.fold(Counts::default(), |sum, more| Counts {
                ok: sum.ok + more.ok,
                failed: sum.failed + more.failed,
                rejected: sum.rejected + more.rejected,
            });
            let calls = sum.ok + sum.failed + sum.rejected;
            let within = |at: u64| (first + from as u64..first + to as u64).contains(&at);
            Stretch {
                calls,
                bad: if calls == 0 { 0.0 } else { (sum.failed + sum.rejected) as f64 / calls as f64 },
                has_rejected: sum.rejected > 0,
                to: self.marks.iter().rfind(|(at, _)| within(*at)).map(|(_, to)| to.clone()),
            }
        };
        (0..width).map(stretch).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Counts = Counts { ok: 4, failed: 0, rejected: 0 };
    const BAD: Counts = Counts { ok: 1, failed: 1, rejected: 2 };

    #[test]
    fn a_second_is_counted_once_and_quiet_ones_are_empty() {
        let mut line = TimeLine::of(&[OK; 60], 1_000);
        line.set(1_001, OK);
        line.set(1_001, BAD);
        line.set(1_004, OK);
        let last: Vec<_> = line.stretches(SECONDS).split_off(SECONDS - 5);
        let calls: Vec<_> = last.iter().map(|stretch| stretch.calls).collect();
        assert_eq!(calls, [4, 4, 0, 0, 4]);
        assert_eq!((last[1].bad, last[1].has_rejected), (0.75, true));
        assert_eq!(line.counts.len(), SECONDS);
    }

    #[test]
    fn what_comes_late_goes_where_it_belongs() {
        let mut line = TimeLine::of(&[OK; 60], 1_000);
        line.advance(1_003);
        line.set(1_001, BAD);
        line.set(1, BAD);
        let last: Vec<_> = line.stretches(SECONDS).split_off(SECONDS - 4);
        assert_eq!(last.iter().map(|it| it.has_rejected).collect::<Vec<_>>(), [false, true, false, false]);
    }

    #[test]
    fn transitions_stand_where_they_happened_at_any_width() {
        let mut line = TimeLine::of(&[OK; 60], 1_000);
        // Of two in one second the later one stands.
        let mark = |at_seconds_ago, to: &str| Mark { at_seconds_ago, to: to.into() };
        line.mark(&[mark(60.4, "open"), mark(60.5, "half_open")], 1_000);
        for width in [1, 7, 10, 60, 120, 200] {
            let stretches = line.stretches(width);
            assert_eq!(stretches.len(), width);
            let at = stretches.iter().position(|stretch| stretch.to.as_deref() == Some("open"));
            let at = at.expect("the mark") as f64 / width as f64;
            assert!((0.0..=0.51).contains(&at), "{at} of {width}");
        }
    }
}
