//! Chooses an endpoint for each call, and keeps calls away from those that are worse than others.
//!
//! Who is fit is decided by four judges, each with its own evidence. An endpoint's *circuit* knows its failures: one that
//! is open is never picked. The *fleet* rules know the neighbours' figures and find the odd one out that no threshold of its
//! own would have caught; they never take more than a share of a region. *Health checks*, where a driver runs them, know
//! endpoints that have no calls. And *distance*: the nearest tier has the calls while it can bear them.
//!
//! Among the fit, a [`Strategy`] chooses. The two that look at load have a trap: an endpoint that refuses connections
//! answers first and has nothing in flight, and so attracts every call. A failure is therefore charged
//! [`Config::penalty`], however fast it was.
//!
//! Nothing that is known of one region is used in another. Endpoints that stay keep their state when the list changes.
//!
//! ```
//! use fusebox_core::balancer::{Balancer, Config, Spec, Strategy, Tried};
//! use fusebox_core::breaker::{self, CircuitBreaker};
//! use fusebox_core::{Outcome, Rng, SharedRng, Time};
//!
//! let settings = Config { strategy: Strategy::P2c, ..Config::default() }.check().expect("works");
//! let endpoints = ["a:80", "b:80", "c:80"].map(Spec::named);
//! let balancer = Balancer::new(settings, &endpoints, Time::ZERO);
//! # let settings = breaker::Config::default().check(None).expect("the default works");
//! # let circuits = CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO);
//! let rng = SharedRng::new(Rng::seeded(7));
//!
//! let picked = balancer.pick(Tried::default(), &circuits, &rng, Time::ZERO).expect("all are fit");
//! let nanos = 3_000_000;
//! balancer.settle(picked, Outcome::Success, nanos, Time::from_millis(3));
//! ```

mod config;
mod dice;
mod endpoint;
mod ewma;
mod fleet;
mod health;
mod look;
mod snapshot;
mod tier;
mod tried;

pub use config::{Config, OnPanic, Outliers, Settings, Strategy};
pub use fleet::OutlierRule;
pub use health::{Health, Thresholds};
pub use snapshot::{EndpointSnapshot, Snapshot, TierSnapshot};
pub use tried::Tried;

use crate::breaker::State;
use crate::flow::Circuits;
use crate::sync::{AtomicU64, AtomicUsize, Relaxed};
use crate::{Outcome, Reason, Rejection, SharedRng, Time};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use dice::{Dice, Draws};
use endpoint::{Endpoint, Member, WHOLE};
use look::{Look, typical};
use tier::{Tier, tiers};

/// How old the shares of the tiers may be.
const REVIEW: u64 = 100_000_000;
/// The greatest weight.
const HEAVIEST: u32 = 65_535;

/// One endpoint, as a user lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name, by which it is known again when the list changes.
    pub name: Arc<str>,
    /// Its share of the calls, compared to the others'; 0 takes none, above 65,535 counts as that.
    pub weight: u32,
    /// The region it runs in; our own if there is none.
    pub region: Option<Arc<str>>,
    /// The zone in the region; our own if there is none.
    pub zone: Option<Arc<str>>,
}

impl Spec {
    /// An endpoint of weight 1 that does not say where it is.
    pub fn named(name: &str) -> Self {
        Spec { name: name.into(), weight: 1, region: None, zone: None }
    }
}

/// Chooses endpoints. Shared by reference by all the calls of one dependency.
///
/// Endpoints are numbered by their place in the list the balancer was made of, for as long as it lives.
#[derive(Debug)]
pub struct Balancer {
    settings: Settings,
    members: Box<[Member]>,
    tiers: Box<[Tier]>,
    dice: Dice,
    /// When the tiers' shares are looked at again, in nanoseconds.
    review_at: AtomicU64,
    /// When endpoints are compared to each other again, in nanoseconds. Shared with the balancers before and after a change.
    compare_at: Arc<AtomicU64>,
    /// One more than an endpoint that should be sent a probe; 0 for none.
    probe: AtomicUsize,
    /// The endpoint that was sent one last.
    probed: AtomicUsize,
    refused: AtomicU64,
}

impl Balancer {
    /// A balancer over `endpoints`, of which nothing is known.
    pub fn new(settings: Settings, endpoints: &[Spec], now: Time) -> Self {
        Balancer::over(settings, endpoints, None, now)
    }

