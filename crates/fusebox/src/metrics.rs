//! Snapshots as the crate [`metrics`] has them, and through it whatever exports them.
//!
//! ```
//! use fusebox::{Fuse, Registry, bulkhead, metrics::Publisher};
//!
//! # fn main() -> Result<(), fusebox::InvalidConfig> {
//! let circuit = Registry::global().circuit("orders");
//! let orders = Fuse::builder("orders").circuit(circuit).bulkhead(bulkhead::Config::default()).build()?;
//! let publisher = Publisher::new(Registry::global()).pipeline("orders", orders.pipeline());
//! // Just before a scrape, or every few seconds:
//! publisher.publish();
//! # Ok(())
//! # }
//! ```
//!
//! Calls pay nothing for it: circuits count for themselves, and [`Publisher::publish`] reads them. The names are those
//! that the proxy's `/metrics` has:
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `circuit_breaker_state`: 0 closed, 1 open, 2 half-open | gauge | `circuit_name`, `service` |
//! | `circuit_breaker_calls_total` | counter | `circuit_name`, `result` |
//! | `circuit_breaker_state_changes_total` | counter | `circuit_name`, `from_state`, `to_state` |
//! | `circuit_breaker_failure_rate`, 0 to 1 | gauge | `circuit_name` |
//! | `circuit_breaker_slow_call_rate`, 0 to 1 | gauge | `circuit_name` |
//! | `circuit_breaker_hung_calls` | gauge | `circuit_name` |
//! | `circuit_breaker_consecutive_failures` | gauge | `circuit_name` |
//! | `circuit_breaker_internal_faults_total` | counter | `circuit_name` |
//! | `fusebox_circuits_turned_away_total` | counter | |
//! | `fusebox_metrics_capped`: circuits without series of their own | gauge | |
//!
//! `result` has the values of [`RESULTS`]. The policies of the pipelines that it is given are told as the proxy's `/metrics`
//! tells them, name by name: `docs/admin.md` has the list. Counters in seconds are gauges here, since the crate's counters
//! are whole numbers. Histograms are not told: the crate's take one value after another, and a [record](crate::record) has counted
//! them already.
//!
//! Names may come from user input, and a recorder keeps every series it has ever seen. The first 1,000 names get series
//! of their own; circuits by further names are told together as `other`.

use crate::connections::ConnectionPool;
use crate::registry::Registry;
use crate::telemetry::{Kind, RESULTS, Subjects, Tell, policies};
use ::metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use fusebox_core::breaker::{Snapshot, State, Totals, WindowCounts};
use fusebox_core::fallback::Counters;
use fusebox_core::pipeline::Pipeline;
use fusebox_core::registry::OTHER;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Names with series of their own.
const MOST: usize = 1_000;

const STATE: &str = "circuit_breaker_state";
const CALLS: &str = "circuit_breaker_calls_total";
const CHANGES: &str = "circuit_breaker_state_changes_total";
const FAILURE_RATE: &str = "circuit_breaker_failure_rate";
const SLOW_RATE: &str = "circuit_breaker_slow_call_rate";
const HUNG: &str = "circuit_breaker_hung_calls";
const CONSECUTIVE: &str = "circuit_breaker_consecutive_failures";
const FAULTS: &str = "circuit_breaker_internal_faults_total";
const TURNED_AWAY: &str = "fusebox_circuits_turned_away_total";
const CAPPED: &str = "fusebox_metrics_capped";

/// Publishes the circuits of a registry, and the policies of pipelines, to the recorder of the crate `metrics`.
#[derive(Debug)]
pub struct Publisher {
    registry: Registry,
    subjects: Subjects,
    most: usize,
    told: Mutex<Told>,
}

/// What the recorder knows already.
#[derive(Debug, Default)]
struct Told {
    /// Names with series of their own.
    own: HashSet<Arc<str>>,
    /// The totals of each circuit at the last time, by the address of its name, which belongs to one circuit alone and
    /// stays taken while it is held here.
    last: HashMap<usize, (Arc<str>, Totals)>,
    turned_away: u64,
}

impl Publisher {
    /// A publisher of the circuits that `registry` has whenever it publishes. One for a registry and a recorder: a second
    /// one would count every call again.
    pub fn new(registry: &Registry) -> Self {
        Publisher {
            registry: registry.clone(),
            subjects: Subjects::default(),
            most: MOST,
            told: Mutex::default(),
        }
    }

