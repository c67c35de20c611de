//! `/pipelines`: every service's chain in order, with what each policy says of itself.

use crate::wall::Wall;
use fusebox::bulkhead::{self, Advice};
use fusebox::pipeline::{Pipeline, PolicySnapshot, StageSnapshot};
use fusebox::telemetry::Connections;
use fusebox::{Clock, Time};
use serde::Serialize;
use std::sync::Arc;

/// Every pipeline, in the order in which they were given.
pub(crate) fn all(
    pipelines: &[(String, Arc<Pipeline>)],
    connections: &[Connections],
    clock: &Clock,
) -> impl Serialize + use<> {
    let wall = Wall::read(clock.now());
    let shown = pipelines.iter().map(|(service, pipeline)| PipelineShown {
        service: service.clone(),
        chain: pipeline.describe(),
        stages: pipeline.snapshot(wall.now()).stages.into_iter().map(StageShown::new).collect(),
    });
    let connections = connections.iter().map(|(service, endpoint, places)| {
        let told = places.snapshot(wall.now());
        let advice = Advice::on(&told).to_string();
        ConnectionsShown { service: service.clone(), endpoint: endpoint.clone(), places: told, advice }
    });
    Pipelines {
        generated_at: wall.rfc3339(wall.now()),
        clock: wall.now(),
        pipelines: shown.collect(),
        connections: connections.collect(),
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