    /// A balancer over other endpoints. Those that stay, by name, keep their state, whatever else of them has changed, and
    /// share it with this balancer: what was picked here settles here, and is known there. New ones start slowly.
    pub fn with_endpoints(&self, endpoints: &[Spec], now: Time) -> Balancer {
        Balancer::over(self.settings.clone(), endpoints, Some(self), now)
    }

    /// As [`with_endpoints`](Self::with_endpoints), by other settings.
    pub fn with_settings(&self, settings: Settings, endpoints: &[Spec], now: Time) -> Balancer {
        Balancer::over(settings, endpoints, Some(self), now)
    }

    /// A balancer over some of these endpoints, to be used beside this one: it shares their state as
    /// [`with_endpoints`](Self::with_endpoints) does, and leaves it to this one to compare each with the fleet.
    pub fn part(&self, endpoints: &[Spec], now: Time) -> Balancer {
        let part = self.with_endpoints(endpoints, now);
        Balancer { compare_at: Arc::new(AtomicU64::new(u64::MAX)), ..part }
    }

    fn over(settings: Settings, endpoints: &[Spec], before: Option<&Balancer>, now: Time) -> Self {
        let old = before.map_or(&[][..], |before| &before.members);
        // An endpoint that is listed twice is two: each has a state of its own.
        let mut kept: BTreeMap<&str, &Arc<Endpoint>> =
            old.iter().rev().map(|member| (&*member.endpoint.name, &member.endpoint)).collect();
        let mut new = alloc::vec::Vec::new();
        let mut members: Box<[Member]> = endpoints
            .iter()
            .enumerate()
            .map(|(place, spec)| {
                let endpoint = kept.remove(&*spec.name).cloned().unwrap_or_else(|| {
                    new.push(place);
                    Arc::new(Endpoint::new(spec.name.clone(), settings.first_latency, now))
                });
                let weight = u64::from(spec.weight.min(HEAVIEST));
                let (region, zone) = (spec.region.clone(), spec.zone.clone());
                Member { endpoint, weight, tier: 0, home: 0, region, zone }
            })
            .collect();
        let tiers = tiers(&mut members, &settings, before.map_or(&[], |before| &before.tiers));
        if before.is_some() {
            for place in &new {
                let tier = members[*place].tier;
                let known = typical(&members, tier, now, &settings, |neighbour| !new.contains(&neighbour));
                let endpoint = &members[*place].endpoint;
                endpoint.peak.start_over(known.unwrap_or(settings.first_latency), now);
                endpoint.start_slowly(now, &settings);
            }
        }
        let compare_at = before.map_or_else(
            || Arc::new(AtomicU64::new(next_comparison(&settings, now))),
            |before| before.compare_at.clone(),
        );
        Balancer {
            settings,
            members,
            tiers,
            dice: Dice::default(),
            review_at: AtomicU64::new(0),
            compare_at,
            probe: AtomicUsize::new(0),
            probed: AtomicUsize::new(0),
            refused: AtomicU64::new(before.map_or(0, |before| before.refused.load(Relaxed))),
        }
    }

    /// How many endpoints there are, fit or not.
    pub fn endpoints(&self) -> usize {
        self.members.len()
    }

    /// Whether its endpoints are in several regions.
    pub fn is_spread(&self) -> bool {
        self.members.windows(2).any(|pair| pair[0].region != pair[1].region)
    }

    /// The endpoint's name.
    pub fn name(&self, endpoint: usize) -> Option<&str> {
        self.members.get(endpoint).map(|member| &*member.endpoint.name)
    }