    /// Also the policies of a pipeline before `service`: those of [`Fuse::pipeline`](crate::Fuse::pipeline). Policies of one
    /// service are told together, and one that several pipelines share is counted once.
    #[must_use]
    pub fn pipeline(mut self, service: impl Into<String>, pipeline: &Pipeline) -> Self {
        self.subjects.pipelines.push((service.into(), Arc::new(pipeline.clone())));
        self
    }

    /// Also the connections of a pool, to `endpoint` of `service`.
    #[must_use]
    pub fn connections<C>(
        mut self,
        service: impl Into<String>,
        endpoint: impl Into<String>,
        pool: &ConnectionPool<C>,
    ) -> Self {
        self.subjects.connections.push((service.into(), endpoint.into(), pool.places().clone()));
        self
    }

    /// Also what came of the fallbacks of `service`: those of
    /// [`Fuse::fallback_counters`](crate::Fuse::fallback_counters).
    #[must_use]
    pub fn fallbacks(mut self, service: impl Into<String>, counters: &Arc<Counters>) -> Self {
        self.subjects.fallbacks.push((service.into(), counters.clone()));
        self
    }

    /// Tells the recorder that is current how all circuits stand now, and what they have counted since the last time.
    pub fn publish(&self) {
        describe();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = std::mem::take(&mut told.last);
        let (mut shared, mut capped) = (None::<Gauges>, 0_u32);
        for circuit in self.registry.all() {
            let snapshot = circuit.snapshot();
            let name = circuit.name();
            let address = name.as_ptr().addr();
            let before = last.remove(&address).map_or_else(Totals::default, |(_, totals)| totals);
            let is_own = told.seat(name, self.most);
            count(if is_own { name } else { OTHER }, &snapshot.totals, &before);
            let gauges = Gauges::new(&snapshot);
            if is_own {
                gauges.set(name.clone(), circuit.service().clone());
            } else {
                capped = capped.saturating_add(u32::from(&**name != OTHER));
                shared = Some(shared.map_or(gauges, |shared| shared.join(gauges)));
            }
            told.last.insert(address, (name.clone(), snapshot.totals));
        }
        if let Some(shared) = shared {
            shared.set(OTHER.into(), OTHER.into());
        }
        let turned_away = self.registry.turned_away();
        counter!(TURNED_AWAY).increment(turned_away.saturating_sub(told.turned_away));
        told.turned_away = turned_away;
        gauge!(CAPPED).set(f64::from(capped));
        policies(&self.subjects, self.registry.clock().now(), &mut Family::default());
    }
}

/// The policies' family that is being told.
#[derive(Debug, Default)]
struct Family {
    name: &'static str,
    counts: bool,
}

impl Tell for Family {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        // The crate's counters are whole numbers; what is counted in seconds is a level that only grows.
        let counts = kind == Kind::Counter && !name.ends_with("_seconds_total");
        *self = Family { name, counts };
        if counts {
            describe_counter!(name, help);
        } else {
            describe_gauge!(name, help);
        }
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
        let labels: Vec<_> =
            labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned())).collect();
        if self.counts {
            counter!(self.name, labels).absolute(value as u64);
        } else {
            gauge!(self.name, labels).set(value);
        }
    }
}

impl Told {
    /// Whether the circuit by this name has series of its own.
    fn seat(&mut self, name: &Arc<str>, most: usize) -> bool {
        if &**name == OTHER {
            return false;
        }
        self.own.contains(name) || (self.own.len() < most && self.own.insert(name.clone()))
    }
}

/// Adds what was counted since. Nothing, too: a series is there from the start.
fn count(name: impl Into<Arc<str>>, totals: &Totals, before: &Totals) {
    let name: Arc<str> = name.into();
    let circuit = || Label::new("circuit_name", name.clone());
    for (result, count) in RESULTS {
        let labels = vec![circuit(), Label::from_static_parts("result", result)];
        counter!(CALLS, labels).increment(count(totals).saturating_sub(count(before)));
    }
    for (from, to) in State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))) {
        if from != to {
            let labels = vec![
                circuit(),
                Label::from_static_parts("from_state", from.as_str()),
                Label::from_static_parts("to_state", to.as_str()),
            ];
            let grown = totals.changes(from, to).saturating_sub(before.changes(from, to));
            counter!(CHANGES, labels).increment(grown);
        }
    }
    let grown = totals.internal_faults.saturating_sub(before.internal_faults);
    counter!(FAULTS, vec![circuit()]).increment(grown);
}

