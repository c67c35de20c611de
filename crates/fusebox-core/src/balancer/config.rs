//! What a user may set, with the defaults.

use crate::breaker::ConfigError;
use crate::time::nanos;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The longest span of any setting.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// How an endpoint is chosen among those that are fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Strategy {
    /// In turn, each as often as its weight says.
    #[default]
    RoundRobin,
    /// The one with the fewest calls in flight for its weight; in turn among equals. Looks at every endpoint.
    LeastRequests,
    /// The better of two drawn at random, by latency and calls in flight ("power of two choices" with peak-EWMA).
    P2c,
}

impl Strategy {
    /// Every strategy, with the name it has in configuration files.
    pub const ALL: [(&'static str, Strategy); 3] = [
        ("round_robin", Strategy::RoundRobin),
        ("least_requests", Strategy::LeastRequests),
        ("p2c", Strategy::P2c),
    ];

    /// The name it has in configuration files.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// What happens to a call when every endpoint is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum OnPanic {
    /// It is refused with [`Reason::NoEndpoint`](crate::Reason::NoEndpoint), and the fallback answers.
    #[default]
    FallBack,
    /// It goes to one of them all the same. An endpoint that only its health or the fleet keeps out is picked as if it were
    /// fit; for one whose circuit is open the driver asks [`pick_anyway`](super::Balancer::pick_anyway).
    SendAnyway,
    /// It is refused with [`Reason::FleetOut`](crate::Reason::FleetOut), and no fallback answers.
    Fail,
}

impl OnPanic {
    /// Every answer, with the name it has in configuration files.
    pub const ALL: [(&'static str, OnPanic); 3] =
        [("fall_back", OnPanic::FallBack), ("send_anyway", OnPanic::SendAnyway), ("fail", OnPanic::Fail)];
}

/// A balancer's configuration, unchecked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How an endpoint is chosen. Default: in turn.
    pub strategy: Strategy,
    /// The time in which a peak of latency fades to 37 %. Default: 10 s.
    pub decay: Duration,
    /// The least latency that a failure is charged, however fast it was. Default: 5 s.
    pub penalty: Duration,
    /// What an endpoint's latency is taken for while nothing is known of it or its neighbours. Default: 30 ms.
    pub first_latency: Duration,
    /// How long an endpoint takes to its full share after its circuit has closed, after it has become healthy, or when it
    /// comes new to others; 0 gives it all at once. Default: 10 s.
    pub slow_start: Duration,
    /// When an endpoint is sent no calls because it is worse than the others; `None` never does. Default: on.
    pub outliers: Option<Outliers>,
    /// What happens when every endpoint is out. Default: the fallback answers.
    pub on_panic: OnPanic,
    /// Our own region, and zone in it. Without either, endpoints are the same wherever they are. Default: none.
    pub region: Option<Arc<str>>,
    /// See `region`.
    pub zone: Option<Arc<str>>,
    /// Other regions, the next best first. Those that are not in the list follow in the order of their endpoints.
    pub other_regions: Vec<Arc<str>>,
    /// Calls spill over to a farther tier when less than this share of the nearer one's weight is fit. Default: 0.7.
    pub spill_over: f64,
    /// A mean latency at which a tier of our own region has lost all but a tenth of its calls to the next; it begins to
    /// lose them at half of it. Default: 5 s.
    pub slow_same_region: Duration,
    /// The same for tiers of other regions. Default: 15 s.
    pub slow_other_region: Duration,
}

/// When an endpoint is worse than the others, by rules that compare it to its region's endpoints.
///
/// After Envoy's outlier detection. An endpoint whose figure is `factor` standard deviations worse than the mean *and* worse
/// by the rule's gap is ejected: in a fleet that is nearly perfect, a single error is many deviations away and means nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outliers {
    /// How often endpoints are compared, over the calls since the last time. Default: 10 s.
    pub interval: Duration,
    /// Calls in the interval that an endpoint needs to be compared. Default: 20.
    pub minimum_calls: u32,
    /// Endpoints with so many calls that a region needs for a comparison. Among five, none can stand 1.9 deviations off.
    /// Default: 6.
    pub minimum_endpoints: u32,
    /// Standard deviations of the success rate below its mean; `None` turns the rule off. Default: 1.9.
    pub success_rate: Option<f64>,
    /// The least difference to the mean success rate. Default: 0.05.
    pub success_gap: f64,
    /// Standard deviations of the mean latency above the region's; `None` turns the rule off. Default: 1.9.
    pub latency: Option<f64>,
    /// How many times the region's mean latency it is at the least. Default: 3.
    pub latency_times: f64,
    /// How long the first ejection lasts; the n-th in a row lasts n times as long. Default: 30 s.
    pub base_ejection: Duration,
    /// The longest ejection. Default: 5 min.
    pub max_ejection: Duration,
    /// The largest share of a region's endpoints that may be ejected at once. It binds nothing but these rules: an
    /// endpoint's own circuit opens all the same. Default: 0.5.
    pub max_ejected: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            strategy: Strategy::RoundRobin,
            decay: Duration::from_secs(10),
            penalty: Duration::from_secs(5),
            first_latency: Duration::from_millis(30),
            slow_start: Duration::from_secs(10),
            outliers: Some(Outliers::default()),
            on_panic: OnPanic::FallBack,
            region: None,
            zone: None,
            other_regions: Vec::new(),
            spill_over: 0.7,
            slow_same_region: Duration::from_secs(5),
            slow_other_region: Duration::from_secs(15),
        }
    }
}

