//! The demo, short and without a terminal: what it shows must be so.

use super::child::{output, text};

/// The two numbers of a line of the summary.
fn row(out: &str, name: &str) -> (u64, u64) {
    let line = out.lines().find(|line| line.trim_start().starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no line {name:?} in\n{out}"));
    let numbers = line.split_whitespace().rev().take(2).map(|number| number.replace(',', ""));
    let numbers: Vec<u64> = numbers.map(|number| number.parse().unwrap_or(0)).collect();
    (numbers[1], numbers[0])
}

#[test]
fn a_dependency_fails_and_recovers_and_the_numbers_reconcile() {
    let output = output("demo --seconds 6");
    let out = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{out}");

    let told = |words: &[&str]| {
        let found = out.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line with {words:?} in\n{out}");
    };
    told(&["provider", "OPEN", "consecutive_failures 10 ≥ 10", "probes in"]);
    told(&["provider", "half-open", "the wait is over"]);
    told(&["provider", "closed", "3 good probes"]);
    told(&["profiles", "OPEN"]);
    told(&["profiles", "closed"]);
    told(&["calls", "profiles", "fallback"]);
    for phase in ["healthy: ", "slow: ", "50 % errors: ", "down: ", "recovered: "] {
        assert_eq!(out.matches(&format!("phase     {phase}")).count(), 2, "{phase} once in each run\n{out}");
    }
    told(&["run --upstream http://127.0.0.1:8000"]);
    assert!(!out.contains('\x1b'), "no colours without a terminal");

    let calls = row(&out, "calls");
    let [answered, fallbacks, rejected, failed] =
        ["answered by a backend", "answered by the fallback", "rejected at once", "failed:"]
            .map(|name| row(&out, name));
    assert_eq!(answered.0 + fallbacks.0 + rejected.0 + failed.0, calls.0, "{out}");
    assert_eq!(answered.1 + fallbacks.1 + rejected.1 + failed.1, calls.1, "{out}");
    assert_eq!(calls.0, calls.1, "the same load twice");
    assert_eq!((fallbacks.1, rejected.1), (0, 0), "nothing stands before the backends in the second run");
    let reached = row(&out, "calls that reached a failing backend");
    assert!(fallbacks.0 > 0 && failed.0 < failed.1 && reached.0 < reached.1, "{out}");
}
