//! `kill -9` at random moments: nothing that was acknowledged is gone.
//!
//! The test starts itself as another process, which works on the file and says what was acknowledged, until it is killed.

use fusebox_core::Rng;
use fusebox_queue::record::State;
use fusebox_queue::sqlite::Sqlite;
use fusebox_queue::{LeaseRequest, NewItem, QueueStore, Settlement};
use futures_executor::block_on;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const VICTIM: &str = "FUSEBOX_QUEUE_VICTIM";
const ROUNDS: u64 = 50;

/// Says a line whole, or not at all.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// Works on the file until it is killed.
fn work(path: &Path, round: &str) {
    let store = Sqlite::open(path).expect("opens after every kill");
    let made = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let key = format!("{round}-{}", made.fetch_add(1, Relaxed));
                    let told = block_on(store.enqueue(vec![NewItem::new("q", &*key, "pay")]));
                    told.expect("kept");
                    say(&format!("kept {key}"));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let leased = block_on(store.lease(LeaseRequest::of("q", 3, Duration::from_secs(60))));
                    for leased in leased.expect("leased") {
                        let done = Settlement::Complete { result: vec![] };
                        block_on(store.settle(vec![(leased.token, done)])).expect("settled");
                        say(&format!("done {}", leased.view.key));
                    }
                }
            });
        }
    });
}

/// What was acknowledged and is not so in the file.
fn missing(store: &dyn QueueStore, told: &HashMap<String, bool>) -> Vec<String> {
    let is_so = |(key, done): &(&String, &bool)| match block_on(store.find("q", key)).expect("read") {
        Some(view) => !**done || view.record.state == State::Done,
        None => false,
    };
    told.iter().filter(|entry| !is_so(entry)).map(|(key, _)| key.clone()).collect()
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_fifty_kills() {
    if let Ok(victim) = std::env::var(VICTIM) {
        let (path, round) = victim.rsplit_once('|').expect("a path and a round");
        return work(Path::new(path), round);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let (mut rng, mut told) = (Rng::seeded(2_026), HashMap::<String, bool>::new());
    for round in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "nothing_that_was_acknowledged_is_lost_by_fifty_kills", "--nocapture"])
            .env(VICTIM, format!("{}|{round}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut hear = |line: String| match line.split_once(' ') {
            Some(("kept", key)) => drop(told.entry(key.into()).or_insert(false)),
            Some(("done", key)) => drop(told.insert(key.into(), true)),
            _ => {}
        };
        // The test's harness says a few lines first.
        let last_words = 5 + rng.up_to(400);
        lines.by_ref().take(last_words as usize).for_each(&mut hear);
        victim.kill().expect("killed");
        // What it had said before it was.
        lines.for_each(&mut hear);
        victim.wait().expect("it is gone");
        let store = Sqlite::open(&path).expect("opens after every kill");
        let missing = missing(&store, &told);
        assert!(missing.is_empty(), "round {round} of seed 2026: {missing:?}");
    }
    assert!(told.len() > 1_000, "{} were acknowledged", told.len());
    println!(
        "{ROUNDS} kills, {} acknowledged, {} of them done, none lost",
        told.len(),
        told.values().filter(|done| **done).count()
    );
}

#[test]
fn the_check_sees_what_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let store = Sqlite::open(&path).expect("opens");
    let told = block_on(store.enqueue(vec![NewItem::new("q", "a", ""), NewItem::new("q", "b", "")]));
    told.expect("kept");
    let acknowledged = HashMap::from([("a".into(), false), ("b".into(), true), ("c".into(), false)]);
    let mut missing = missing(&store, &acknowledged);
    missing.sort();
    assert_eq!(missing, ["b", "c"], "one is not done, one is not there");
}
