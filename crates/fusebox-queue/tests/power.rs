//! A power cut: what was written after the last acknowledgement is gone, or torn, and nothing before it is.
//!
//! The files are copied as a cut would leave them: the log up to a random place behind the last acknowledgement that counts, and
//! noise where the drive was writing. That an acknowledged byte has been *synced* cannot be seen from here; it rests on
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

/// The files as a cut leaves them: `log` and what is in the database now.
fn cut(path: &Path, log: &[u8], round: &str) -> PathBuf {
    let folder = path.with_file_name(round);
    fs::create_dir(&folder).expect("a folder");
    let copy = folder.join("calls.queue");
    fs::write(log_of(&copy), log).expect("written");
    fs::copy(path, &copy).expect("copied");
    copy
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
        let missing = missing(&cut(&path, &log, &format!("cut-{round}")), &told);
        assert!(missing.is_empty(), "round {round} of seed {SEED}: {missing:?}");
    }
}

#[test]
fn the_check_sees_what_a_cut_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    let store = Sqlite::open(&path).expect("opens");
    let told: Vec<String> = ["first", "last"].map(str::to_owned).into();
    told.iter().for_each(|key| keep(&store, key));
    let log = fs::read(log_of(&path)).expect("a log");
    assert_eq!(missing(&cut(&path, &log, "whole"), &told), [""; 0]);
    // One byte short of the acknowledgement.
    assert_eq!(missing(&cut(&path, &log[..log.len() - 1], "short"), &told), ["last"]);
}
