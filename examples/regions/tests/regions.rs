//! The whole program, as a user runs it, over real HTTP. It counts who answered, with room for a machine that is busy with
//! other things: what makes the difference is an answer that fails or takes seconds of production.

use std::process::{Command, Stdio};

/// Calls in a scene.
const CALLS: u64 = 80;
/// Calls that may be on their way when a circuit opens, and probes.
const ROOM: u64 = 10;

struct Play {
    out: String,
}

/// A row of the table of scenes.
#[derive(Debug)]
struct Scene {
    ours: u64,
    next: u64,
    last: u64,
    by_fallback: u64,
    cached: u64,
    default: u64,
    failed: u64,
    asked_ours: u64,
}

impl Play {
    fn run(arguments: &[&str]) -> Play {
        let mut program = Command::new(env!("CARGO_BIN_EXE_example-regions"));
        let output = program.args(arguments).stdin(Stdio::null()).output().expect("the program starts");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
        Play { out }
    }

    fn scene(&self, name: &str) -> Scene {
        let mut rows = self.out.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        let row = rows
            .rfind(|rest| rest.starts_with("  "))
            .unwrap_or_else(|| panic!("no row {name:?} in\n{}", self.out));
        let numbers: Vec<u64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [ours, next, last, by_fallback, cached, default, failed, _slowest, asked_ours, _, _] =
            numbers[..]
        else {
            panic!("{name:?} has {numbers:?} in\n{}", self.out)
        };
        assert_eq!(ours + next + last + cached + default + failed, CALLS, "{name}\n{}", self.out);
        Scene { ours, next, last, by_fallback, cached, default, failed, asked_ours }
    }

    /// What the circuits did in a scene.
    fn turns(&self, name: &str) -> &str {
        let mut parts = self.out.split("\n\n").filter_map(|part| part.strip_prefix(name));
        parts.next().unwrap_or_else(|| panic!("no scene {name:?} in\n{}", self.out))
    }
}

#[test]
fn a_region_that_slows_down_or_fails_costs_no_call_while_another_is_left() {
    let play = Play::run(&[]);

    let well = play.scene("all is well");
    assert!(well.ours > CALLS / 2 && well.failed == 0, "{well:?}");

    let slower = "ours takes 3.5 s: not yet slow";
    let scene = play.scene(slower);
    assert!(scene.ours > 0 && scene.next + scene.last >= CALLS / 10, "the balancer moves calls: {scene:?}");
    assert_eq!(play.turns(slower).trim(), "", "and does so before any circuit opens");
    assert_eq!((scene.by_fallback, scene.failed), (0, 0), "{scene:?}");

    let fails = play.scene("ours fails");
    assert_eq!((fails.ours, fails.next + fails.last, fails.failed), (0, CALLS, 0), "{fails:?}");
    assert!(fails.by_fallback > 0, "other regions answer what ours had been asked for: {fails:?}");
    assert!(fails.asked_ours <= 5 + ROOM, "the threshold, and what was on its way: {fails:?}");
    assert!(play.turns("ours fails").contains("us-east-1: open, consecutive_failures 5 ≥ 5"), "{}", play.out);

    let slow = "ours fails, the next takes 8 s";
    let scene = play.scene(slow);
    assert!(scene.next > 0 && scene.failed == 0, "{scene:?}");
    assert!(!play.turns(slow).contains("us-west-2"), "8 s are slow for our region only\n{}", play.out);

    let two = play.scene("ours and the next fail");
    assert_eq!((two.last, two.failed), (CALLS, 0), "{two:?}");

    let all = play.scene("every region fails");
    assert_eq!(
        (all.cached, all.default, all.failed),
        (CALLS / 2, CALLS / 2, 0),
        "known pages and new ones: {all:?}"
    );

    let again = play.scene("all is well again");
    assert_eq!(again.ours + again.next + again.last, CALLS, "{again:?}");
    assert!(again.ours > 0, "{again:?}");
}

#[test]
fn the_list_is_the_order() {
    let play = Play::run(&["--cached-first", "--scenes", "3"]);
    let fails = play.scene("ours fails");
    assert!(
        fails.cached > 0 && fails.by_fallback == 0,
        "what is kept stands before the other regions: {fails:?}"
    );
}
