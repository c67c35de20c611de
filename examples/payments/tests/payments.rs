//! The whole program, as a user runs it, over real HTTP. Counts only, and no times: what is timed out is told apart from
//! what answers by hanging for ever.

use std::process::{Command, Stdio};

/// New payments in a scene.
const PAYMENTS: u64 = 20;
/// Calls that may be on their way to a provider when its circuit opens, and probes, on a machine that is busy with other
/// things.
const ROOM: u64 = 6;

struct Play {
    out: String,
}

/// A row of the table of scenes.
#[derive(Debug)]
struct Scene {
    north: u64,
    south: u64,
    declined: u64,
    later: u64,
    captured: u64,
    captured_later: u64,
    asked_north: u64,
    asked_south: u64,
}

impl Play {
    /// The numbers of the row that begins with `name`.
    fn numbers(&self, name: &str) -> Vec<u64> {
        let rows = self.out.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        let mut rows = rows.filter(|rest| rest.starts_with("  "));
        let numbers =
            |rest: &str| rest.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>();
        let found = rows.find_map(|rest| Some(numbers(rest)).filter(|numbers| !numbers.is_empty()));
        found.unwrap_or_else(|| panic!("no row {name:?} in\n{}", self.out))
    }

    fn scene(&self, name: &str) -> Scene {
        let numbers = self.numbers(name);
        let [north, south, declined, later, _slowest, captured, captured_later, asked_north, asked_south] =
            numbers[..]
        else {
            panic!("{name:?} has {numbers:?} in\n{}", self.out)
        };
        Scene { north, south, declined, later, captured, captured_later, asked_north, asked_south }
    }

    fn says(&self, words: &str) {
        assert!(self.out.contains(words), "{words:?} is not in\n{}", self.out);
    }
}

#[test]
fn payments_survive_what_providers_do() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_example-payments"));
    let output = program.stdin(Stdio::null()).output().expect("the program starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    let play = Play { out };

    let well = play.scene("all is well");
    assert_eq!((well.north, well.declined, well.later), (PAYMENTS - 1, 1, 0), "{}", play.out);
    assert_eq!(well.asked_south, 0, "a declined card is an answer, and no reason to ask the other provider");

    let rush = play.scene("a rush while north is slow");
    assert_eq!(rush.north + rush.south + rush.later, PAYMENTS, "{rush:?}");
    assert!(rush.asked_north <= 6 + ROOM, "a bulkhead of six places: {rush:?}");
    assert!(rush.south > 0 && rush.captured > 0, "{rush:?}");
    assert_eq!(
        rush.captured + rush.captured_later,
        PAYMENTS - 1,
        "captures have places of their own: {rush:?}"
    );

    let again = play.scene("all is well again");
    assert_eq!((again.north + again.south, again.later), (PAYMENTS, 0), "{again:?}");

    let slow = play.scene("north is slow to authorise");
    assert_eq!(
        slow.north + slow.south + slow.later,
        PAYMENTS,
        "a slow provider loses traffic only: {slow:?}"
    );
    assert!(slow.south > 0, "{slow:?}");
    assert_eq!((slow.captured, slow.captured_later), (PAYMENTS, 0), "its captures go on: {slow:?}");
    play.says("north/authorise: open, slow_call_rate");

    let stumbling = play.scene("north captures, answers 500");
    assert_eq!(
        (stumbling.captured, stumbling.captured_later),
        (PAYMENTS, 0),
        "a retry is told: {stumbling:?}"
    );

    let failing = play.scene("north captures nothing");
    assert_eq!(failing.captured + failing.captured_later, PAYMENTS, "{failing:?}");
    assert!(failing.captured_later > 0 && failing.later == 0, "{failing:?}");
    assert!(failing.north > 0, "a circuit for each operation: north still authorises: {failing:?}");
    play.says("north/capture: open, consecutive_failures 8 ≥ 8");

    let hanging = play.scene("north hangs when it authorises");
    assert_eq!((hanging.north, hanging.south + hanging.later), (0, PAYMENTS), "{hanging:?}");
    assert!(hanging.later >= 5, "whom north may have authorised for, south is not asked: {hanging:?}");
    assert!(hanging.asked_north <= 5 + ROOM, "the threshold, and what was on its way: {hanging:?}");
    play.says("north/authorise: open, consecutive_failures 5 ≥ 5");

    let both = play.scene("both hang when they authorise");
    assert_eq!((both.north, both.south, both.later), (0, 0, PAYMENTS), "declared, not failed: {both:?}");
    assert!(both.asked_south <= 5 + ROOM, "{both:?}");

    let last = play.scene("all is well at last");
    assert_eq!(last.north + last.south + last.later, PAYMENTS, "{last:?}");
    assert!(last.north > 0 && last.later <= 2, "a probe at a time, of both, at first: {last:?}");

    let scenes = [&well, &rush, &again, &slow, &stumbling, &failing, &hanging, &both, &last];
    let sum = |count: fn(&Scene) -> u64| scenes.into_iter().map(count).sum::<u64>();
    let [authorised, captured] = ["authorise", "capture"]
        .map(|operation| <[u64; 5]>::try_from(play.numbers(operation)).expect("a row"));
    let [deferred, sent, found, given_up, waiting] = authorised;
    assert_eq!(deferred, sum(|scene| scene.later), "what was declared was kept: {}", play.out);
    assert_eq!((sent + found + given_up, given_up, waiting), (deferred, 1, 0), "{}", play.out);
    assert!(sent > 0 && found > 0, "some had been authorised, and were not again: {}", play.out);
    let [deferred, sent, found, given_up, waiting] = captured;
    assert_eq!(deferred, sum(|scene| scene.captured_later), "{}", play.out);
    assert_eq!((sent + found, given_up, waiting), (deferred, 0, 0), "{}", play.out);

    let [north, south] = ["north", "south"]
        .map(|provider| <[u64; 8]>::try_from(play.numbers(provider)).expect("a provider's row"));
    let [repeated, held, taken, let_go] = [4, 5, 6, 7].map(|column| north[column] + south[column]);
    assert!(north[4] > 0, "captures were repeated with the same key, and answered from memory: {repeated}");
    let decided = sum(|scene| scene.north + scene.south + scene.later);
    assert_eq!(held, decided, "each payment that was not declined was held once: {}", play.out);
    assert_eq!(taken, sum(|scene| scene.captured + scene.captured_later), "and taken once: {}", play.out);
    assert_eq!(let_go, 1, "the customer had gone elsewhere: {}", play.out);
    play.says("payments captured twice: 0");
    play.says("holds to let go: 0");
    play.says("order-0-0, sent again: 200 Captured, the same payment");
    play.says("\"status\":\"will-be-processed\",\"source\":\"deferred\"");
    play.says("\"status\":\"authorised\",\"source\":\"deferred\"");
    play.says("\"status\":\"refunded\",\"source\":\"deferred\"");
}
