//! A power cut: what was written after the last acknowledgement is gone, or torn, and nothing before it is.
//!
//! The files are copied as a cut would leave them: the log up to a random place behind the last acknowledgement that counts, and
//! noise where the drive was writing. Where the log is folded into the database, any of the pages that were not synced yet
//! may be there, missing, or torn, in any order. That an acknowledged byte has been *synced* cannot be seen from here; it rests on
//! `synchronous = FULL`, which a test beside the file's opening reads back.

use fusebox_core::Rng;
use fusebox_queue::sqlite::Sqlite;
use fusebox_queue::{NewItem, QueueStore};
use futures_executor::block_on;
use std::fs;
use std::path::{Path, PathBuf};

const ROUNDS: u64 = 20;
const SEED: u64 = 2_027;

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("queue-wal")
}

fn keep(store: &Sqlite, key: &str) {
    block_on(store.enqueue(vec![NewItem::new("q", key, vec![7; 300])])).expect("kept");
}

/// The files as a cut leaves them.
fn cut(path: &Path, log: &[u8], database: &[u8], round: &str) -> PathBuf {
    let folder = path.with_file_name(round);
    fs::create_dir(&folder).expect("a folder");
    let copy = folder.join("calls.queue");
    fs::write(log_of(&copy), log).expect("written");
    fs::write(&copy, database).expect("written");
    copy
}

fn now(file: &Path) -> Vec<u8> {
    fs::read(file).expect("it is there")
}

fn missing(path: &Path, keys: &[String]) -> Vec<String> {
    let store = Sqlite::open(path).expect("opens after every cut");
    let gone = |key: &&String| block_on(store.find("q", key)).expect("read").is_none();
    keys.iter().filter(gone).cloned().collect()
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_twenty_power_cuts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let (mut rng, mut told) = (Rng::seeded(SEED), Vec::new());
    let store = Sqlite::open(&path).expect("opens");
    for round in 0..ROUNDS {
        for number in 0..=rng.up_to(20) {
            told.push(format!("{round}-{number}"));
            keep(&store, told.last().expect("just pushed"));
        }
        let acknowledged = fs::metadata(log_of(&path)).expect("a log").len();
        for number in 0..=rng.up_to(20) {
            keep(&store, &format!("{round}-late-{number}"));
        }
        // A checkpoint may have emptied the log; then the database holds it all.
        let mut log = fs::read(log_of(&path)).expect("a log");
        let kept = usize::try_from(acknowledged).expect("short").min(log.len());
        let end = kept + rng.up_to((log.len() - kept) as u64) as usize;
        log.truncate(end);
        let torn = kept.max(end.saturating_sub(512));
        log[torn..].fill(0xa5);
        let missing = missing(&cut(&path, &log, &now(&path), &format!("cut-{round}")), &told);
        assert!(missing.is_empty(), "round {round} of seed {SEED}: {missing:?}");
    }
}

const PAGE: usize = 4_096;

/// What a drive holds that was to turn `before` into `after`, and was cut off: each page is one or the other, or torn.
fn half_written(before: &[u8], after: &[u8], rng: &mut Rng) -> Vec<u8> {
    let pages = before.len().max(after.len()).div_ceil(PAGE);
    let page = |of: &[u8], number: usize, from: usize, to: usize| {
        let end = of.len().min(number * PAGE + to);
        of.get(number * PAGE + from..end).unwrap_or_default().to_vec()
    };
    let drawn = (0..pages).flat_map(|number| {
        let cut = [0, PAGE, PAGE / 2][rng.up_to(2) as usize];
        [page(after, number, 0, cut), page(before, number, cut, PAGE)].concat()
    });
    drawn.collect()
}

/// The log and the database between two transactions, unless the one is being folded into the other.
fn both(path: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let files = || (now(&log_of(path)), now(path));
    let found = files();
    (!found.0.is_empty() && files() == found).then_some(found)
}

#[test]
fn a_cut_while_the_log_is_folded_into_the_database_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let (mut rng, mut told, mut lost) = (Rng::seeded(SEED), Vec::new(), 0);
    for round in 0..ROUNDS {
        let store = Sqlite::open(&path).expect("opens");
        let (least, mut number) = (10 + rng.up_to(20), 0);
        let (log, before) = loop {
            told.push(format!("{round}-{number}"));
            keep(&store, told.last().expect("just pushed"));
            number += 1;
            if let Some(files) = both(&path).filter(|_| number > least) {
                break files;
            }
        };
        // Closed, it is folded whole.
        drop(store);
        let after = now(&path);
        let half = half_written(&before, &after, &mut rng);
        let found = cut(&path, &log, &half, &format!("folded-{round}"));
        assert_eq!(missing(&found, &told), [""; 0], "round {round} of seed {SEED}");
        lost += usize::from(!intact(&cut(&path, &[], &half, &format!("bare-{round}")), &told));
    }
    assert!(lost > ROUNDS as usize / 2, "without the log only {lost} of {ROUNDS} cuts would have been seen");
}

/// Whether the file opens and has them all.
fn intact(path: &Path, keys: &[String]) -> bool {
    let Ok(store) = Sqlite::open(path) else { return false };
    keys.iter().all(|key| block_on(store.find("q", key)).is_ok_and(|found| found.is_some()))
}

#[test]
fn the_check_sees_what_a_cut_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let store = Sqlite::open(&path).expect("opens");
    let told: Vec<String> = ["first", "last"].map(str::to_owned).into();
    told.iter().for_each(|key| keep(&store, key));
    let log = fs::read(log_of(&path)).expect("a log");
    assert_eq!(missing(&cut(&path, &log, &now(&path), "whole"), &told), [""; 0]);
    // One byte short of the acknowledgement.
    assert_eq!(missing(&cut(&path, &log[..log.len() - 1], &now(&path), "short"), &told), ["last"]);
}
