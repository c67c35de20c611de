//! A circuit in the overview: what has to be seen at once.

use super::log::Log;
use super::summary::Override;
use super::track::{Counts, Rates, Track};
use crate::admin::circuits::{HoldShown, reason, revision, whole_millis};
use crate::admin::left_closed::LeftClosed;
use crate::admin::wall::Wall;
use crate::breaker::{HalfOpen, Snapshot, State};
use crate::telemetry::Subjects;
use crate::{CircuitBreaker, Ratio, Time};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How far back marks are told.
const MARKED_SECONDS: f64 = 120.0;
/// Marks of one circuit.
const MARKS: usize = 32;

/// A circuit, as a stream tells it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(super) name: String,
    service: String,
    /// Where its endpoint runs, of a balancer that knows.
    region: Option<String>,
    pub(super) state: &'static str,
    shadow: Option<&'static str>,
    ramp: Option<f64>,
    pub(super) hold: Option<HoldShown>,
    revision: String,
    since: Option<String>,
    since_seconds_ago: f64,
    pub(super) not_closed_since: Option<String>,
    pub(super) not_closed_seconds: f64,
    retry_at: Option<String>,
    retry_after_ms: Option<u64>,
    reason: Option<String>,
    failure_rate: f64,
    slow_rate: f64,
    window_calls: u64,
    failure_threshold: Option<f64>,
    slow_threshold: Option<f64>,
    minimum_calls: u32,
    hung: u32,
    consecutive_failures: u32,
    consecutive_threshold: Option<u32>,
    probes: ProbesNeeded,
    #[serde(flatten)]
    pub(super) rates: Rates,
    severity: u8,
    marks: Vec<Mark>,
    /// The line of the last two minutes, where the whole story is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    spark: Option<Vec<Counts>>,
    /// What the last second brought, where the line is known already.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Counts>,
    /// When the circuit left closed.
    #[serde(skip)]
    pub(super) left: Option<Time>,
}

#[derive(Debug, Serialize)]
struct ProbesNeeded {
    in_flight: u32,
    good: u32,
    bad: u32,
    needed: u32,
}

/// A change of state in the line.
#[derive(Debug, Serialize)]
struct Mark {
    at_seconds_ago: f64,
    to: String,
}

/// The regions of circuits, by their names.
pub(super) type Regions = HashMap<String, String>;

/// Where the endpoints of these pipelines run, where they say so.
pub(super) fn regions(subjects: &Subjects) -> Regions {
    let mut regions = Regions::new();
    for (service, pipeline) in &subjects.pipelines {
        let Some(balancer) = pipeline.balancer() else { continue };
        for endpoint in 0..balancer.endpoints() {
            if let (Some(name), Some(region)) = (balancer.name(endpoint), balancer.region(endpoint)) {
                regions.insert(format!("{service}/{name}"), region.to_owned());
            }
        }
    }
    regions
}

/// What a row is made of.
pub(super) struct Sources<'a> {
    pub(super) wall: &'a Wall,
    pub(super) left_closed: &'a LeftClosed,
    pub(super) log: &'a Log,
    pub(super) regions: Regions,
}

