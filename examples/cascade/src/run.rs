//! One run: a world, its users, and a database that is locked for a while.

use crate::load;
use crate::service::{Seen, Turn};
use crate::world::{CHAIN, World, WorldError};
use example_stage::calls::{Call, Figures};
use example_stage::client::Client;
use example_stage::clock;
use fusebox::Time;
use fusebox::breaker::State;
use std::ops::Range;
use std::time::Duration;

/// When the database is locked, from the run's beginning.
pub(crate) const LOCKED: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(13);
/// How long the users call.
pub(crate) const LENGTH: Duration = Duration::from_secs(17);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Each service's calls, first to last of the chain: A's and B's as their users saw them, C's and D's as they did.
    pub(crate) calls: Vec<Vec<Call>>,
    /// What the circuit between C and D did.
    pub(crate) turns: Vec<Turn>,
    /// The failures in a row that open that circuit, and the probes it sends at once; none without policies.
    pub(crate) limits: Option<(u32, u32)>,
}

impl Run {
    /// Plays it, from `start` on.
    pub(crate) async fn play(world: &World, start: Time) -> Result<Run, WorldError> {
        let client = Client::new();
        let addresses = world.addresses();
        world.begin(&client, start).await?;
        // A's and B's calls of the database take turns.
        let users = |service: usize, turn| {
            tokio::spawn(load::run(Client::new(), (addresses[service], turn), start, LENGTH))
        };
        let (of_a, of_b) = (users(0, 0), users(1, load::NEEDS_DATABASE / 2));
        clock::until(start + LOCKED.start).await;
        world.database.lock(true);
        clock::until(start + LOCKED.end).await;
        world.database.lock(false);
        let calls = [of_a.await, of_b.await].map(Result::unwrap_or_default);
        let seen = world.seen(&client).await?;
        let limits =
            world.settings.calls_of(CHAIN[2]).map(|policies| (policies.threshold(), policies.probes()));
        Ok(Run::of(calls, seen, limits))
    }

    fn of(users: [Vec<Call>; 2], seen: Vec<Seen>, limits: Option<(u32, u32)>) -> Run {
        let mut run = Run { calls: users.into(), turns: Vec::new(), limits };
        for seen in seen.into_iter().skip(2) {
            run.calls.push(seen.calls);
            run.turns.extend(seen.turns);
        }
        run
    }

    /// The figures of a service's calls that began within `span`.
    pub(crate) fn figures(&self, service: usize, span: &Range<Duration>) -> Figures {
        self.calls.get(service).map(|calls| Figures::of(calls, span, load::PATIENCE)).unwrap_or_default()
    }

    /// The share of a service's calls of `span` that it answered. Where no call began, it is zero while an earlier one
    /// still waits, and otherwise there is none.
    pub(crate) fn share(&self, service: usize, span: &Range<Duration>) -> Option<f64> {
        let waits = |call: &Call| {
            let end = call.took.map(|took| call.begun() + Duration::from_micros(took));
            call.begun() < span.start && end.is_none_or(|end| end > span.start)
        };
        let waiting = || self.calls.get(service).is_some_and(|calls| calls.iter().any(waits));
        self.figures(service, span).share().or_else(|| waiting().then_some(0.0))
    }

    /// Probes that the circuit between C and D may have sent while the database was locked.
    pub(crate) fn probes(&self) -> u32 {
        let half_open = |turn: &&Turn| {
            turn.to == State::HalfOpen.to_string() && LOCKED.contains(&Duration::from_micros(turn.at))
        };
        let phases = self.turns.iter().filter(half_open).count() as u32;
        self.limits.map_or(0, |(_, probes)| phases * probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(begun_ms: u64, took_ms: Option<u64>) -> Call {
        let took = took_ms.map(|ms| ms * 1000);
        Call { begun: begun_ms * 1000, took, answered: took.is_some(), fallback: false }
    }

    fn second(n: u64) -> Range<Duration> {
        Duration::from_secs(n)..Duration::from_secs(n + 1)
    }

    #[test]
    fn a_second_without_a_new_call_counts_as_unanswered_while_an_old_one_waits() {
        let run = Run { calls: vec![vec![call(100, Some(2_500)), call(200, Some(5))]], ..Run::default() };
        assert_eq!(run.share(0, &second(0)), Some(0.5), "an answer after 2.5 s is none");
        assert_eq!((run.share(0, &second(1)), run.share(0, &second(2))), (Some(0.0), Some(0.0)));
        assert_eq!(run.share(0, &second(3)), None, "by then it has been answered");
    }

    #[test]
    fn only_probes_under_the_lock_are_allowed_for() {
        let turn = |ms: u64, to: State| Turn { at: ms * 1000, to: to.to_string(), cause: String::new() };
        let (open, half_open) = (State::Open, State::HalfOpen);
        let turns =
            vec![turn(3_500, open), turn(5_500, half_open), turn(5_600, open), turn(13_100, half_open)];
        let run = Run { turns, limits: Some((5, 2)), ..Run::default() };
        assert_eq!(run.probes(), 2);
    }
}
