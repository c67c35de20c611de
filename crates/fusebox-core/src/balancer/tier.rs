//! Endpoints that are equally near, and how many calls stay with them.
//!
//! The nearest tier takes all calls while `spill_over` of its weight is fit; below that it takes proportionally fewer, and
//! the rest goes to the next (Envoy's priority levels, where 0.7 is its overprovisioning factor of 1.4). Latency counts as
//! fitness does: a tier whose calls take half as long as is slow, or longer, loses calls before any circuit opens. A tenth
//! stays, or nobody would notice that it is fast again.

use super::config::{Config, Settings};
use super::endpoint::{Member, WHOLE};
use super::ewma::Mean;
use crate::Time;
use crate::sync::{AtomicU64, AtomicUsize, Relaxed};
use crate::time::nanos;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Endpoints that are equally near.
#[derive(Debug)]
pub(super) struct Tier {
    /// How far away.
    pub(super) distance: Distance,
    /// The region's name, when it is another than ours.
    pub(super) region: Option<Arc<str>>,
    /// Its endpoints, by their places in the list.
    pub(super) members: Box<[usize]>,
    /// The sums of their weights up to and with each.
    sums: Box<[u64]>,
    pub(super) heaviest: u64,
    /// From one turn to the next among `sums`: shares no factor with the last of them.
    stride: u64,
    /// How much of a call volume it can bear, of [`WHOLE`].
    pub(super) fitness: AtomicU64,
    /// The largest share that a slow start leaves one of its fit endpoints, of [`WHOLE`]: where all come back together, none
    /// has another to hold back for.
    pub(super) fullest: AtomicU64,
    pub(super) pulse: Arc<Pulse>,
}

/// What a tier keeps when its endpoints change.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    next: AtomicUsize,
    pub(super) latency: Mean,
}

/// How far away a tier is; the nearest sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Distance {
    Zone,
    Region,
    /// A region by its rank among the others.
    Elsewhere(usize),
}

impl Distance {
    pub(super) fn is_elsewhere(self) -> bool {
        matches!(self, Distance::Elsewhere(_))
    }
}

/// Other regions, in their order.
struct Regions<'a> {
    config: &'a Config,
    others: Vec<Arc<str>>,
}

impl<'a> Regions<'a> {
    fn new(config: &'a Config) -> Self {
        Regions { config, others: config.other_regions.clone() }
    }

    /// How far away an endpoint is. One that does not say where it is, is where we are.
    fn distance(&mut self, region: Option<&Arc<str>>, zone: Option<&Arc<str>>) -> Distance {
        let ours = self.config.region.as_ref();
        if let (Some(ours), Some(region)) = (ours, region)
            && ours != region
        {
            let known = self.others.iter().position(|other| other == region);
            return Distance::Elsewhere(known.unwrap_or_else(|| {
                self.others.push(region.clone());
                self.others.len() - 1
            }));
        }
        match (self.config.zone.as_ref(), zone) {
            (Some(ours), Some(zone)) if ours != zone => Distance::Region,
            _ => Distance::Zone,
        }
    }

    fn name(&self, distance: Distance) -> Option<Arc<str>> {
        match distance {
            Distance::Elsewhere(rank) => self.others.get(rank).cloned(),
            Distance::Zone | Distance::Region => None,
        }
    }
}

impl Tier {
    /// The tier of `members`, which are at `distance` and take traffic.
    fn new(
        distance: Distance,
        region: Option<Arc<str>>,
        members: Vec<(usize, u64)>,
        pulse: Arc<Pulse>,
    ) -> Self {
        let divisor = members.iter().fold(0, |divisor, (_, weight)| common_divisor(divisor, *weight)).max(1);
        let mut total = 0;
        let sums: Box<[u64]> = members
            .iter()
            .map(|(_, weight)| {
                total += weight / divisor;
                total
            })
            .collect();
        Tier {
            distance,
            region,
            heaviest: members.iter().map(|(_, weight)| *weight).max().unwrap_or(1),
            stride: if total == members.len() as u64 { 1 } else { stride(total) },
            members: members.into_iter().map(|(place, _)| place).collect(),
            sums,
            fitness: AtomicU64::new(WHOLE),
            fullest: AtomicU64::new(WHOLE),
            pulse,
        }
    }