/// How one circuit stands, or several under one name.
#[derive(Clone, Copy, Debug)]
struct Gauges {
    state: State,
    window: WindowCounts,
    hung: u32,
    consecutive_failures: u32,
}

impl Gauges {
    fn new(snapshot: &Snapshot) -> Self {
        Gauges {
            state: snapshot.state,
            window: snapshot.window,
            hung: snapshot.hung,
            consecutive_failures: snapshot.consecutive_failures,
        }
    }

    /// Of counts the sum, of everything else the worst.
    fn join(mut self, other: Gauges) -> Self {
        let severity = |state| [State::Closed, State::HalfOpen, State::Open].iter().position(|s| *s == state);
        if severity(other.state) > severity(self.state) {
            self.state = other.state;
        }
        self.window.calls += other.window.calls;
        self.window.failures += other.window.failures;
        self.window.slow += other.window.slow;
        self.hung = self.hung.saturating_add(other.hung);
        self.consecutive_failures = self.consecutive_failures.max(other.consecutive_failures);
        self
    }

    fn set(self, name: Arc<str>, service: Arc<str>) {
        let circuit = || Label::new("circuit_name", name.clone());
        gauge!(STATE, vec![circuit(), Label::new("service", service)]).set(f64::from(self.state as u8));
        gauge!(FAILURE_RATE, vec![circuit()]).set(self.window.failure_rate());
        gauge!(SLOW_RATE, vec![circuit()]).set(self.window.slow_rate());
        gauge!(HUNG, vec![circuit()]).set(f64::from(self.hung));
        gauge!(CONSECUTIVE, vec![circuit()]).set(f64::from(self.consecutive_failures));
    }
}

