//! The families as OTLP has them (opentelemetry-proto, `metrics/v1`).
//!
//! Names stay as they are everywhere else, the suffix of counters included, so that a question asked of one store can be asked of another.

use super::config::Checked;
use crate::admin::Admin;
use crate::telemetry::{Histogram, Kind, Tell};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, Gauge, Histogram as Histograms, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use std::time::Duration;

/// All families as they are now, encoded. Counters have counted since then.
pub(super) fn of(admin: &Admin, config: &Checked, since: Duration) -> Vec<u8> {
    let mut families = Families { since: nanos(since), now: nanos(admin.date()), metrics: Vec::new() };
    admin.metrics_source().tell(&mut families);
    let scope = InstrumentationScope {
        name: "fusebox".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let metrics = ScopeMetrics { scope: Some(scope), metrics: families.metrics, ..ScopeMetrics::default() };
    let own = [("service.name", &*config.service_name), ("service.instance.id", admin.instance())];
    // What the configuration says of it goes before our own.
    let given = |name: &str| config.resource.iter().any(|(known, _)| known == name);
    let own = own.into_iter().filter(|(name, _)| !given(name));
    let resource = config.resource.iter().map(|(name, value)| (&**name, &**value));
    let attributes = own.chain(resource).map(|(name, value)| attribute(name, value)).collect();
    let resource = Resource { attributes, ..Resource::default() };
    let metrics = ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![metrics] }.encode_to_vec()
}

/// Families in the making.
struct Families {
    since: u64,
    now: u64,
    metrics: Vec<Metric>,
}

impl Tell for Families {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        let cumulative = AggregationTemporality::Cumulative.into();
        let data = match kind {
            Kind::Counter => {
                Data::Sum(Sum { is_monotonic: true, aggregation_temporality: cumulative, ..Sum::default() })
            }
            Kind::Gauge => Data::Gauge(Gauge::default()),
            Kind::Histogram => {
                Data::Histogram(Histograms { aggregation_temporality: cumulative, ..Histograms::default() })
            }
        };
        self.metrics.push(Metric {
            name: name.into(),
            description: help.into(),
            unit: unit(name).into(),
            data: Some(data),
            ..Metric::default()
        });
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
        let (since, now) = (self.since, self.now);
        let point = |start_time_unix_nano| NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        };
        match self.metrics.last_mut().and_then(|metric| metric.data.as_mut()) {
            Some(Data::Sum(sum)) => sum.data_points.push(point(since)),
            Some(Data::Gauge(gauge)) => gauge.data_points.push(point(0)),
            _ => {}
        }
    }

    fn histogram(&mut self, labels: &[(&'static str, &str)], seen: &Histogram<'_>) {
        let Some(Data::Histogram(of)) = self.metrics.last_mut().and_then(|metric| metric.data.as_mut())
        else {
            return;
        };
        let exemplars = seen.examples.iter().flatten().map(|example| Exemplar {
            time_unix_nano: nanos(example.date),
            trace_id: example.trace.bytes().to_vec(),
            value: Some(exemplar::Value::AsDouble(example.value)),
            ..Exemplar::default()
        });
        of.data_points.push(HistogramDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            count: seen.counts.iter().sum(),
            sum: Some(seen.sum),
            bucket_counts: seen.counts.to_vec(),
            explicit_bounds: seen.edges.to_vec(),
            exemplars: exemplars.collect(),
            ..HistogramDataPoint::default()
        });
    }
}

/// The unit, as UCUM writes it, of what is named after one.
fn unit(name: &str) -> &'static str {
    match name.strip_suffix("_total").unwrap_or(name).rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "1",
    }
}

fn attributes(labels: &[(&'static str, &str)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: name.into(), value: Some(value), ..KeyValue::default() }
}

fn nanos(date: Duration) -> u64 {
    u64::try_from(date.as_nanos()).unwrap_or(u64::MAX)
}
