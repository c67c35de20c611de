//! One pick's look at the endpoints, and the choice among those of a tier.

use super::config::{Settings, Strategy};
use super::dice::Draws;
use super::endpoint::{Endpoint, Member};
use super::tier::Tier;
use super::tried::Tried;
use crate::Time;
use crate::breaker::State;
use crate::flow::Circuits;
use crate::sync::Relaxed;

/// Draws for another second choice, when the one drawn is out.
const REDRAWS: usize = 4;
/// Draws for a first choice, before the tier is searched.
const DRAWS: usize = 8;

/// What one pick sees.
pub(super) struct Look<'a, C> {
    pub(super) settings: &'a Settings,
    pub(super) members: &'a [Member],
    pub(super) tried: Tried,
    pub(super) circuits: &'a C,
    pub(super) now: Time,
    /// Whether endpoints that only their health or the fleet keeps out are as good as others.
    pub(super) anyway: bool,
}

impl<C: Circuits> Look<'_, C> {
    /// Whether the endpoint may be picked.
    #[inline(always)]
    pub(super) fn fits(&self, place: usize) -> bool {
        let endpoint = &*self.members[place].endpoint;
        !self.tried.has(place)
            && (endpoint.is_in(self.now) || self.anyway)
            && self.circuit_state(place, endpoint) != State::Open
    }

    /// The state of the endpoint's circuit. One that has closed since it was last seen starts slowly.
    #[inline(always)]
    pub(super) fn circuit_state(&self, place: usize, endpoint: &Endpoint) -> State {
        let state = self.circuits.circuit(place).state(self.now);
        if endpoint.was_open() != (state != State::Closed) {
            self.turned(place, endpoint, state);
        }
        state
    }

    #[cold]
    #[inline(never)]
    fn turned(&self, place: usize, endpoint: &Endpoint, state: State) {
        if endpoint.saw_open(state != State::Closed) {
            self.recover(place);
        }
    }

    /// The endpoint begins anew: slowly, and with its neighbours' latency, since its own is that of its failures.
    fn recover(&self, place: usize) {
        let recovered = &self.members[place];
        let typical = typical(self.members, recovered.tier, self.now, self.settings, |neighbour| {
            neighbour != place && self.circuits.circuit(neighbour).state(self.now) == State::Closed
        });
        recovered.endpoint.peak.start_over(typical.unwrap_or(self.settings.first_latency), self.now);
        recovered.endpoint.start_slowly(self.now, self.settings);
    }

    /// Chooses among the tier's endpoints, as their place in the list.
    #[inline]
    pub(super) fn choose(&self, tier: &Tier, draws: &mut Draws<'_>) -> Option<usize> {
        if tier.members.is_empty() {
            return None;
        }
        let chosen = match self.settings.config().strategy {
            Strategy::RoundRobin => self.next_in_turn(tier, draws),
            Strategy::LeastRequests => self.least_loaded(tier, draws),
            Strategy::P2c => self.better_of_two(tier, draws),
        };
        chosen.or_else(|| self.any(tier, draws))
    }

    /// Whether a slow start lets the endpoint have this call.
    #[inline(always)]
    fn is_let(&self, place: usize, tier: &Tier, draws: &mut Draws<'_>) -> bool {
        let endpoint = &*self.members[place].endpoint;
        !endpoint.is_starting(self.now) || self.is_let_slowly(endpoint, tier, draws)
    }

    #[cold]
    #[inline(never)]
    fn is_let_slowly(&self, endpoint: &Endpoint, tier: &Tier, draws: &mut Draws<'_>) -> bool {
        draws.below(tier.fullest.load(Relaxed)) < endpoint.ramp(self.now, self.settings)
    }

    /// The next one, passing over those that are out: each call takes a turn of its own, so the neighbour of one that is
    /// out has no more calls than others have.
    fn next_in_turn(&self, tier: &Tier, draws: &mut Draws<'_>) -> Option<usize> {
        let turns = tier.members.len() * 2;
        (0..turns)
            .map(|_| tier.members[tier.turn()])
            .find(|place| self.fits(*place) && self.is_let(*place, tier, draws))
    }

    fn least_loaded(&self, tier: &Tier, draws: &mut Draws<'_>) -> Option<usize> {
        let count = tier.members.len();
        let first = tier.turn();
        let mut least: Option<(u64, u64, usize)> = None;
        for step in 0..count {
            let place = tier.members[(first + step) % count];
            let member = &self.members[place];
            let load = member.endpoint.in_flight();
            let is_less = least.is_none_or(|(other, weight, _)| {
                u128::from(load) * u128::from(weight) < u128::from(other) * u128::from(member.weight)
            });
            if is_less && self.fits(place) && self.is_let(place, tier, draws) {
                least = Some((load, member.weight, place));
            }
        }
        least.map(|(_, _, place)| place)
    }

    fn better_of_two(&self, tier: &Tier, draws: &mut Draws<'_>) -> Option<usize> {
        let (count, total) = (tier.members.len(), tier.total());
        let mut first = None;
        for _ in 0..DRAWS {
            let drawn = tier.holder(draws.below(total));
            let place = tier.members[drawn];
            if self.fits(place) && self.is_let(place, tier, draws) {
                first = Some((drawn, place));
                break;
            }
        }
        let (drawn, first) = first?;
        for _ in 0..REDRAWS {
            if count == 1 {
                break;
            }
            // Another than the first: some steps round the circle, not a whole round.
            let mut other = drawn + 1 + draws.below(count as u64 - 1) as usize;
            if other >= count {
                other -= count;
            }
            let other = tier.members[other];
            if !self.fits(other) {
                continue;
            }
            let weight = self.members[other].weight;
            let considered = weight == tier.heaviest || draws.below(tier.heaviest) < weight;
            let better = considered && self.is_let(other, tier, draws) && self.is_cheaper(other, first, tier);
            return Some(if better { other } else { first });
        }
        Some(first)
    }

    /// Whether `a` costs less than `b`: latency × (calls in flight + 1), calls counted by the endpoint's weight.
    #[inline]
    fn is_cheaper(&self, a: usize, b: usize, tier: &Tier) -> bool {
        let (a, b) = (&self.members[a], &self.members[b]);
        let load = |member: &Member| {
            // From a signed number, which is one instruction.
            let load = member.endpoint.in_flight() as i64 as f64;
            let heavy =
                if member.weight == tier.heaviest { load } else { load * tier.times_lighter(member.weight) };
            heavy + 1.0
        };
        a.endpoint.peak.is_less(load(a), &b.endpoint.peak, load(b), self.settings.decay)
    }

    /// Any one that fits, each as likely as the others.
    #[cold]
    fn any(&self, tier: &Tier, draws: &mut Draws<'_>) -> Option<usize> {
        let mut chosen = None;
        let mut seen = 0;
        for place in tier.members.iter().copied().filter(|place| self.fits(*place)) {
            seen += 1;
            if draws.below(seen) == 0 {
                chosen = Some(place);
            }
        }
        chosen
    }

    /// When the endpoint may be picked again, as far as that is known.
    pub(super) fn way_out(&self, place: usize) -> Time {
        let endpoint = &self.members[place].endpoint;
        if !endpoint.healthy.load(Relaxed) {
            return Time::NEVER;
        }
        let out_until = Time::from_nanos(endpoint.out_until.load(Relaxed));
        let circuit = self.circuits.circuit(place);
        match circuit.state(self.now) {
            State::Closed if out_until > self.now => out_until,
            // It refused this attempt for a reason of its own.
            State::Closed => Time::NEVER,
            State::Open | State::HalfOpen => circuit.next_due().max(out_until),
        }
    }
}

/// The mean latency of a tier's endpoints that are not kept out and for which `counts` holds.
pub(super) fn typical(
    members: &[Member],
    tier: usize,
    now: Time,
    settings: &Settings,
    counts: impl Fn(usize) -> bool,
) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for (place, member) in members.iter().enumerate() {
        if member.tier == tier && member.endpoint.is_in(now) && counts(place) {
            sum += member.endpoint.peak.read(now, settings.decay);
            count += 1.0;
        }
    }
    (count > 0.0).then(|| sum / count)
}