impl Default for Outliers {
    fn default() -> Self {
        Outliers {
            interval: Duration::from_secs(10),
            minimum_calls: 20,
            minimum_endpoints: 6,
            success_rate: Some(1.9),
            success_gap: 0.05,
            latency: Some(1.9),
            latency_times: 3.0,
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected: 0.5,
        }
    }
}

/// Settings that can work, made by [`Config::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    config: Config,
    /// One over the time constant, per nanosecond.
    pub(super) decay: f64,
    /// Nanoseconds, as are the next two.
    pub(super) penalty: u64,
    pub(super) first_latency: f64,
    pub(super) slow_start: u64,
}

impl Settings {
    /// The configuration these settings were checked from.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Default for Settings {
    fn default() -> Self {
        Config::default().checked()
    }
}

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// All the settings that can never work.
    pub fn check(self) -> Result<Settings, Vec<ConfigError>> {
        let mut found = Findings(Vec::new());
        let millisecond = Duration::from_millis(1);
        found.span("decay", self.decay, millisecond);
        found.span("penalty", self.penalty, Duration::ZERO);
        found.span("first_latency", self.first_latency, Duration::from_micros(1));
        found.span("slow_start", self.slow_start, Duration::ZERO);
        found.share("spill_over", self.spill_over);
        found.span("slow_same_region", self.slow_same_region, millisecond);
        found.span("slow_other_region", self.slow_other_region, millisecond);
        if let Some(ours) = self.region.as_ref().filter(|ours| self.other_regions.contains(ours)) {
            found.add("other_regions", format!("{ours:?}"), "regions other than region, which is ours");
        }
        if !self.other_regions.is_empty() && self.region.is_none() {
            let list = format!("{:?}", self.other_regions);
            found.add("other_regions", list, "a list where region says which one is ours");
        }
        if let Some(outliers) = &self.outliers {
            found.outliers(outliers);
        }
        if found.0.is_empty() { Ok(self.checked()) } else { Err(found.0) }
    }

    fn checked(self) -> Settings {
        Settings {
            decay: 1.0 / nanos(self.decay) as f64,
            penalty: nanos(self.penalty),
            first_latency: nanos(self.first_latency) as f64,
            slow_start: nanos(self.slow_start),
            config: self,
        }
    }
}

struct Findings(Vec<ConfigError>);

impl Findings {
    fn add(&mut self, field: &'static str, found: String, accepted: impl Into<String>) {
        self.0.push(ConfigError { field, found, accepted: accepted.into() });
    }

    fn span(&mut self, field: &'static str, found: Duration, least: Duration) {
        if found < least || found > LONGEST {
            self.add(field, format!("{found:?}"), format!("a duration from {least:?} to a year"));
        }
    }