impl Row {
    pub(super) fn new(
        circuit: &CircuitBreaker,
        snapshot: &Snapshot,
        track: &Track,
        from: &Sources<'_>,
    ) -> Row {
        let wall = from.wall;
        let ago = |at| wall.now().since(at).as_secs_f64();
        let settings = circuit.core().settings();
        let config = settings.config();
        let left = from.left_closed.moment(circuit.name(), snapshot);
        let retry_after = (snapshot.retry_at != Time::NEVER).then(|| snapshot.retry_at.since(wall.now()));
        let rates = track.rates();
        let needed = match config.half_open {
            HalfOpen::Count { success_threshold, .. } => success_threshold,
            HalfOpen::Sample { sample, .. } => sample,
        };
        Row {
            name: circuit.name().to_string(),
            service: circuit.service().to_string(),
            region: from.regions.get(&**circuit.name()).cloned(),
            state: snapshot.state.as_str(),
            shadow: snapshot.shadow.map(|state| state.as_str()),
            ramp: snapshot.ramp.map(Ratio::as_f64),
            hold: snapshot.hold.as_deref().map(|hold| HoldShown::new(hold, wall)),
            revision: revision(snapshot),
            since: wall.rfc3339(snapshot.since),
            since_seconds_ago: ago(snapshot.since),
            not_closed_since: left.and_then(|left| wall.rfc3339(left)),
            not_closed_seconds: left.map_or(0.0, ago),
            retry_at: wall.rfc3339(snapshot.retry_at),
            retry_after_ms: retry_after.map(whole_millis),
            reason: reason(snapshot),
            failure_rate: snapshot.window.failure_rate(),
            slow_rate: snapshot.window.slow_rate(),
            window_calls: snapshot.window.calls,
            failure_threshold: config.failure_rate,
            slow_threshold: config.slow_call_rate,
            minimum_calls: config.minimum_calls,
            hung: snapshot.hung,
            consecutive_failures: snapshot.consecutive_failures,
            consecutive_threshold: config.consecutive_failures,
            probes: ProbesNeeded {
                in_flight: snapshot.probes.in_flight,
                good: snapshot.probes.good,
                bad: snapshot.probes.bad,
                needed,
            },
            rates,
            severity: severity(snapshot, config.failure_rate, rates),
            marks: marks(from.log, circuit.name(), wall),
            spark: None,
            last: None,
            left,
        }
    }

    /// The hold on it, if there is one.
    pub(super) fn held(&self) -> Option<Override> {
        let hold = self.hold.clone()?;
        Some(Override { circuit: self.name.clone(), service: self.service.clone(), hold })
    }

    /// With the whole line.
    pub(super) fn whole(self, track: &Track) -> Row {
        Row { spark: Some(track.spark()), ..self }
    }

    /// With the newest second.
    pub(super) fn after_a_second(self, track: &Track) -> Row {
        Row { last: Some(track.newest()), ..self }
    }

    /// The worst first; of those alike, the one that refuses the most and has done so for longest.
    pub(super) fn order(&self) -> impl Ord + use<> {
        let tenths = |share: f64| (share * 10.0) as u64;
        let worst = (self.severity, tenths(self.rates.rejected_per_second), tenths(self.not_closed_seconds));
        (Reverse(worst), self.name.clone())
    }

    /// Changes when there is something new to tell, the passing of time alone aside.
    pub(super) fn mark_of_news(&self, track: &Track) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.revision, self.window_calls, self.hung, self.consecutive_failures, self.severity)
            .hash(&mut hasher);
        (self.probes.in_flight, self.probes.good, self.probes.bad).hash(&mut hasher);
        [self.failure_rate, self.slow_rate, self.rates.calls_per_second, self.ramp.unwrap_or(2.0)]
            .map(f64::to_bits)
            .hash(&mut hasher);
        (&self.retry_at.is_some(), self.marks.len(), track.is_quiet()).hash(&mut hasher);
        hasher.finish()
    }
}

fn severity(snapshot: &Snapshot, threshold: Option<f64>, rates: Rates) -> u8 {
    let is_near = threshold.is_some_and(|threshold| snapshot.window.failure_rate() >= threshold / 2.0);
    match snapshot.state {
        State::Open => 4,
        State::HalfOpen => 3,
        State::Closed if snapshot.hold.is_some() || snapshot.shadow.is_some_and(|it| it != State::Closed) => {
            2
        }
        State::Closed if is_near || snapshot.hung > 0 || snapshot.ramp.is_some() => 1,
        State::Closed => u8::from(rates.rejected_per_second > 0.0),
    }
}

fn marks(log: &Log, circuit: &str, wall: &Wall) -> Vec<Mark> {
    let now = wall.date(wall.now()).map_or(0, |date| date.as_millis() as u64);
    let (events, _) = log.story(circuit, MARKS);
    let recent = events.iter().filter_map(|event| event.mark(now)).filter(|(ago, _)| *ago <= MARKED_SECONDS);
    recent.map(|(at_seconds_ago, to)| Mark { at_seconds_ago, to: to.into() }).collect()
}
