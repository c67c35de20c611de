//! The odd one out: endpoints that are worse than their region's others.
//!
//! Thresholds of an endpoint's own cannot see that it fails 8 % of its calls where the others fail none. The rules are those
//! of Envoy's outlier detection — so many standard deviations from the mean of the endpoints that had enough calls in the
//! interval, an ejection that grows with each in a row — with a gap besides, since deviations alone are nothing in a fleet
//! that is nearly perfect, and with a rule for latency, which Envoy has not.

use super::config::{Outliers, Settings};
use super::endpoint::Member;
use crate::sync::{Relaxed, lock};
use crate::time::nanos;
use crate::{Ratio, Time};

/// What a comparison remembers of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The counters at the last comparison.
    seen: Calls,
    /// The calls between the last two.
    last: Calls,
    /// Ejections in a row; one is forgotten with each comparison that it passes.
    row: u32,
    /// Ejections since the start.
    pub(super) ejections: u64,
    /// The rule of the last ejection.
    pub(super) rule: Option<OutlierRule>,
}

/// By which rule an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum OutlierRule {
    /// Its share of good calls was far below the others'.
    SuccessRate,
    /// Its mean latency was far above the others'.
    Latency,
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    good: u64,
    bad: u64,
    nanos: u64,
}

impl Calls {
    fn total(self) -> u64 {
        self.good + self.bad
    }

    /// The figure that `rule` compares: the higher, the worse.
    fn badness(self, rule: OutlierRule) -> f64 {
        let part = match rule {
            OutlierRule::SuccessRate => self.bad,
            OutlierRule::Latency => self.nanos,
        };
        part as f64 / self.total() as f64
    }
}

/// Compares the endpoints of every region, over their calls since the last time. Answers whether one was ejected.
pub(super) fn compare(members: &[Member], regions: usize, settings: &Settings, now: Time) -> bool {
    let Some(rules) = &settings.config().outliers else { return false };
    for member in members {
        roll(member);
    }
    let mut ejected = false;
    for region in 0..regions {
        let fleet = Fleet { members, region, rules, now };
        for (rule, factor) in
            [(OutlierRule::SuccessRate, rules.success_rate), (OutlierRule::Latency, rules.latency)]
        {
            while let Some(worst) = factor.and_then(|factor| fleet.odd_one(rule, factor)) {
                fleet.eject(worst, rule, settings);
                ejected = true;
            }
        }
        for (member, _) in fleet.compared().filter(|(member, _)| !fleet.is_ejected(member)) {
            let mut record = lock(&member.endpoint.record);
            record.row = record.row.saturating_sub(1);
        }
    }
    ejected
}

fn roll(member: &Member) {
    let endpoint = &member.endpoint;
    let mut record = lock(&endpoint.record);
    let read = Calls {
        good: endpoint.success.load(Relaxed),
        bad: endpoint.failure.load(Relaxed),
        nanos: endpoint.nanos.load(Relaxed),
    };
    let seen = core::mem::replace(&mut record.seen, read);
    record.last = Calls {
        good: read.good - seen.good,
        bad: read.bad - seen.bad,
        nanos: read.nanos.wrapping_sub(seen.nanos),
    };
}

/// A region's endpoints that take traffic.
struct Fleet<'a> {
    members: &'a [Member],
    region: usize,
    rules: &'a Outliers,
    now: Time,
}

impl Fleet<'_> {
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.home == self.region && member.weight > 0)
    }

    fn is_ejected(&self, member: &Member) -> bool {
        member.endpoint.out_until.load(Relaxed) > self.now.as_nanos()
    }

    /// The calls of those that had enough, ejected ones of this comparison included: the mean does not move with them.
    fn compared(&self) -> impl Iterator<Item = (&Member, Calls)> {
        self.members()
            .map(|member| (member, lock(&member.endpoint.record).last))
            .filter(|(_, calls)| calls.total() >= u64::from(self.rules.minimum_calls))
    }

    /// The worst endpoint that the rule finds and that may be ejected.
    fn odd_one(&self, rule: OutlierRule, factor: f64) -> Option<&Member> {
        let most = Ratio::new(self.rules.max_ejected)?.of(self.members().count() as u64);
        if self.members().filter(|member| self.is_ejected(member)).count() as u64 >= most {
            return None;
        }
        let count = self.compared().count();
        if count < self.rules.minimum_endpoints as usize {
            return None;
        }
        let figures = || self.compared().map(|(_, calls)| calls.badness(rule));
        let mean = figures().sum::<f64>() / count as f64;
        let variance = figures().map(|figure| (figure - mean) * (figure - mean)).sum::<f64>() / count as f64;
        let gap = match rule {
            OutlierRule::SuccessRate => self.rules.success_gap,
            OutlierRule::Latency => mean * (self.rules.latency_times - 1.0),
        };
        let is_odd = |worse: f64| worse > 0.0 && worse >= gap && worse * worse > factor * factor * variance;
        self.compared()
            .map(|(member, calls)| (member, calls.badness(rule) - mean))
            .filter(|(member, worse)| is_odd(*worse) && !self.is_ejected(member))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(member, _)| member)
    }

    fn eject(&self, member: &Member, rule: OutlierRule, settings: &Settings) {
        let mut record = lock(&member.endpoint.record);
        record.row = record.row.saturating_add(1);
        record.ejections += 1;
        record.rule = Some(rule);
        let span = nanos(self.rules.base_ejection).saturating_mul(u64::from(record.row));
        let until = self.now.plus_nanos(span.min(nanos(self.rules.max_ejection)));
        member.endpoint.out_until.store(until.as_nanos(), Relaxed);
        member.endpoint.start_slowly(until, settings);
    }
}