    fn share(&mut self, field: &'static str, found: f64) {
        if !(found > 0.0 && found <= 1.0) {
            self.add(field, format!("{found}"), "a share above 0, up to 1 (0.5 is one half)");
        }
    }

    fn factor(&mut self, field: &'static str, found: Option<f64>) {
        if found.is_some_and(|factor| !(factor > 0.0 && factor <= 100.0)) {
            self.add(field, format!("{found:?}"), "a number above 0, up to 100");
        }
    }

    fn outliers(&mut self, rules: &Outliers) {
        self.span("outliers.interval", rules.interval, Duration::from_millis(100));
        if rules.minimum_calls == 0 {
            self.add("outliers.minimum_calls", "0".into(), "a whole number of 1 or more");
        }
        if rules.minimum_endpoints < 3 {
            let least = "a whole number of 3 or more: of two, neither is the odd one";
            self.add("outliers.minimum_endpoints", format!("{}", rules.minimum_endpoints), least);
        }
        self.factor("outliers.success_rate", rules.success_rate);
        if !(0.0..1.0).contains(&rules.success_gap) {
            self.add("outliers.success_gap", format!("{}", rules.success_gap), "a share from 0 to below 1");
        }
        self.factor("outliers.latency", rules.latency);
        if !(rules.latency_times >= 1.0 && rules.latency_times.is_finite()) {
            self.add("outliers.latency_times", format!("{}", rules.latency_times), "a number of 1 or more");
        }
        if rules.latency.is_some() && rules.latency_times >= f64::from(rules.minimum_endpoints) {
            let least = format!("less than outliers.minimum_endpoints ({})", rules.minimum_endpoints);
            self.add("outliers.latency_times", format!("{}", rules.latency_times), least);
        }
        self.span("outliers.base_ejection", rules.base_ejection, Duration::from_millis(1));
        self.span("outliers.max_ejection", rules.max_ejection, Duration::from_millis(1));
        if rules.max_ejection < rules.base_ejection {
            let least = format!("outliers.base_ejection ({:?}) or longer", rules.base_ejection);
            self.add("outliers.max_ejection", format!("{:?}", rules.max_ejection), least);
        }
        self.share("outliers.max_ejected", rules.max_ejected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_default_passes_its_own_check() {
        assert_eq!(Config::default().check(), Ok(Settings::default()));
    }

    #[test]
    fn what_can_never_work_is_refused_all_at_once() {
        let outliers = Outliers {
            interval: Duration::ZERO,
            minimum_calls: 0,
            minimum_endpoints: 2,
            success_rate: Some(0.0),
            success_gap: 1.0,
            latency: Some(f64::NAN),
            latency_times: 0.5,
            base_ejection: Duration::from_secs(3),
            max_ejection: Duration::from_secs(2),
            max_ejected: 1.5,
        };
        let config = Config {
            decay: Duration::ZERO,
            penalty: Duration::MAX,
            spill_over: 0.0,
            region: Some("eu".into()),
            other_regions: vec!["us".into(), "eu".into()],
            outliers: Some(outliers),
            ..Config::default()
        };
        let wrong = config.check().expect_err("can not work");
        let fields: Vec<_> = wrong.iter().map(|e| e.field).collect();
        let rules = [
            "interval",
            "minimum_calls",
            "minimum_endpoints",
            "success_rate",
            "success_gap",
            "latency",
            "latency_times",
            "max_ejection",
            "max_ejected",
        ];
        assert_eq!(fields[..4], ["decay", "penalty", "spill_over", "other_regions"]);
        let nested: Vec<_> = fields[4..].iter().filter_map(|field| field.strip_prefix("outliers.")).collect();
        assert_eq!(nested, rules);
    }

    #[test]
    fn an_order_of_regions_without_our_own_is_refused() {
        let config = Config { other_regions: vec!["us".into()], ..Config::default() };
        let wrong = config.check().expect_err("can not work");
        assert_eq!((wrong[0].field, wrong[0].found.as_str()), ("other_regions", "[\"us\"]"));
    }

    #[test]
    fn names_are_those_of_their_variants() {
        for (name, strategy) in Strategy::ALL {
            assert_eq!(strategy.as_str(), name);
        }
    }
}