    /// The region that the endpoint says it runs in.
    pub fn region(&self, endpoint: usize) -> Option<&str> {
        self.members.get(endpoint)?.region.as_deref()
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Chooses an endpoint for an attempt that those in `tried` have refused already; they are not chosen again. Its circuit
    /// is closed or half-open, and has still to be asked. Every pick is settled or given back.
    ///
    /// # Errors
    ///
    /// [`Reason::NoEndpoint`] when there is none, or [`Reason::FleetOut`] where the settings say so; `retry_at` is the earliest
    /// moment at which one may be fit again, as far as that is known.
    #[inline]
    pub fn pick(
        &self,
        tried: Tried,
        circuits: &impl Circuits,
        rng: &SharedRng,
        now: Time,
    ) -> Result<usize, Rejection> {
        self.pick_among(&self.tiers, tried, circuits, rng, now)
    }

    /// Like [`pick`](Self::pick), among the endpoints of other regions than ours.
    ///
    /// # Errors
    ///
    /// As [`pick`](Self::pick).
    pub fn pick_elsewhere(
        &self,
        tried: Tried,
        circuits: &impl Circuits,
        rng: &SharedRng,
        now: Time,
    ) -> Result<usize, Rejection> {
        let near = self.tiers.partition_point(|tier| !tier.distance.is_elsewhere());
        self.pick_among(&self.tiers[near..], tried, circuits, rng, now)
    }

    /// An endpoint for a call that [`pick`](Self::pick) has refused, to be called without asking its circuit: `None` unless
    /// the settings say [`OnPanic::SendAnyway`]. Settled or given back like any other.
    pub fn pick_anyway(&self, rng: &SharedRng) -> Option<usize> {
        if self.settings.config().on_panic != OnPanic::SendAnyway {
            return None;
        }
        let mut draws = self.dice.roll(rng);
        let tier = self.tiers.iter().find(|tier| !tier.members.is_empty())?;
        let place = tier.members[tier.holder(draws.below(tier.total()))];
        Some(self.take(place))
    }

    #[inline]
    fn pick_among(
        &self,
        tiers: &[Tier],
        tried: Tried,
        circuits: &impl Circuits,
        rng: &SharedRng,
        now: Time,
    ) -> Result<usize, Rejection> {
        let (settings, members) = (&self.settings, &*self.members);
        let mut look = Look { settings, members, tried, circuits, now, anyway: false };
        if now.as_nanos() >= self.review_at.load(Relaxed) {
            self.review(&look);
        }
        let mut draws = self.dice.roll(rng);
        if self.probe.load(Relaxed) != 0
            && let Some(place) = self.probed(tiers, &look)
        {
            return Ok(self.take(place));
        }
        if let Some(tier) = share_out(tiers, &mut draws)
            && let Some(place) = look.choose(tier, &mut draws)
        {
            return Ok(self.take(place));
        }
        if let Some(place) = tiers.iter().find_map(|tier| look.choose(tier, &mut draws)) {
            return Ok(self.take(place));
        }
        if settings.config().on_panic == OnPanic::SendAnyway {
            look.anyway = true;
            if let Some(place) = tiers.iter().find_map(|tier| look.choose(tier, &mut draws)) {
                return Ok(self.take(place));
            }
        }
        Err(self.refuse(tiers, &look))
    }

    #[inline]
    fn take(&self, place: usize) -> usize {
        self.members[place].endpoint.picked.fetch_add(1, Relaxed);
        place
    }

    #[cold]
    fn refuse<C: Circuits>(&self, tiers: &[Tier], look: &Look<'_, C>) -> Rejection {
        self.refused.fetch_add(1, Relaxed);
        let reason = match self.settings.config().on_panic {
            OnPanic::Fail => Reason::FleetOut,
            OnPanic::FallBack | OnPanic::SendAnyway => Reason::NoEndpoint,
        };
        let members = tiers.iter().flat_map(|tier| &*tier.members);
        let retry_at = members.map(|place| look.way_out(*place)).min().unwrap_or(Time::NEVER);
        Rejection::of(reason, retry_at)
    }

    /// Looks at every endpoint: how fit each tier is, and which circuit waits for a probe that no pick would bring it.
    #[cold]
    fn review<C: Circuits>(&self, look: &Look<'_, C>) {
        let (seen, next) = (self.review_at.load(Relaxed), look.now.plus_nanos(REVIEW).as_nanos());
        if self.review_at.compare_exchange(seen, next, Relaxed, Relaxed).is_err() {
            return;
        }
        let count = self.members.len();
        self.tick(look.now);
        let (mut bearing, mut waiting): (u64, Option<(usize, usize)>) = (0, None);
        for tier in &self.tiers {
            let (mut fit, mut whole, mut fullest) = (0, 0, 0);
            for place in tier.members.iter().copied() {
                let member = &self.members[place];
                whole += member.weight;
                if !member.endpoint.is_in(look.now) {
                    continue;
                }
                match look.circuit_state(place, &member.endpoint) {
                    State::Closed => {
                        fit += member.weight;
                        fullest = fullest.max(member.endpoint.ramp(look.now, look.settings));
                    }
                    // A nearer tier bears all calls: nobody waits for this one.
                    State::HalfOpen if bearing < WHOLE => {
                        let turn = (place + 2 * count - self.probed.load(Relaxed) - 1) % count;
                        waiting = Some(waiting.map_or((turn, place), |first| (turn, place).min(first)));
                    }
                    State::HalfOpen | State::Open => {}
                }
            }
            tier.weigh(fit, whole, &self.settings, look.now);
            tier.fullest.store(if fullest == 0 { WHOLE } else { fullest }, Relaxed);
            bearing += tier.fitness.load(Relaxed);
        }
        self.probe.store(waiting.map_or(0, |(_, place)| place + 1), Relaxed);
    }

    /// The endpoint that waits for a probe, if this pick may bring it.
    #[cold]
    fn probed<C: Circuits>(&self, tiers: &[Tier], look: &Look<'_, C>) -> Option<usize> {
        let place = self.probe.swap(0, Relaxed).checked_sub(1)?;
        let is_here = tiers.iter().any(|tier| tier.members.contains(&place));
        let waits = is_here
            && look.fits(place)
            && look.circuit_state(place, &self.members[place].endpoint) == State::HalfOpen;
        self.probed.store(place, Relaxed);
        waits.then_some(place)
    }

    /// Tells what came of a picked call, `nanos` nanoseconds after it was sent.
    pub fn settle(&self, endpoint: usize, outcome: Outcome, nanos: u64, now: Time) {
        let Some(member) = self.members.get(endpoint) else { return };
        let charged = member.endpoint.settle(outcome, nanos, now, &self.settings);
        if let Some(charged) = charged
            && self.tiers.len() > 1
        {
            self.tiers[member.tier].pulse.latency.observe(charged, now, self.settings.decay);
        }
    }

    /// The endpoint was picked, and then not called.
    pub fn give_back(&self, endpoint: usize) {
        if let Some(member) = self.members.get(endpoint) {
            member.endpoint.given_back.fetch_add(1, Relaxed);
        }
    }

    /// Lets everything happen that is due by `now`: the endpoints are compared to each other. Picks do the same, up to a tenth
    /// of a second late.
    pub fn tick(&self, now: Time) {
        let due = self.compare_at.load(Relaxed);
        if now.as_nanos() < due {
            return;
        }
        let next = next_comparison(&self.settings, now);
        if self.compare_at.compare_exchange(due, next, Relaxed, Relaxed).is_err() {
            return;
        }
        let regions = self.members.iter().map(|member| member.home + 1).max().unwrap_or(0);
        if fleet::compare(&self.members, regions, &self.settings, now) {
            self.review_at.store(0, Relaxed);
        }
    }

    /// When [`tick`](Self::tick) has something to do next; [`Time::NEVER`] if only a call can change anything.
    pub fn next_due(&self) -> Time {
        Time::from_nanos(self.compare_at.load(Relaxed))
    }

    /// Counts a health check that the driver has made.
    pub fn count_check(&self, endpoint: usize, good: bool) {
        if let Some(member) = self.members.get(endpoint) {
            member.endpoint.checks[usize::from(good)].fetch_add(1, Relaxed);
        }
    }

    /// Whether the endpoint is healthy, as far as checks that the driver runs have said; one that nobody checks is.
    pub fn is_healthy(&self, endpoint: usize) -> bool {
        self.members.get(endpoint).is_none_or(|member| member.endpoint.healthy.load(Relaxed))
    }

    /// An endpoint has become healthy or unhealthy, by checks that the driver runs. An unhealthy one is out; one that has
    /// become healthy starts slowly.
    pub fn set_healthy(&self, endpoint: usize, healthy: bool, now: Time) {
        let Some(member) = self.members.get(endpoint) else { return };
        let was = member.endpoint.healthy.swap(healthy, Relaxed);
        if healthy && !was {
            member.endpoint.start_slowly(now, &self.settings);
        }
        self.review_at.store(0, Relaxed);
    }
}

fn next_comparison(settings: &Settings, now: Time) -> u64 {
    let outliers = settings.config().outliers.as_ref();
    outliers.map_or(Time::NEVER, |rules| now + rules.interval).as_nanos()
}

/// The tier whose turn it is: each bears what it can, the nearest first, until all calls are borne.
#[inline]
fn share_out<'a>(tiers: &'a [Tier], draws: &mut Draws<'_>) -> Option<&'a Tier> {
    let [first, others @ ..] = tiers else { return None };
    if others.is_empty() || first.fitness.load(Relaxed) >= WHOLE {
        return Some(first);
    }
    let able: u64 = tiers.iter().map(|tier| tier.fitness.load(Relaxed)).sum();
    let mut drawn = draws.below(able.min(WHOLE));
    for tier in tiers {
        let bears = tier.fitness.load(Relaxed);
        if drawn < bears {
            return Some(tier);
        }
        drawn -= bears;
    }
    Some(first)
}
