//! Metrics pushed by OTLP, to a collector over real sockets.

mod collector;

use collector::{Collector, Manner};
use fusebox::admin::Admin;
use fusebox::bulkhead;
use fusebox::otlp::{Config, Exporter};
use fusebox::record::TraceId;
use fusebox::{Ask, Fuse, Registry};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OFTEN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);

/// A service with some calls behind it.
fn admin() -> (Admin, Fuse) {
    let registry = Registry::default();
    let admin = Admin::new(registry.clone());
    let fuse = Fuse::builder("shop \"a\"")
        .circuit(registry.circuit("shop \"a\""))
        .bulkhead(bulkhead::Config::default())
        .build()
        .expect("a configuration that can work");
    let admin = admin.pipeline("shop", fuse.pipeline());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let trace = TraceId::of_traceparent(&format!("00-{TRACE}-00f067aa0ba902b7-01")).expect("well formed");
    for call in 0..7 {
        let asking = fuse.asking(Ask::default()).trace(trace);
        let _ = runtime.block_on(asking.run(async || if call % 3 == 0 { Err(()) } else { Ok(()) }));
    }
    (admin, fuse)
}

fn config(collector: &Collector) -> Config {
    Config { interval: OFTEN, timeout: Duration::from_millis(300), ..Config::to(collector.url()) }
}

fn export(admin: &Admin, config: Config) -> (Exporter, Receiver<String>) {
    let (sender, lines) = channel();
    let exporter =
        admin.export(config, move |line| drop(sender.send(line.to_owned()))).expect("a good configuration");
    (exporter, lines)
}

/// A series as `/metrics` writes it.
fn series(name: &str, attributes: &[KeyValue], more: &str) -> String {
    let text = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.replace('"', "\\\""),
        other => panic!("a label that is no text: {other:?}"),
    };
    let labels = attributes.iter().map(|it| format!("{}=\"{}\"", it.key, text(it)));
    let labels: Vec<_> = labels.chain((!more.is_empty()).then(|| more.to_owned())).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

fn points(name: &str, points: &[NumberDataPoint]) -> Vec<(String, f64)> {
    let value = |point: &NumberDataPoint| match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        other => panic!("{name}: {other:?}"),
    };
    points.iter().map(|point| (series(name, &point.attributes, ""), value(point))).collect()
}

/// Every sample of an export, under the name that `/metrics` gives it.
fn samples(export: &collector::Export) -> BTreeMap<String, f64> {
    let mut samples = Vec::new();
    for metric in export.metrics() {
        match metric.data.as_ref().expect("a kind") {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{}", metric.name);
                samples.extend(points(&metric.name, &sum.data_points));
            }
            Data::Gauge(gauge) => samples.extend(points(&metric.name, &gauge.data_points)),
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    let edges = point.explicit_bounds.iter().map(|edge| format!("{edge:?}"));
                    let mut within = 0;
                    for (edge, count) in edges.chain(["+Inf".into()]).zip(&point.bucket_counts) {
                        within += count;
                        let name = format!("{}_bucket", metric.name);
                        samples.push((
                            series(&name, &point.attributes, &format!("le=\"{edge}\"")),
                            within as f64,
                        ));
                    }
                    let one =
                        |suffix: &str| series(&format!("{}{suffix}", metric.name), &point.attributes, "");
                    samples.push((one("_count"), point.count as f64));
                    samples.push((one("_sum"), point.sum.expect("a sum")));
                }
            }
            other => panic!("{}: {other:?}", metric.name),
        }
    }
    samples.into_iter().collect()
}

