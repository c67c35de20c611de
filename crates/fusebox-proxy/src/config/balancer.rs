//! `[service.balancer]`: how an endpoint is chosen, and where we are.

use super::keys::{BALANCER, OUTLIERS};
use super::plan::Endpoint;
use super::reader::{Entry, Table};
use fusebox_core::balancer::{Config, OnPanic, Outliers, Settings, Strategy};
use std::sync::Arc;

const NAME: &str = "a name in quotes";
const SHARE: &str = "a share above 0, up to 1";
const FACTOR: &str = "a number above 0, or false for off";

/// Where we are.
#[derive(Clone, Default)]
pub(super) struct Home {
    region: Option<Arc<str>>,
    zone: Option<Arc<str>>,
}

impl Home {
    /// What `table` says of where we are, or else what is known already: a zone is one of its region.
    pub(super) fn of(table: &Table<'_>, outer: &Home) -> Home {
        let place = |key| table.entry(key).and_then(|e| name(&e));
        let (region, zone) = (place("region"), place("zone"));
        match region {
            Some(region) => Home { region: Some(region), zone },
            None => Home { region: outer.region.clone(), zone: zone.or_else(|| outer.zone.clone()) },
        }
    }
}

/// The balancer of `service`, which may write none.
pub(super) fn read(service: &Table<'_>, home: &Home, endpoints: &[Endpoint]) -> Option<Settings> {
    let home = Home::of(service, home);
    let Some(entry) = service.entry("balancer") else {
        let Home { region, zone } = home;
        return Config { region, zone, ..Config::default() }.check().ok();
    };
    let t = entry.table(&BALANCER, "a table, as [service.balancer]")?;
    for place in ["region", "zone"] {
        if let (Some(entry), Some(_)) = (t.entry(place), service.entry(place)) {
            entry.fault(&format!(
                "found {place} in the service and in its balancer, accepted: one of the two"
            ));
        }
    }
    let Home { region, zone } = Home::of(&t, &home);
    let usual = Config::default();
    let strategy = t.or("strategy", usual.strategy, |e| e.word(&Strategy::ALL));
    let decay = t.or("decay", usual.decay, Entry::duration);
    let penalty = t.or("penalty", usual.penalty, Entry::duration);
    let first_latency = t.or("first_latency", usual.first_latency, Entry::duration);
    let slow_start = t.or("slow_start", usual.slow_start, Entry::duration);
    let outliers = t.or("outliers", usual.outliers, |e| e.off_or(outliers));
    let on_panic = t.or("on_panic", usual.on_panic, |e| e.word(&OnPanic::ALL));
    let other_regions = t.or("other_regions", Vec::new(), |e| other_regions(e, endpoints));
    let spill_over = t.or("spill_over", usual.spill_over, |e| e.number(SHARE));
    let slow_same_region = t.or("slow_same_region", usual.slow_same_region, Entry::duration);
    let slow_other_region = t.or("slow_other_region", usual.slow_other_region, Entry::duration);
    let config = Config {
        strategy: strategy?,
        decay: decay?,
        penalty: penalty?,
        first_latency: first_latency?,
        slow_start: slow_start?,
        outliers: outliers?,
        on_panic: on_panic?,
        region,
        zone,
        other_regions: other_regions?,
        spill_over: spill_over?,
        slow_same_region: slow_same_region?,
        slow_other_region: slow_other_region?,
    };
    t.checked(config.check(), &[])
}

fn name(e: &Entry<'_>) -> Option<Arc<str>> {
    e.parsed(NAME, |text| (!text.is_empty()).then(|| text.into()))
}

/// Regions to go to when ours is out: a name that no endpoint bears is a slip.
fn other_regions(e: &Entry<'_>, endpoints: &[Endpoint]) -> Option<Vec<Arc<str>>> {
    let known = || endpoints.iter().filter_map(|endpoint| endpoint.region.as_deref());
    let mut regions: Vec<Arc<str>> = Vec::new();
    let mut whole = true;
    for e in e.list("a list of regions, the next best first, as [\"us-east-1\"]")? {
        let Some(region) = name(&e) else {
            whole = false;
            continue;
        };
        if !known().any(|known| known == &*region) {
            e.refuse("a region that an endpoint is in");
        } else if regions.contains(&region) {
            e.refuse("each region once");
        }
        regions.push(region);
    }
    whole.then_some(regions)
}

fn outliers(e: &Entry<'_>) -> Option<Outliers> {
    let t = e.table(&OUTLIERS, "a table, as { minimum_calls = 20 }, or false for off")?;
    let usual = Outliers::default();
    let interval = t.or("interval", usual.interval, Entry::duration);
    let minimum_calls =
        t.or("minimum_calls", usual.minimum_calls, |e| e.whole("a whole number of 1 or more"));
    let minimum_endpoints =
        t.or("minimum_endpoints", usual.minimum_endpoints, |e| e.whole("a whole number of 3 or more"));
    let success_rate = t.or("success_rate", usual.success_rate, |e| e.off_or(|e| e.number(FACTOR)));
    let success_gap = t.or("success_gap", usual.success_gap, |e| e.number("a share from 0 to below 1"));
    let latency = t.or("latency", usual.latency, |e| e.off_or(|e| e.number(FACTOR)));
    let latency_times = t.or("latency_times", usual.latency_times, |e| e.number("a number of 1 or more"));
    let base_ejection = t.or("base_ejection", usual.base_ejection, Entry::duration);
    let max_ejection =
        t.or("max_ejection", usual.max_ejection.max(base_ejection.unwrap_or_default()), Entry::duration);
    let max_ejected = t.or("max_ejected", usual.max_ejected, |e| e.number(SHARE));
    Some(Outliers {
        interval: interval?,
        minimum_calls: minimum_calls?,
        minimum_endpoints: minimum_endpoints?,
        success_rate: success_rate?,
        success_gap: success_gap?,
        latency: latency?,
        latency_times: latency_times?,
        base_ejection: base_ejection?,
        max_ejection: max_ejection?,
        max_ejected: max_ejected?,
    })
}
