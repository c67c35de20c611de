//! `fusebox export envoy|istio|linkerd`: the shape of what is written, and that no setting goes without a word.

use super::{docs, export, folder, golden, shop};

const MESHES: [&str; 3] = ["envoy", "istio", "linkerd"];

#[test]
fn the_files_are_what_they_were() {
    for mesh in MESHES {
        golden(&format!("shop.{mesh}.yaml"), &export(&format!("{mesh} {}", shop())));
    }
}

/// The table at the head: a row's cells, by the setting.
fn rows(written: &str) -> Vec<[&str; 4]> {
    let lines = written.lines().take_while(|line| line.starts_with('#'));
    lines
        .filter_map(|line| line.strip_prefix("#   "))
        .filter_map(|line| {
            let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
            <[&str; 4]>::try_from(cells).ok()
        })
        .collect()
}

#[test]
fn every_setting_in_force_is_told_with_what_is_lost() {
    use fusebox_proxy::config::keys::{BREAKER, SERVICE};
    // Who, where, and which calls: translated as they are, with nothing to lose. Fields that are written under another name.
    let plain = ["name", "match", "endpoints", "region", "zone", "route", "breaker", "retry"];
    let elsewhere = ["slow_counts_as", "success_threshold", "probe_failures", "max_circuits"];
    // The shop has none of these.
    let unset = ["enforcement", "failure_count", "cancel_counts_as", "half_open_limit"];
    for mesh in MESHES {
        let written = export(&format!("{mesh} {}", shop()));
        let rows = rows(&written);
        let told = |key: &str| rows.iter().any(|row| row[0] == key);
        for key in SERVICE.known.iter().filter(|key| !plain.contains(key)) {
            assert!(told(key), "{mesh} says nothing about {key}");
        }
        for key in BREAKER.known.iter().filter(|key| !elsewhere.contains(key)) {
            let expected = !unset.contains(key) || *key == "failure_count";
            assert_eq!(told(&format!("breaker.{key}")), expected, "{mesh}: breaker.{key}");
        }
        for key in ["retry.max_attempts", "retry.backoff", "retry.budget", "queue", "balancer.outliers"] {
            assert!(told(key), "{mesh} says nothing about {key}");
        }
        assert!(rows.iter().all(|row| !row[1].is_empty() && !row[2].is_empty()), "{rows:?}");
    }
}

#[test]
fn what_becomes_of_the_numbers() {
    let file = shop();
    let read = |mesh: &str| export(&format!("{mesh} {file}"));
    for (mesh, lines) in [
        (
            "envoy",
            [
                "consecutive_5xx: 10",
                "base_ejection_time: \"30s\"",
                "max_ejection_time: \"300s\"",
                "failure_percentage_threshold: 50",
                "max_requests: 40",
                "num_retries: 2",
                "overprovisioning_factor: 143",
                "load_balancing_weight: 3",
            ],
        ),
        (
            "istio",
            [
                "consecutive5xxErrors: 10",
                "baseEjectionTime: \"30s\"",
                "maxEjectionPercent: 100",
                "http2MaxRequests: 40",
                "maxConnections: 200",
                "attempts: 2",
                "perTryTimeout: \"2s\"",
                "subset: payments-capture",
            ],
        ),
        (
            "linkerd",
            [
                "balancer.linkerd.io/failure-accrual: consecutive",
                "balancer.linkerd.io/failure-accrual-consecutive-max-failures: \"10\"",
                "balancer.linkerd.io/failure-accrual-consecutive-min-penalty: \"30s\"",
                "balancer.linkerd.io/failure-accrual-consecutive-max-penalty: \"300s\"",
                "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio: \"0.1\"",
                "retry.linkerd.io/limit: \"2\"",
                "retry.linkerd.io/timeout: \"2s\"",
                "timeout.linkerd.io/request: \"15s\"",
            ],
        ),
    ] {
        let written = read(mesh);
        for line in lines {
            assert!(written.lines().any(|written| written.trim() == line), "{mesh}: {line}\n{written}");
        }
    }
}

#[test]
fn a_shadowing_circuit_ejects_nobody() {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("shadow.toml");
    let text = "[[service]]\nname = \"a\"\nendpoints = [\"http://a:80\"]\nbreaker = { mode = \"shadow\" }\n";
    std::fs::write(&file, text).expect("written");
    let read = |mesh: &str| export(&format!("{mesh} {}", file.display()));
    assert!(
        read("envoy").contains("enforcing_consecutive_5xx: 0")
            && !read("envoy").contains("enforcing_consecutive_5xx: 100")
    );
    assert!(read("istio").contains("consecutive5xxErrors: 0"));
    assert!(!read("linkerd").contains("balancer.linkerd.io"));
}

#[test]
fn the_page_about_meshes_names_every_command() {
    let page = docs("mesh.md");
    for mesh in MESHES {
        assert!(
            page.contains(&format!("fusebox export {mesh}")),
            "docs/mesh.md does not say how to export {mesh}"
        );
    }
    assert!(folder().join("golden").is_dir());
}
