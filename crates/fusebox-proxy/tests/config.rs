//! The configuration against its golden files, its documentation and arbitrary text.
//!
//! Each `golden/NAME.toml` has either a `NAME.err`, the errors as printed, or a `NAME.explain`, the plan as
//! `fusebox explain` prints it. `BLESS=1` writes what is missing or different; read the difference before it is
//! committed.

use fusebox_proxy::config::{ConfigErrors, Match, Plan, keys};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).expect("the golden files are there");
    let files = files.map(|file| file.expect("a readable folder").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

fn parse(text: &str) -> Result<Plan, ConfigErrors> {
    Plan::parse("fusebox.toml", text)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with the golden `answer`, if it is not `text`.
fn differs(answer: &Path, text: &str) -> Option<String> {
    if fs::read_to_string(answer).is_ok_and(|expected| expected == text) {
        return None;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(answer, text).expect("the golden folder is writable");
        return None;
    }
    Some(format!("--- {} is now\n{text}", answer.display()))
}

#[test]
fn every_golden_file_gives_its_golden_answer() {
    let mut different = Vec::new();
    for path in golden() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (answer, text) = match Plan::parse(&name, &read(&path)) {
            Ok(plan) => (path.with_extension("explain"), plan.explain()),
            Err(errors) => (path.with_extension("err"), format!("{errors}\n")),
        };
        different.extend(differs(&answer, &text));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn explanations_fit_a_terminal_of_a_hundred_columns() {
    let plans = golden().into_iter().filter_map(|path| parse(&read(path)).ok());
    let mut lines = 0;
    for line in plans.flat_map(|plan| plan.explain().lines().map(str::to_owned).collect::<Vec<_>>()) {
        assert!(line.chars().count() <= 100 && line.trim_end() == line, "{line:?}");
        lines += 1;
    }
    assert!(lines > 100, "{lines} lines only");
}

/// A file in which `key` of `table` has a value that nothing accepts.
fn with_a_date_at(table: &str, key: &str) -> String {
    let date = "1979-05-27";
    let service = "[[service]]\nname = \"a\"\nendpoints = [\"http://a\"]\n";
    match table {
        "" if key == "service" => format!("service = {date}\n"),
        "" => format!("{key} = {date}\n{service}"),
        "admin" | "limits" => format!("{service}[{table}]\n{key} = {date}\n"),
        "listener" => format!("{service}[[listener]]\n{key} = {date}\n"),
        "service" => format!("[[service]]\n{key} = {date}\n"),
        "service.match" => format!("{service}match = {{ {key} = {date} }}\n"),
        "service.endpoints" => format!("[[service]]\nname = \"a\"\nendpoints = [{{ {key} = {date} }}]\n"),
        "service.route" => format!("{service}[[service.route]]\n{key} = {date}\n"),
        _ => format!("{service}[{table}]\n{key} = {date}\n"),
    }
}

#[test]
fn every_listed_key_is_read() {
    for table in keys::ALL {
        for key in table.known.iter().chain(table.later) {
            let text = with_a_date_at(table.table, key);
            let errors = parse(&text).expect_err(&text);
            let name = format!("{}.{key}", table.table);
            let name = name.trim_start_matches('.');
            assert!(errors.0.iter().any(|error| error.key == name), "{name} in\n{text}\n{errors}");
        }
    }
}

#[test]
fn every_listed_key_is_documented() {
    let page = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md"));
    for table in keys::ALL {
        let heading =
            if table.table.is_empty() { "## The file".into() } else { format!("## `{}`", table.table) };
        let section = page.split_once(&heading).unwrap_or_else(|| panic!("no {heading}")).1;
        let section = section.split("\n## ").next().unwrap_or_default();
        for key in table.known.iter().chain(table.later) {
            assert!(section.contains(&format!("`{key}`")), "{heading} does not say what {key} is");
        }
    }
}

#[test]
fn the_example_is_a_plan_without_warnings() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fusebox.toml");
    let plan = parse(&read(example)).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.warnings, [""; 0]);
}

#[test]
fn the_least_file_has_every_default() {
    let plan = parse("[[service]]\nname = \"a\"\nendpoints = [\"http://127.0.0.1:7001\"]\n").expect("enough");
    let admin = plan.admin.as_ref().and_then(|admin| admin.listen.address());
    assert_eq!(admin, "127.0.0.1:9900".parse().ok());
    assert_eq!(plan.listeners, ["127.0.0.1:8080".parse().expect("an address")]);
    let [service] = plan.services.as_slice() else { panic!("one service: {plan:?}") };
    let policies = &service.routes[0].policies;
    assert_eq!(policies.call_timeout.map(|timeout| timeout.as_secs()), Some(5));
    assert_eq!(policies.deadline, None);
    assert_eq!(policies.retry.as_ref().map(|retry| retry.config().max_attempts), Some(2));
    assert_eq!(policies.circuit_name(service, &service.endpoints[0]), "a");
}

#[test]
fn upstreams_alone_make_a_plan() {
    let (listen, admin) = ("127.0.0.1:8080".parse().expect("ok"), "127.0.0.1:9900".parse().expect("ok"));
    let urls = ["http://127.0.0.1:7001".to_owned(), "http://127.0.0.1:7002".to_owned()];
    let plan = Plan::for_upstreams(&urls, listen, admin).expect("a good plan");
    let answer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/upstreams.explain");
    assert_eq!(differs(&answer, &plan.explain()), None);

    let wrong =
        ["https://a".to_owned(), "http://127.0.0.1:8080".to_owned(), urls[0].clone(), urls[0].clone()];
    let errors = Plan::for_upstreams(&wrong, listen, listen).expect_err("four mistakes").to_string();
    let expected = [
        "--upstream: found \"https://a\", accepted: http:// (TLS to endpoints is not available yet in this version)",
        "--upstream: found \"http://127.0.0.1:8080\", accepted: an endpoint other than the proxy itself: calls would go round for ever",
        "--upstream: found \"http://127.0.0.1:7001\", accepted: each endpoint once",
        "--admin: found \"127.0.0.1:8080\", accepted: an address other than --listen's",
    ];
    assert_eq!(errors.split("\n\n").collect::<Vec<_>>(), expected);
}

#[test]
fn a_prefix_matches_whole_segments() {
    let prefix = |path_prefix: &str| Match { host: None, path_prefix: path_prefix.into() };
    let payments = prefix("/payments");
    for (path, accepted) in [
        ("/payments", true),
        ("/payments/x", true),
        ("/payments?x", true),
        ("/paymentsx", false),
        ("/", false),
    ] {
        assert_eq!(payments.accepts(Some("a.example"), path), accepted, "{path}");
    }
    assert!(prefix("/").accepts(None, "/anything"));
    let hosted = Match { host: Some("pay.example".into()), path_prefix: "/".into() };
    assert!(hosted.accepts(Some("pay.example"), "/x"));
    assert!(!hosted.accepts(Some("other.example"), "/x") && !hosted.accepts(None, "/x"));
    assert!(hosted.specificity() > payments.specificity());
}

/// A golden file with one stretch of it replaced.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<String> = golden().iter().map(read).collect();
    let junk = prop_oneof![
        any::<String>(),
        proptest::string::string_regex("[\\[\\]{}=.,\"'#\n0-9a-z -]{0,12}").expect("a valid pattern"),
        Just("99999999999999999999999".to_owned()),
        Just("\"9999999999999999999h\"".to_owned()),
        Just("nan".to_owned()),
        Just("-inf".to_owned()),
        Just("[[".repeat(200)),
    ];
    (proptest::sample::select(texts), any::<prop::sample::Index>(), 0usize..24, junk).prop_map(
        |(text, at, length, junk)| {
            let chars: Vec<char> = text.chars().collect();
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len());
            chars[..start].iter().copied().chain(junk.chars()).chain(chars[end..].iter().copied()).collect()
        },
    )
}

/// Reads `text` and prints whatever came of it.
fn answer(text: &str) -> String {
    parse(text).map_or_else(|errors| errors.to_string(), |plan| plan.explain())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_gets_an_answer(text in any::<String>()) {
        prop_assert!(!answer(&text).is_empty());
    }

    #[test]
    fn mutated_files_get_an_answer(text in mutated()) {
        prop_assert!(!answer(&text).is_empty());
    }

    #[test]
    fn any_number_at_any_breaker_key_gets_an_answer(
        key in proptest::sample::select(keys::BREAKER.known),
        number in prop_oneof![any::<f64>().prop_map(|n| format!("{n:?}")), any::<i64>().prop_map(|n| n.to_string())],
    ) {
        let text = format!("[[service]]\nname='a'\nendpoints=['http://a']\n[service.breaker]\n{key} = {number}\n");
        prop_assert!(!answer(&text).is_empty());
    }
}
