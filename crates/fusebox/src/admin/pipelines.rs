//! `/pipelines`: every service's chain in order, with what each policy says of itself.

use crate::admin::wall::Wall;
use crate::bulkhead::{self, Advice};
use crate::pipeline::{PolicySnapshot, StageSnapshot};
use crate::telemetry::{CacheReader, Subjects};
use crate::{Clock, Time};
use fusebox_core::{cache, fallback};
use serde::Serialize;
use std::sync::Arc;

/// Every pipeline, in the order in which they were given.
pub(crate) fn all(subjects: &Subjects, clock: &Clock) -> impl Serialize + use<> {
    let wall = Wall::read(clock.now());
    let shown = subjects.pipelines.iter().map(|(service, pipeline)| PipelineShown {
        service: service.clone(),
        chain: pipeline.describe(),
        stages: pipeline.snapshot(wall.now()).stages.into_iter().map(StageShown::new).collect(),
    });
    let connections = subjects.connections.iter().map(|(service, endpoint, places)| {
        let told = places.snapshot(wall.now());
        let advice = Advice::on(&told).to_string();
        ConnectionsShown { service: service.clone(), endpoint: endpoint.clone(), places: told, advice }
    });
    Pipelines {
        generated_at: wall.rfc3339(wall.now()),
        clock: wall.now(),
        pipelines: shown.collect(),
        connections: connections.collect(),
        fallbacks: subjects.fallbacks.iter().map(FallbacksShown::new).collect(),
        caches: subjects.caches.iter().map(CacheShown::new).collect(),
    }
}

#[derive(Serialize)]
struct Pipelines {
    generated_at: Option<String>,
    /// The same moment on the clock that snapshots tell moments of.
    clock: Time,
    pipelines: Vec<PipelineShown>,
    /// Limits on connections.
    connections: Vec<ConnectionsShown>,
    /// What came of fallbacks.
    fallbacks: Vec<FallbacksShown>,
    /// Kept answers.
    caches: Vec<CacheShown>,
}

#[derive(Serialize)]
struct FallbacksShown {
    service: String,
    #[serde(flatten)]
    told: fallback::Snapshot,
}

impl FallbacksShown {
    fn new((service, counters): &(String, Arc<fallback::Counters>)) -> Self {
        FallbacksShown { service: service.clone(), told: counters.snapshot() }
    }
}

#[derive(Serialize)]
struct CacheShown {
    service: String,
    #[serde(flatten)]
    told: cache::Snapshot,
}

impl CacheShown {
    fn new((service, read): &(String, CacheReader)) -> Self {
        CacheShown { service: service.clone(), told: read() }
    }
}

#[derive(Serialize)]
struct ConnectionsShown {
    service: String,
    endpoint: String,
    places: bulkhead::Snapshot,
    advice: String,
}

#[derive(Serialize)]
struct PipelineShown {
    service: String,
    chain: String,
    stages: Vec<StageShown>,
}

#[derive(Serialize)]
struct StageShown {
    #[serde(flatten)]
    stage: StageSnapshot,
    advice: Option<String>,
}

impl StageShown {
    fn new(stage: StageSnapshot) -> StageShown {
        let advice = match &stage.policy {
            PolicySnapshot::Bulkhead(told) | PolicySnapshot::Pool(told) => Some(Advice::on(told).to_string()),
            _ => None,
        };
        StageShown { stage, advice }
    }
}
