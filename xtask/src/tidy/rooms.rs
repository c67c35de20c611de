//! The rooms of the house: where time, dice and sleep may enter.
//!
//! `clippy.toml` forbids the calls everywhere; a room lifts that for itself with `expect`. This rule keeps the
//! list of rooms, so that a new one is a decision and not a habit.

use super::Finding;
use crate::project::Text;

/// Files that may lift the ban, and what enters there.
const ROOMS: &[(&str, &str)] = &[
    ("crates/fusebox/src/clock.rs", "the real clock"),
    ("crates/fusebox/src/cache/second/wall.rs", "ages that travel between machines"),
    ("crates/fusebox/src/driver/blocking.rs", "the blocking driver sleeps"),
    ("crates/fusebox/src/driver/timed.rs", "the async driver waits"),
    ("crates/fusebox-queue/src/clock.rs", "the clock of a store"),
    ("crates/fusebox-testbed/src/patience.rs", "tests wait for the servers that they start"),
    ("crates/fusebox-queue/src/worker/timer.rs", "a worker waits"),
    ("crates/fusebox/src/admin/wall.rs", "dates for operators"),
    ("crates/fusebox-proxy/src/alarm.rs", "the proxy's timers"),
    ("crates/fusebox-proxy/src/wall.rs", "dates for callers"),
    ("crates/fusebox-cli/src/clock.rs", "a demo's schedule and an operator's view run in real time"),
    ("examples/stage/src/clock.rs", "the example programs play in real time"),
    ("xtask/src/steps.rs", "how long a step took"),
];

/// The ban on reading clocks, rolling dice and sleeping is lifted only in the listed rooms.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_product = text.path.contains("/src/")
        && ["crates/", "examples/", "xtask/"].iter().any(|part| text.path.starts_with(part));
    let is_room =
        ROOMS.iter().any(|(path, _)| *path == text.path) || text.path.starts_with("xtask/src/tidy/");
    if !text.is_rust() || !is_product || is_room {
        return findings;
    }
    for (number, line) in text.lines() {
        let code = line.split("//").next().unwrap_or("");
        if code.contains("clippy::disallowed_methods") {
            findings.push(Finding::new(
                &text.path,
                number,
                "time, dice and sleep enter in their rooms only: take `now` or an `Rng`, or list the room in xtask",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    const LIFT: &str = "use x;\n#[expect(clippy::disallowed_methods, reason = \"it is quick\")]\n";

    #[test]
    fn lifting_the_ban_outside_a_room_is_found() {
        assert_eq!(check(&text("crates/fusebox-core/src/breaker/mod.rs", LIFT))[0].line, 2);
        assert_eq!(check(&text("crates/fusebox/src/clock/mod.rs", LIFT)).len(), 1);
        assert_eq!(check(&text("examples/cascade/src/load.rs", LIFT)).len(), 1);
        assert!(check(&text("crates/fusebox/src/clock.rs", LIFT)).is_empty());
        assert!(check(&text("crates/fusebox-proxy/tests/hang.rs", LIFT)).is_empty());
    }
}