fn describe() {
    describe_gauge!(STATE, "0 closed, 1 open, 2 half-open.");
    describe_counter!(CALLS, "Calls by result; slow overlaps and is counted in addition.");
    describe_counter!(CHANGES, "Changes from one state to another.");
    describe_gauge!(FAILURE_RATE, "Share of failed calls in the window, 0 to 1.");
    describe_gauge!(SLOW_RATE, "Share of slow calls in the window, 0 to 1.");
    describe_gauge!(HUNG, "Calls in flight past the slow threshold.");
    describe_gauge!(CONSECUTIVE, "Failures in a row.");
    describe_counter!(FAULTS, "Faults of fusebox's own code.");
    describe_counter!(TURNED_AWAY, "Look-ups that had to share one circuit because the registry was full.");
    describe_gauge!(CAPPED, "Circuits told under the name other, having no series of their own.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Rng};
    use ::metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// Keeps every series by its name and labels.
    #[derive(Default)]
    struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Kept {
        fn series(&self, key: &Key) -> Arc<AtomicU64> {
            let labels: Vec<String> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = format!("{}{{{}}}", key.name(), labels.join(","));
            self.0.lock().expect("whole").entry(name).or_default().clone()
        }

        fn count(&self, series: &str) -> Option<u64> {
            Some(self.0.lock().expect("whole").get(series)?.load(Relaxed))
        }

        fn level(&self, series: &str) -> Option<f64> {
            self.count(series).map(f64::from_bits)
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.series(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.series(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn registry(most: usize) -> Registry {
        Registry::with_clock(most, Clock::manual().0, Rng::seeded(1))
    }

    fn fail(registry: &Registry, name: &str, times: u32) {
        let circuit = registry.circuit(name);
        (0..times).for_each(|_| drop(circuit.call(|| Err::<(), _>(()))));
    }

    #[test]
    fn series_exist_from_the_start_and_count_what_has_grown() {
        let (kept, registry) = (Kept::default(), registry(9));
        let publisher = Publisher::new(&registry);
        fail(&registry, "a", 0);
        ::metrics::with_local_recorder(&kept, || {
            publisher.publish();
            assert_eq!(kept.count("circuit_breaker_calls_total{circuit_name=a,result=failure}"), Some(0));
            assert_eq!(kept.level("circuit_breaker_state{circuit_name=a,service=a}"), Some(0.0));
            fail(&registry, "a", 3);
            publisher.publish();
            let in_a_row = "circuit_breaker_consecutive_failures{circuit_name=a}";
            assert_eq!(kept.level(in_a_row), Some(3.0));
            fail(&registry, "a", 9);
            publisher.publish();
            publisher.publish();
        });
        let calls =
            |result| kept.count(&format!("circuit_breaker_calls_total{{circuit_name=a,result={result}}}"));
        assert_eq!((calls("failure"), calls("rejected"), calls("success")), (Some(10), Some(2), Some(0)));
        let opened = "circuit_breaker_state_changes_total{circuit_name=a,from_state=closed,to_state=open}";
        assert_eq!(kept.count(opened), Some(1));
        assert_eq!(kept.level("circuit_breaker_state{circuit_name=a,service=a}"), Some(1.0));
        assert_eq!(kept.level("fusebox_metrics_capped{}"), Some(0.0));
    }

    #[test]
    fn the_policies_of_a_pipeline_are_told_with_what_they_counted() {
        let (kept, registry) = (Kept::default(), registry(9));
        let bulkhead = crate::bulkhead::Config { max_concurrent: 7, ..crate::bulkhead::Config::default() };
        let fuse = crate::Fuse::builder("orders")
            .circuit(registry.circuit("orders"))
            .bulkhead(bulkhead)
            .rate_limiter(crate::limiter::Config::default())
            .retry(crate::retry::Config::default())
            .build_blocking()
            .expect("it works");
        let publisher = Publisher::new(&registry).pipeline("orders", fuse.pipeline());
        ::metrics::with_local_recorder(&kept, || {
            publisher.publish();
            let admitted = "bulkhead_calls_total{service=orders,stage=bulkhead,result=admitted}";
            assert_eq!(kept.count(admitted), Some(0), "from the start");
            (0..3).for_each(|_| drop(fuse.call(|| Ok::<_, ()>(()))));
            publisher.publish();
            publisher.publish();
            assert_eq!(kept.count(admitted), Some(3));
        });
        assert_eq!(kept.level("bulkhead_capacity{service=orders,stage=bulkhead}"), Some(7.0));
        assert_eq!(kept.count("rate_limiter_calls_total{service=orders,result=admitted}"), Some(3));
        assert_eq!(kept.count("retry_first_tries_total{service=orders}"), Some(3));
        assert_eq!(kept.level("bulkhead_wait_seconds_total{service=orders,stage=bulkhead}"), Some(0.0));
        let refused = "circuit_breaker_calls_total{circuit_name=orders,result=would_reject}";
        assert_eq!(kept.count(refused), Some(0), "all results of a circuit are told");
    }

    #[test]
    fn names_beyond_the_cap_are_told_together() {
        let (kept, registry) = (Kept::default(), registry(9));
        let publisher = Publisher { most: 2, ..Publisher::new(&registry) };
        ::metrics::with_local_recorder(&kept, || {
            for name in ["a", "b", "c", "d"] {
                fail(&registry, name, 1);
                publisher.publish();
            }
        });
        let failures =
            |name| kept.count(&format!("circuit_breaker_calls_total{{circuit_name={name},result=failure}}"));
        assert_eq!((failures("a"), failures("b"), failures("other")), (Some(1), Some(1), Some(2)));
        assert_eq!((failures("c"), failures("d")), (None, None));
        assert_eq!(kept.level("fusebox_metrics_capped{}"), Some(2.0));
    }

    #[test]
    fn a_circuit_that_was_let_go_of_and_made_again_counts_on() {
        let (clock, hand) = Clock::manual();
        let (kept, registry) = (Kept::default(), Registry::with_clock(1, clock, Rng::seeded(1)));
        let publisher = Publisher::new(&registry);
        ::metrics::with_local_recorder(&kept, || {
            for name in ["a", "b", "a", "a"] {
                fail(&registry, name, 3);
                publisher.publish();
                hand.advance(std::time::Duration::from_secs(600));
            }
        });
        let failures =
            |name| kept.count(&format!("circuit_breaker_calls_total{{circuit_name={name},result=failure}}"));
        assert_eq!((failures("a"), failures("b"), failures("other")), (Some(9), Some(3), None));
        let turned_away = kept.count("fusebox_circuits_turned_away_total{}");
        assert_eq!(turned_away, Some(0));
    }
}