#[test]
fn a_collector_is_told_what_a_scrape_is_told() {
    let (admin, fuse) = admin();
    let collector = Collector::start(Manner::takes());
    let headers = vec![("authorization".into(), "Bearer abc".into())];
    let resource = vec![("deployment.environment.name".into(), "test".into())];
    let config = Config { headers, resource, service_name: "shop".into(), ..config(&collector) };
    let (exporter, lines) = export(&admin.clone().named("shop-1"), config);
    let told = collector.next();
    let scraped = admin.answer("GET", "/metrics").body.into_owned();
    let pushed = samples(&told);
    let moves = ["fusebox_otlp_exports_total"];
    let lines_of = |text: &str| -> BTreeMap<String, f64> {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
    };
    let still = |samples: BTreeMap<String, f64>| -> BTreeMap<String, f64> {
        samples.into_iter().filter(|(name, _)| !moves.iter().any(|it| name.starts_with(it))).collect()
    };
    assert_eq!(still(pushed), still(lines_of(&scraped)));
    assert!(
        scraped.contains("circuit_breaker_calls_total{circuit_name=\"shop \\\"a\\\"\",result=\"failure\"} 3")
    );

    assert!(told.head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{}", told.head);
    let head = told.head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: application/x-protobuf") && head.contains("authorization: bearer abc"),
        "{head}"
    );
    let resource = told.message.resource_metrics[0].resource.as_ref().expect("a resource");
    let resource = series("", &resource.attributes, "");
    assert_eq!(
        resource,
        "{service.name=\"shop\",service.instance.id=\"shop-1\",deployment.environment.name=\"test\"}"
    );
    let took = told.metrics().iter().find(|metric| metric.name == "circuit_breaker_call_duration_seconds");
    let took = took.expect("the histogram");
    assert_eq!(took.unit, "s");
    let Some(Data::Histogram(histogram)) = &took.data else { panic!("{took:?}") };
    let exemplar = &histogram.data_points[0].exemplars[0];
    let trace: String = exemplar.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(trace, TRACE);
    assert!(histogram.data_points[0].start_time_unix_nano <= histogram.data_points[0].time_unix_nano);

    exporter.shutdown();
    drop(fuse);
    assert_eq!(lines.iter().count(), 0, "all went well from the start");
}

#[test]
fn the_last_calls_are_exported_at_the_end() {
    let (admin, fuse) = admin();
    let collector = Collector::start(Manner::takes());
    let (exporter, _lines) =
        export(&admin, Config { interval: Duration::from_secs(3_600), ..config(&collector) });
    let _ = fuse.circuit().call(|| Ok::<_, ()>(()));
    exporter.shutdown();
    let told = samples(&collector.next());
    assert_eq!(told["circuit_breaker_calls_total{circuit_name=\"shop \\\"a\\\"\",result=\"success\"}"], 5.0);
}

/// Waits for a line, and for exports with this result; every other call to fusebox goes on meanwhile.
fn comes_to(admin: &Admin, fuse: &Fuse, lines: &Receiver<String>, says: &str, result: &str) {
    assert!(fuse.circuit().call(|| Ok::<_, ()>(())).is_ok());
    let line = lines.recv_timeout(PATIENCE).expect("a line");
    assert!(line.contains(says), "{line}");
    let series = format!("fusebox_otlp_exports_total{{result=\"{result}\"}} ");
    let counted = || {
        let body = admin.answer("GET", "/metrics").body.into_owned();
        body.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok())
    };
    // Two or more of them are one line.
    while counted().expect("a series") < 2 {
        std::thread::yield_now();
    }
    assert_eq!(lines.try_recv().ok(), None, "one line for a change");
}

#[test]
fn a_collector_that_behaves_badly_is_counted_and_told_once_until_that_changes() {
    let (admin, fuse) = admin();
    let collector = Collector::start(Manner::Says(503, b"busy".to_vec()));
    let (exporter, lines) = export(&admin, config(&collector));
    comes_to(&admin, &fuse, &lines, "it answered 503", "refused");
    collector.behave(Manner::takes());
    comes_to(&admin, &fuse, &lines, "takes metrics", "sent");
    collector.behave(Manner::Says(200, b"<html>hello</html>".to_vec()));
    comes_to(&admin, &fuse, &lines, "not one of OTLP", "refused");
    let rejected = ExportMetricsPartialSuccess { rejected_data_points: 3, error_message: "too old".into() };
    let answer = ExportMetricsServiceResponse { partial_success: Some(rejected) };
    collector.behave(Manner::Says(200, answer.encode_to_vec()));
    comes_to(&admin, &fuse, &lines, "left out 3 values: too old", "partial");
    collector.behave(Manner::Says(200, vec![b'x'; 1 << 20]));
    comes_to(&admin, &fuse, &lines, "not one of OTLP", "refused");
    collector.behave(Manner::Hangs);
    comes_to(&admin, &fuse, &lines, "failed to export metrics to http://127.0.0.1:", "unreachable");
    drop(exporter);
}

#[test]
fn a_collector_that_is_not_there_or_leaves_costs_one_line() {
    let (admin, fuse) = admin();
    let nobody =
        TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port that is free again");
    let (exporter, lines) =
        export(&admin, Config { interval: OFTEN, ..Config::to(format!("http://{nobody}")) });
    comes_to(&admin, &fuse, &lines, "failed to export metrics", "unreachable");
    drop(exporter);
    let collector = Collector::start(Manner::Leaves);
    let (_exporter, lines) = export(&admin, config(&collector));
    comes_to(&admin, &fuse, &lines, "failed to export metrics", "unreachable");
}
