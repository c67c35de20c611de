//! `fusebox export grafana`: every query of the dashboard is answered by a real Prometheus, from a real fusebox.

use super::super::child::{Running, get, response, serve};
use super::prometheus::Prometheus;
use super::{export, folder, is_documented, shop};
use serde_json::Value;
use std::collections::BTreeSet;

fn dashboard(arguments: &str) -> Value {
    serde_json::from_str(&export(&format!("grafana {arguments}"))).expect("JSON")
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten()
}

fn rows(dashboard: &Value) -> Vec<&str> {
    panels(dashboard).filter(|panel| panel["type"] == "row").filter_map(|row| row["title"].as_str()).collect()
}

/// Each query with its panel's title, its variables filled in.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().expect("an expression");
            let expr =
                expr.replace("$__rate_interval", "10s").replace("$service", ".*").replace("$circuit", ".*");
            assert!(!expr.contains('$'), "{expr}");
            all.push((panel["title"].as_str().expect("a title").to_owned(), expr));
        }
    }
    all
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard = dashboard("");
    assert_eq!((&dashboard["uid"], &dashboard["schemaVersion"]), (&"fusebox".into(), &41.into()));
    let variables: Vec<_> = dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap_or(""), variable["type"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(variables, [("datasource", "datasource"), ("service", "query"), ("circuit", "query")]);

    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "two panels at {x}, {y}: {panel}");
            }
        }
        let targets = panel["targets"].as_array().into_iter().flatten();
        let names: Vec<_> = targets.filter_map(|target| target["refId"].as_str()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{panel}");
        if panel["type"] != "row" && panel["type"] != "text" {
            assert!(!names.is_empty() && panel["datasource"]["uid"] == "${datasource}", "{panel}");
        }
    }
}

#[test]
fn every_query_asks_for_documented_metrics() {
    for (title, query) in queries(&dashboard("")) {
        if !query.starts_with("vector(") {
            is_documented(&query);
        }
        assert!(!title.is_empty());
    }
}

#[test]
fn rows_are_written_for_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plain.toml");
    std::fs::write(&file, "[[service]]\nname = \"a\"\nendpoints = [\"http://a:80\"]\nretry = false\n")
        .expect("written");
    let plain = dashboard(&file.display().to_string());
    assert_eq!(
        rows(&plain),
        [
            "What is open, why, and until when",
            "Traffic",
            "Rates, and where they open",
            "Overrides, and fusebox itself"
        ]
    );
    assert_eq!(rows(&dashboard(&shop())), rows(&dashboard("")));
}

#[test]
fn the_thresholds_are_those_of_the_file() {
    let dashboard = dashboard(&shop());
    let failed = panels(&dashboard).find(|panel| panel["title"] == "Failure rate").expect("a panel");
    let lines: Vec<_> = failed["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|target| target["expr"].as_str().is_some_and(|expr| expr.starts_with("vector(")))
        .map(|target| (target["expr"].as_str().unwrap_or(""), target["legendFormat"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        lines,
        [("vector(0.5)", "opens: payments, profiles, shops"), ("vector(0.2)", "opens: payments/capture")]
    );
}

#[test]
fn a_real_prometheus_has_an_answer_to_every_query() {
    let bad = || serve(|_| response(503, "down"));
    let good = || serve(|_| response(200, "fine"));
    let upstreams = [bad(), bad(), good(), good()];
    let scratch = tempfile::tempdir().expect("a folder");
    let mut text = std::fs::read_to_string(folder().join("shop.toml")).expect("the shop");
    for (port, upstream) in (7001..).zip(upstreams) {
        text = text.replace(&format!("127.0.0.1:{port}"), &upstream.to_string());
    }
    text = text.replace("calls.queue", &scratch.path().join("calls.queue").display().to_string());
    let config = scratch.path().join("shop.toml");
    std::fs::write(&config, text).expect("written");
    let arguments = format!("run --config {} --listen 127.0.0.1:0 --admin 127.0.0.1:0", config.display());
    let mut fusebox = Running::start(&arguments);
    let (front, admin) = (fusebox.address("listens"), fusebox.address("circuits"));

    // With bad health and bad answers, until the circuits of payments are open.
    for _ in 0..40 {
        get(front, "/payments/1");
        get(front, "/payments/capture/1");
        get(front, "/profiles/1");
    }
    let prometheus = Prometheus::scraping(admin);
    for (title, query) in queries(&dashboard(&config.display().to_string())) {
        // Nobody holds a circuit here, and a queue that nothing has come to has no series of its own.
        if title == "Overrides" {
            prometheus.accepts(&query);
        } else {
            prometheus.samples(&query);
        }
    }
    let open = prometheus.samples("max(circuit_breaker_state)");
    assert_eq!(open[0]["value"][1], "1", "nothing is open, so the panels on it have shown nothing");
}
