//! `/latency/{name}`: how long a circuit's attempts took. The field names are a contract; `docs/admin.md` has them all.

use crate::CircuitBreaker;
use crate::admin::wall::Wall;
use crate::record::{Record, Snapshot};
use serde::Serialize;
use std::time::Duration;

/// Steps of 1, 2 and 5 from a microsecond to 500 s: few enough for a chart. Each is an edge of the record's own buckets.
const STEPS: [u64; 3] = [1, 2, 5];
const FROM: u64 = 1_000;
const TENS: u32 = 9;

/// Of one circuit.
pub(super) fn one(circuit: &CircuitBreaker) -> impl Serialize + use<> {
    let wall = Wall::read(circuit.clock().now());
    let seen = circuit.record().map_or_else(|| Record::default().snapshot(), Record::snapshot);
    let percentile = |q| seen.percentile(q).map(|span| span.as_secs_f64());
    Latency {
        generated_at: wall.rfc3339(wall.now()),
        name: circuit.name().to_string(),
        count: seen.count(),
        sum_seconds: seen.sum().as_secs_f64(),
        buckets: buckets(&seen),
        p50_seconds: percentile(0.5),
        p90_seconds: percentile(0.9),
        p99_seconds: percentile(0.99),
        p999_seconds: percentile(0.999),
        max_seconds: (seen.count() > 0).then(|| seen.max().as_secs_f64()),
    }
}

#[derive(Serialize)]
struct Latency {
    generated_at: Option<String>,
    name: String,
    count: u64,
    sum_seconds: f64,
    buckets: Vec<Bucket>,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    p999_seconds: Option<f64>,
    max_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Bucket {
    le_seconds: Option<f64>,
    count: u64,
}

fn buckets(seen: &Snapshot) -> Vec<Bucket> {
    let edges =
        (0..TENS).flat_map(|tens| STEPS.map(|step| Duration::from_nanos(step * FROM * 10u64.pow(tens))));
    let mut fine = seen.buckets().peekable();
    let mut up_to = |edge: Option<Duration>| {
        let mut count = 0;
        while let Some((_, more)) =
            fine.next_if(|(end, _)| edge.is_none_or(|edge| end.is_some_and(|end| end <= edge)))
        {
            count += more;
        }
        Bucket { le_seconds: edge.map(|edge| edge.as_secs_f64()), count }
    };
    edges.map(Some).chain([None]).map(&mut up_to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    #[test]
    fn every_attempt_is_in_the_bucket_that_its_latency_names() {
        let record = Record::default();
        let nanos = [1, 1_000, 1_001, 2_000, 4_999, 5_000_000, 5_000_001, 500_000_000_000, 500_000_000_001];
        nanos.iter().for_each(|nanos| record.took(Duration::from_nanos(*nanos), None, Time::ZERO));
        let told = buckets(&record.snapshot());
        let found: Vec<_> =
            told.iter().filter(|it| it.count > 0).map(|it| (it.le_seconds, it.count)).collect();
        let expected = [(Some(1e-6), 2), (Some(2e-6), 2), (Some(5e-6), 1), (Some(0.005), 1), (Some(0.01), 1)];
        assert_eq!(found, [&expected[..], &[(Some(500.0), 1), (None, 1)]].concat());
        assert_eq!(told.len(), 28);
    }
}