    /// The endpoint whose turn it is, as its place among the members. In a whole round each has as many turns as its weight,
    /// spread over the round.
    #[inline]
    pub(super) fn turn(&self) -> usize {
        let turn = self.pulse.next.fetch_add(1, Relaxed) as u64;
        let total = self.total();
        if self.stride == 1 {
            return self.holder(turn % total);
        }
        self.holder((u128::from(turn % total) * u128::from(self.stride) % u128::from(total)) as u64)
    }

    /// The sum of the weights, divided by what divides them all.
    #[inline]
    pub(super) fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0).max(1)
    }

    /// The member that holds this one of all the weights.
    #[inline]
    pub(super) fn holder(&self, slot: u64) -> usize {
        if self.sums.len() as u64 == self.total() {
            return slot as usize;
        }
        self.sums.partition_point(|sum| *sum <= slot)
    }

    /// How many times the weight goes into the heaviest.
    #[cold]
    pub(super) fn times_lighter(&self, weight: u64) -> f64 {
        self.heaviest as f64 / weight as f64
    }

    /// Takes note of what share of the weight is fit.
    pub(super) fn weigh(&self, fit: u64, whole: u64, settings: &Settings, now: Time) {
        let share = if whole == 0 { 0.0 } else { fit as f64 / whole as f64 };
        let able = (share / settings.config().spill_over).min(1.0) * self.swiftness(settings, now);
        self.fitness.store((able * WHOLE as f64) as u64, Relaxed);
    }

    /// 1 for a tier that is fast, down to a tenth for one whose calls are slow on average.
    fn swiftness(&self, settings: &Settings, now: Time) -> f64 {
        let config = settings.config();
        let slow =
            if self.distance.is_elsewhere() { config.slow_other_region } else { config.slow_same_region };
        let of_slow = self.pulse.latency.read(now, settings.decay) / nanos(slow) as f64;
        (2.0 - 2.0 * of_slow).clamp(0.1, 1.0)
    }
}

/// The tiers of `members`, nearest first; those that were there in `before` keep their pulses.
pub(super) fn tiers(members: &mut [Member], settings: &Settings, before: &[Tier]) -> Box<[Tier]> {
    let mut regions = Regions::new(settings.config());
    let distances: Vec<Distance> =
        members.iter().map(|m| regions.distance(m.region.as_ref(), m.zone.as_ref())).collect();
    let mut order = distances.clone();
    order.sort_unstable();
    order.dedup();
    for (member, distance) in members.iter_mut().zip(&distances) {
        member.tier = order.binary_search(distance).unwrap_or(0);
        member.home = match distance {
            Distance::Zone | Distance::Region => 0,
            Distance::Elsewhere(rank) => rank + 1,
        };
    }
    let tier = |(number, distance): (usize, Distance)| {
        let takes_traffic = |(place, member): (usize, &Member)| {
            (member.tier == number && member.weight > 0).then_some((place, member.weight))
        };
        let members = members.iter().enumerate().filter_map(takes_traffic).collect();
        let region = regions.name(distance);
        let is_same = |old: &&Tier| match distance {
            Distance::Elsewhere(_) => old.distance.is_elsewhere() && old.region == region,
            _ => old.distance == distance,
        };
        let pulse = before.iter().find(is_same).map_or_else(Arc::default, |old| old.pulse.clone());
        Tier::new(distance, region, members, pulse)
    };
    order.into_iter().enumerate().map(tier).collect()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// A step through `total` places that comes to each once and far from the last: the golden section's, made coprime.
fn stride(total: u64) -> u64 {
    let golden = (total as f64 * 0.618_034) as u64;
    (golden.max(1)..).find(|step| common_divisor(*step, total) == 1).unwrap_or(1)
}
