//! Each program runs to its end and shows what it is there to show.

use std::process::Command;

/// What a program shows from its start to its end.
fn run(program: &str) -> String {
    let output = Command::new(program).output().expect("the program starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    shown
}

/// Runs a program; it must show every one of `parts`, in this order.
fn shows(program: &str, parts: &[&str]) {
    let shown = run(program);
    let mut rest = &*shown;
    for part in parts {
        let Some(at) = rest.find(part) else { panic!("no {part:?} where it should be in:\n{shown}") };
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn reqwest_sends_again_what_it_may_and_stops_at_an_open_circuit() {
    let parts = [
        "GET: 200 OK, at the second attempt",
        "POST under a key: 200 OK",
        "POST without a key: 500 Internal Server Error, not sent again",
        "not called: the circuit is open",
        "503 Service Unavailable",
        "2 good, 8 failed, 1 rejected",
    ];
    shows(env!("CARGO_BIN_EXE_reqwest"), &parts);
}

#[test]
fn axum_sheds_with_a_problem_and_only_on_its_route() {
    let parts = [
        "GET /report: 500",
        "GET /report: 500",
        "GET /report: 500",
        "GET /report: 503",
        "content-type: application/problem+json",
        "fusebox-outcome: rejected",
        "fusebox-reason: open",
        "fusebox-retry: no",
        "retry-after: ",
        r#"{"type":"urn:fusebox:problem:rejected","#,
        r#""circuit":"reports","#,
        "GET /health: 200",
        "3 failed, 1 rejected",
    ];
    shows(env!("CARGO_BIN_EXE_axum"), &parts);
}

#[test]
fn hyper_waits_as_it_is_asked_to_but_not_for_an_hour() {
    let parts = [
        "GET: 200 OK here you are",
        "POST: 200 OK here you are",
        "GET: 429 Too Many Requests",
        "asks for 3600 s",
        "2 good, 1 failed",
    ];
    shows(env!("CARGO_BIN_EXE_hyper"), &parts);
}

#[test]
fn tonic_opens_for_faults_of_the_server_and_not_for_those_of_the_caller() {
    let parts = [
        "Ann: Hello, Ann",
        "nobody: NotFound",
        "nobody: NotFound",
        "nobody: NotFound",
        "crash: Internal",
        "crash: Internal",
        "crash: Internal",
        "Ann: Unavailable, call greeter: the circuit is open",
        "4 good, 3 failed, 1 rejected",
    ];
    shows(env!("CARGO_BIN_EXE_tonic"), &parts);
}

#[test]
fn a_pool_without_a_free_connection_opens_nothing() {
    let parts = [
        "a row: Ok(1)",
        "again: Err(\"there is such a row already\")",
        "12 ignored, and the circuit is closed",
        "failed to call orders: the circuit is open",
    ];
    shows(env!("CARGO_BIN_EXE_pool"), &parts);
}

#[test]
fn an_opening_circuit_is_an_event_and_a_series() {
    let shown = run(env!("CARGO_BIN_EXE_observe"));
    for line in [
        "WARN fusebox: circuit opened circuit=\"search\" from=\"closed\" to=\"open\" epoch=1 rule=\"failure_rate\"",
        "circuit_breaker_calls_total{circuit_name=\"search\",result=\"success\"} 3\n",
        "circuit_breaker_calls_total{circuit_name=\"search\",result=\"failure\"} 7\n",
        "circuit_breaker_calls_total{circuit_name=\"search\",result=\"rejected\"} 5\n",
        "circuit_breaker_calls_total{circuit_name=\"search\",result=\"late\"} 0\n",
        "circuit_breaker_state{circuit_name=\"search\",service=\"search\"} 1\n",
        "circuit_breaker_state_changes_total{circuit_name=\"search\",from_state=\"closed\",to_state=\"open\"} 1\n",
        "# TYPE circuit_breaker_failure_rate gauge\n",
    ] {
        assert!(shown.contains(line), "no {line:?} in:\n{shown}");
    }
}

#[test]
fn a_service_of_axum_has_its_dashboard_in_three_lines() {
    let parts = [
        r#""open": "consecutive_failures 10 ≥ 10 (last: error ×4)""#,
        "circuit_breaker_state{circuit_name=\"orders\",service=\"orders\"} 1",
        "the page is text/html",
        r#""open" → "closed""#,
    ];
    shows(env!("CARGO_BIN_EXE_dashboard"), &parts);
}
