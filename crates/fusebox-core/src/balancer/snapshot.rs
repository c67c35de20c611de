//! A copyable view of a balancer.

use super::fleet::OutlierRule;
use super::{Balancer, Strategy};
use crate::sync::{Relaxed, lock};
use crate::{Ratio, Time};
use alloc::string::String;
use alloc::vec::Vec;

/// A balancer at one moment.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// How endpoints are chosen.
    pub strategy: Strategy,
    /// Every endpoint, by its number.
    pub endpoints: Vec<EndpointSnapshot>,
    /// Endpoints that are equally near, the nearest first.
    pub tiers: Vec<TierSnapshot>,
    /// Calls for which no endpoint was fit, since the start. They are counted on when the endpoints change.
    pub refused: u64,
}

/// An endpoint at one moment. Its circuit has a snapshot of its own.
///
/// `picked` is the sum of `in_flight`, `success`, `failure`, `ignored`, `cancelled` and `given_back`, but for calls that move
/// between them while they are read.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EndpointSnapshot {
    /// Its name.
    pub name: String,
    /// The region it says it runs in.
    pub region: Option<String>,
    /// The zone it says it runs in.
    pub zone: Option<String>,
    /// Its share of the calls, compared to the others'.
    pub weight: u32,
    /// The number of its tier.
    pub tier: usize,
    /// Calls picked for it that have not ended.
    pub in_flight: u64,
    /// The latency it is taken for, in nanoseconds: what its calls took or were charged, as a peak that fades.
    pub latency_nanos: u64,
    /// The share of its traffic that a slow start leaves it.
    pub ramp: Ratio,
    /// Whether its checks have not found it unhealthy.
    pub healthy: bool,
    /// Health checks that found it well, since the start.
    pub good_checks: u64,
    /// Health checks that did not.
    pub bad_checks: u64,
    /// Until when the fleet keeps it out.
    pub ejected_until: Option<Time>,
    /// Ejections since the start.
    pub ejections: u64,
    /// The rule of the last ejection.
    pub last_ejection: Option<OutlierRule>,
    /// Calls picked for it, since the start.
    pub picked: u64,
    /// Calls that ended as successes.
    pub success: u64,
    /// Calls that ended as failures.
    pub failure: u64,
    /// Calls that ended as ignored.
    pub ignored: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Picked, then not called.
    pub given_back: u64,
}

/// Endpoints that are equally near, at one moment.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TierSnapshot {
    /// The region's name, when it is another than ours.
    pub region: Option<String>,
    /// The share of all calls that it had at the last look.
    pub share: Ratio,
    /// The mean latency of its calls in nanoseconds, each charged as its endpoint was; 0 while there is only one tier.
    pub latency_nanos: u64,
}

impl Balancer {
    /// The balancer at `now`.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let settings = &self.settings;
        let endpoint = |member: &super::Member| {
            let endpoint = &member.endpoint;
            let record = lock(&endpoint.record);
            let out_until = Time::from_nanos(endpoint.out_until.load(Relaxed));
            EndpointSnapshot {
                name: (*endpoint.name).into(),
                region: member.region.as_deref().map(Into::into),
                zone: member.zone.as_deref().map(Into::into),
                weight: member.weight as u32,
                tier: member.tier,
                in_flight: endpoint.in_flight(),
                latency_nanos: endpoint.peak.read(now, settings.decay) as u64,
                ramp: share(endpoint.ramp(now, settings)),
                healthy: endpoint.healthy.load(Relaxed),
                good_checks: endpoint.checks[1].load(Relaxed),
                bad_checks: endpoint.checks[0].load(Relaxed),
                ejected_until: (out_until > now).then_some(out_until),
                ejections: record.ejections,
                last_ejection: record.rule,
                picked: endpoint.picked.load(Relaxed),
                success: endpoint.success.load(Relaxed),
                failure: endpoint.failure.load(Relaxed),
                ignored: endpoint.ignored.load(Relaxed),
                cancelled: endpoint.cancelled.load(Relaxed),
                given_back: endpoint.given_back.load(Relaxed),
            }
        };
        let able: u64 = self.tiers.iter().map(|tier| tier.fitness.load(Relaxed)).sum();
        let (mut left, whole) = (able.min(super::WHOLE), able.clamp(1, super::WHOLE));
        let tier = |tier: &super::Tier| {
            let borne = tier.fitness.load(Relaxed).min(left);
            left -= borne;
            TierSnapshot {
                region: tier.region.as_deref().map(Into::into),
                share: share(borne * super::WHOLE / whole),
                latency_nanos: tier.pulse.latency.read(now, settings.decay) as u64,
            }
        };
        Snapshot {
            strategy: settings.config().strategy,
            endpoints: self.members.iter().map(endpoint).collect(),
            tiers: self.tiers.iter().map(tier).collect(),
            refused: self.refused.load(Relaxed),
        }
    }
}

fn share(of_whole: u64) -> Ratio {
    Ratio::new(of_whole as f64 / super::WHOLE as f64).unwrap_or(Ratio::ONE)
}
