//! `fusebox export`: what it writes is read by the programs that it is for.

mod alerts;
mod envoy;
mod grafana;
mod mesh;
mod prometheus;

use super::child::{output, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder with the configuration, and with what is expected.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/export")
}

fn docs(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `fusebox export` writes for these arguments.
fn export(arguments: &str) -> String {
    let output = output(&format!("export {arguments}"));
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{arguments}");
    text(&output.stdout)
}

/// The shop's configuration, which has everything.
fn shop() -> String {
    folder().join("shop.toml").display().to_string()
}

/// Holds `found` against the file of that name; `BLESS=1` writes it anew.
fn golden(name: &str, found: &str) {
    let path = folder().join("golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, found).expect("golden files can be written");
    }
    let written = std::fs::read_to_string(&path).expect("the golden file is there");
    assert!(written == found, "{name} is out of date: BLESS=1 cargo test -p fusebox-cli\n{found}");
}

/// Runs promtool in the folder of the tests of alerts; what it said, if it is content.
fn promtool(arguments: &[&str]) -> Result<String, String> {
    let ran = Command::new("promtool").args(arguments).current_dir(folder().join("alerts")).output();
    let ran: Output = ran.expect("promtool is part of Prometheus; on Debian: apt-get install prometheus");
    let said = text(&ran.stdout) + &text(&ran.stderr);
    if ran.status.success() { Ok(said) } else { Err(said) }
}

/// Every metric in PromQL `expression` that fusebox is said to have.
fn metrics(expression: &str) -> Vec<&str> {
    const FAMILIES: [&str; 15] = [
        "circuit_breaker_",
        "fusebox_",
        "rate_limiter_",
        "throttle_",
        "bulkhead_",
        "connection_pool_",
        "retry_",
        "hedge_",
        "timeout_",
        "fallback_",
        "cache_",
        "deferred_queue_",
        "balancer_",
        "scope_",
        "circuits_",
    ];
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| FAMILIES.iter().any(|family| word.starts_with(family))).collect()
}

/// Every metric in `expression` is one that the documentation has.
fn is_documented(expression: &str) {
    let page = docs("admin.md");
    let names = metrics(expression);
    assert!(!names.is_empty(), "{expression} asks for no metric of ours");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/admin.md: {expression}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let blind = folder.path().join("blind.toml");
    std::fs::write(&blind, "admin = false\n[[service]]\nname = \"a\"\nendpoints = [\"http://a:80\"]\n")
        .expect("written");
    let blind = blind.display();
    for (arguments, words) in [
        ("export".to_owned(), "Usage: fusebox export"),
        ("export alerts none.toml".into(), "cannot read none.toml: No such file"),
        ("export alerts a.toml --config b.toml".into(), "cannot be used with"),
        (format!("export alerts {blind}"), "there are no metrics: accepted is [admin]"),
        (format!("export grafana --config {blind}"), "there are no metrics: accepted is [admin]"),
        ("export envoy".into(), "<FILE>"),
        ("export nomad a.toml".into(), "unrecognized subcommand 'nomad'"),
    ] {
        let output = output(&arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{arguments}: {err}");
        assert!(err.contains(words), "{arguments}: {err}");
    }
    // A mesh needs no metrics.
    assert!(export(&format!("istio {blind}")).contains("kind: DestinationRule"));
}

#[test]
fn a_file_is_written_where_it_is_wanted_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("rules.yml");
    assert_eq!(export(&format!("alerts --out {}", out.display())), "");
    let written = std::fs::read_to_string(&out).expect("it was written");
    assert_eq!(written, export("alerts"));

    let nowhere = folder.path().join("none/rules.yml");
    let output = output(&format!("export alerts --out {}", nowhere.display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write"), "{}", text(&output.stderr));
}
