//! `fusebox export alerts`: promtool reads the rules, and sees each one fire and stay silent.

use super::{docs, export, folder, golden, is_documented, promtool, shop};

const TESTS: [&str; 3] = ["circuits.test.yml", "queue.test.yml", "seeds.test.yml"];

/// The values of `key` in `rules`, a literal block as one.
fn values(rules: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start().trim_start_matches("- ");
        let Some(value) = trimmed.strip_prefix(key).and_then(|rest| rest.strip_prefix(": ")) else {
            continue;
        };
        if value != "|-" {
            found.push(value.trim_matches('"').to_owned());
            continue;
        }
        let (indent, mut block) = (line.len() - line.trim_start().len(), String::new());
        while let Some(more) = lines.next_if(|more| more.len() - more.trim_start().len() > indent) {
            block += more;
        }
        found.push(block);
    }
    found
}

#[test]
fn the_rules_are_what_they_were() {
    golden("shop.rules.yml", &export(&format!("alerts {}", shop())));
    golden("defaults.rules.yml", &export("alerts"));
}

#[test]
fn promtool_accepts_the_rules_without_a_remark() {
    for rules in ["shop", "defaults"] {
        let said =
            promtool(&["check", "rules", &format!("../golden/{rules}.rules.yml")]).expect("good rules");
        assert!(said.contains("SUCCESS") && !said.contains("duplicate"), "{said}");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_stays_silent_when_not() {
    for test in TESTS {
        if let Err(said) = promtool(&["test", "rules", test]) {
            panic!("{test}: {said}");
        }
    }
    let read = |name: &str| std::fs::read_to_string(folder().join("alerts").join(name)).expect("a test");
    let tests: String = TESTS.map(read).concat();
    let silent = |name: &str| {
        let named = format!("alertname=\"{name}\"");
        tests.lines().any(|line| line.contains(&named) && line.contains("exp_samples: []"))
    };
    for name in values(&export(&format!("alerts {}", shop())), "alert") {
        let fires = format!("labels: 'ALERTS{{alertname=\"{name}\",alertstate=\"firing\"");
        assert!(tests.contains(&fires), "no test sees {name} fire");
        assert!(silent(&name), "no test sees {name} stay silent");
    }
}

#[test]
fn promtool_notices_a_rule_that_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    for sub in ["golden", "alerts"] {
        std::fs::create_dir(place(sub)).expect("a folder");
    }
    let rules = export(&format!("alerts {}", shop()));
    let wrong = rules.replace("} > 60\n", "} > 60000\n");
    assert_ne!(rules, wrong);
    std::fs::write(place("golden/shop.rules.yml"), wrong).expect("written");
    let test = place("alerts/circuits.test.yml");
    std::fs::copy(super::folder().join("alerts/circuits.test.yml"), &test).expect("copied");
    let said = promtool(&["test", "rules", &test.display().to_string()]).expect_err("it must not pass");
    assert!(said.contains("DependencyDown"), "{said}");
}

#[test]
fn every_alert_asks_for_documented_metrics_and_leads_to_a_page_about_it() {
    let rules = export(&format!("alerts {}", shop()));
    for expr in values(&rules, "expr") {
        is_documented(&expr);
    }
    let page = docs("alerts.md");
    let (names, runbooks) = (values(&rules, "alert"), values(&rules, "runbook"));
    for (name, severity) in names.iter().zip(values(&rules, "severity")) {
        let row = format!("| [{name}](#{}) | {severity} |", name.to_lowercase());
        assert!(page.contains(&row), "docs/alerts.md has another severity for {name}: {row}");
    }
    assert!(names.len() > 40 && names.len() == runbooks.len());
    for (name, runbook) in names.iter().zip(runbooks) {
        assert_eq!(runbook, format!("docs/alerts.md#{}", name.to_lowercase()));
        assert!(page.contains(&format!("\n## {name}\n")), "docs/alerts.md has no section on {name}");
    }
    let elsewhere = export("alerts --runbooks https://wiki.example/alerts");
    assert!(elsewhere.contains("runbook: \"https://wiki.example/alerts#dependencydown\""));
}

#[test]
fn rules_are_written_for_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plain.toml");
    let plain = "[[service]]\nname = \"a\"\nendpoints = [\"http://a:80\"]\nretry = false\nbreaker = { failure_rate = false, \
                 consecutive_failures = 7 }\n";
    std::fs::write(&file, plain).expect("written");
    let rules = export(&format!("alerts --config {}", file.display()));
    for gone in ["Deferred", "RetryBudget", "HighFailureRate", "fusebox-circuits-other"] {
        assert!(!rules.contains(gone), "{gone}: {rules}");
    }
    assert!(rules.contains("at 7 failures in a row") && rules.contains("circuit_name=\\\"a\\\""), "{rules}");
    let shop = export(&format!("alerts {}", shop()));
    for there in
        ["DeferredQueueDeep", "RetryBudgetExhausted", "circuit_name=~\\\"(shops)([[].*)?\\\"", "> 750"]
    {
        assert!(shop.contains(there), "{there}: {shop}");
    }
}
