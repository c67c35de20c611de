//! What outlives the process in a file.

use crate::server::RedisServer;
use crate::{Lines, PATIENT, behind, cached, codec, day, front, pages, redis_at, stale};
use fusebox::cache::{CacheFile, Key, Level, LevelBuilder};
use fusebox::{CircuitBreaker, Clock, breaker};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn file_at(path: &Path) -> LevelBuilder {
    Level::builder(CacheFile::at(path, 1 << 20).expect("a thread")).timeout(PATIENT)
}

/// Keeps one page there, as a process that has ended since.
fn one_kept(path: &Path) {
    let (before, ..) = behind(file_at(path).time_of_day(|| day(0)));
    before.store(front(), "one".into()).expect("kept");
    before.flush(PATIENT);
}

#[tokio::test]
async fn a_process_that_is_started_anew_serves_what_it_kept_before_at_its_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    one_kept(&path);
    let (after, ..) = behind(file_at(&path).time_of_day(|| day(90)));
    assert_eq!(after.look(&front()), None);
    assert_eq!(after.look_further(&front()).await, stale("one", 90));
    assert_eq!(after.look_further(&Key::of("ann", 1)).await, None);
    let (late, ..) = behind(file_at(&path).time_of_day(|| day(3_660)));
    assert_eq!(late.look_further(&front()).await, None, "expired");
    after.forget(&front());
    after.flush(PATIENT);
    let (last, ..) = behind(file_at(&path).time_of_day(|| day(91)));
    assert_eq!(last.look_further(&front()).await, None, "forgotten");
    let journal: String = Connection::open(&path)
        .and_then(|file| file.pragma_query_value(None, "journal_mode", |row| row.get(0)))
        .expect("a database");
    assert_eq!(journal, "wal");
    #[cfg(unix)]
    for end in ["", "-wal"] {
        use std::os::unix::fs::PermissionsExt;
        let file = fs::metadata(path.with_file_name(format!("cache.db{end}"))).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "callers' answers are in it");
    }
}

#[tokio::test]
async fn a_corrupt_file_is_set_aside_with_a_word_and_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    one_kept(&path);
    // Folds the log into the file, so that there is something to break.
    Connection::open(&path)
        .and_then(|file| file.pragma_update(None, "wal_checkpoint", "TRUNCATE").or(Ok(())))
        .expect("a database");
    let mut bytes = fs::read(&path).expect("it is there");
    let length = bytes.len();
    bytes[100..length].fill(0xa5);
    fs::write(&path, &bytes).expect("writable");
    let lines = Lines::default();
    let (after, ..) = behind(lines.hears(file_at(&path)));
    assert_eq!(after.look_further(&front()).await, None);
    crate::eventually("a word of it", || !lines.all().is_empty());
    assert!(lines.all()[0].contains("is corrupt; it is set aside as"), "{:?}", lines.all());
    assert_eq!(fs::read(path.with_file_name("cache.db.corrupt")).expect("set aside"), bytes);
    after.store(front(), "two".into()).expect("kept");
    after.flush(PATIENT);
    let (again, ..) = behind(file_at(&path));
    assert_eq!(again.look_further(&front()).await, cached("two"));
    assert_eq!(lines.all().len(), 1);
}

#[tokio::test]
async fn an_entry_that_is_broken_inside_a_whole_file_is_not_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    one_kept(&path);
    let file = Connection::open(&path).expect("a database");
    let mut bytes: Vec<u8> = file.query_row("SELECT bytes FROM cache", (), |row| row.get(0)).expect("one");
    let at = bytes.windows(3).position(|part| part == b"one").expect("as it was stored");
    bytes[at..at + 3].copy_from_slice(b"two");
    file.execute("UPDATE cache SET bytes = ?1", [&bytes]).expect("writable");
    drop(file);
    let (after, ..) = behind(file_at(&path).time_of_day(|| day(1)));
    assert_eq!(after.look_further(&front()).await, None);
    assert_eq!((after.snapshot().l2_errors, after.snapshot().l2_hits), (1, 0));
}

#[tokio::test]
async fn a_file_that_is_not_ours_or_cannot_be_had_is_left_alone_and_missed_with_one_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "no database at all").expect("writable");
    let other = folder.path().join("other.db");
    Connection::open(&other).and_then(|file| file.execute_batch("CREATE TABLE t (a)")).expect("a database");
    let nowhere = folder.path().join("no/such/folder/cache.db");
    for path in [&text, &other, &nowhere, &folder.path().to_path_buf()] {
        let before = fs::read(path).ok();
        let lines = Lines::default();
        let (cache, ..) = behind(lines.hears(file_at(path)));
        for page in 0..10 {
            cache.store(Key::shared(page), "kept here".into()).expect("whatever the file does");
            assert_eq!(cache.look_further(&Key::shared(page)).await, cached("kept here"));
            assert_eq!(cache.look_further(&Key::shared(page + 100)).await, None);
        }
        cache.flush(PATIENT);
        assert_eq!(lines.all().len(), 1, "{:?}", lines.all());
        assert!(lines.all()[0].contains(&*path.to_string_lossy()), "{:?}", lines.all());
        assert_eq!(fs::read(path).ok(), before, "{}", path.display());
    }
}

#[tokio::test]
async fn a_file_that_another_process_has_locked_is_missed_and_used_when_it_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    one_kept(&path);
    let holder = Connection::open(&path).expect("a database");
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE cache SET size = size")
        .expect("free");
    let (clock, hand) = Clock::manual();
    let circuit = crate::circuit(&clock);
    let (after, ..) = behind(file_at(&path).time_of_day(|| day(1)).circuit(circuit.clone()));
    assert_eq!(after.look_further(&front()).await, None);
    after.store(Key::shared(2), "kept here".into()).expect("whatever the file does");
    after.flush(PATIENT);
    assert!(after.snapshot().l2_errors >= 1);
    drop(holder);
    hand.advance(Duration::from_secs(60));
    assert_eq!(after.look_further(&front()).await, cached("one"));
}

#[tokio::test]
async fn what_could_not_be_forgotten_is_owed_once_however_often_it_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    one_kept(&path);
    let never = CircuitBreaker::builder("file").config(breaker::Config {
        consecutive_failures: None,
        failure_rate: None,
        ..Level::breaker()
    });
    let never = never.with(|config| config.failure_count = Some(1_000)).build().expect("the settings work");
    let (after, ..) = behind(file_at(&path).circuit(never));
    let holder = Connection::open(&path).expect("a database");
    holder.execute_batch("BEGIN IMMEDIATE").expect("free");
    for _ in 0..5 {
        after.forget(&front());
        after.flush(PATIENT);
    }
    drop(holder);
    crate::eventually("it to be forgotten", || {
        let file = Connection::open(&path).expect("a database");
        file.query_row("SELECT COUNT(*) FROM cache", (), |row| row.get::<_, i64>(0)) == Ok(0)
    });
    after.store(front(), "two".into()).expect("kept");
    after.flush(PATIENT);
    let (last, ..) = behind(file_at(&path));
    assert_eq!(last.look_further(&front()).await, cached("two"));
    after.forget(&Key::shared(2));
    after.flush(PATIENT);
    assert_eq!(last.look_behind(&front()).await, cached("two"), "nothing of it is owed any more");
}

#[tokio::test]
async fn the_file_has_its_bound_and_the_oldest_make_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    let level = || Level::builder(CacheFile::at(&path, 100_000).expect("a thread")).timeout(PATIENT);
    let (before, ..) = behind(level());
    for page in 0..1_000 {
        before.store(Key::shared(page), "x".repeat(1_000)).expect("kept");
        if page % 50 == 0 {
            before.flush(PATIENT);
        }
    }
    before.flush(PATIENT);
    let file = Connection::open(&path).expect("a database");
    let held: i64 = file.query_row("SELECT SUM(size) FROM cache", (), |row| row.get(0)).expect("rows");
    assert!((1_000..=100_000).contains(&held), "{held} bytes");
    let (after, ..) = behind(level());
    assert_eq!(after.look_further(&Key::shared(0)).await, None);
    assert_eq!(after.look_further(&Key::shared(999)).await, cached(&"x".repeat(1_000)));
}

#[tokio::test]
async fn of_two_levels_the_first_that_is_fresh_answers_and_else_the_youngest() {
    let (server, folder) = (RedisServer::start(), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("cache.db");
    let now = |secs| {
        let (file, redis) = (file_at(&path), redis_at(&server).timeout(Duration::from_secs(1)));
        let (file, redis) = (file.time_of_day(move || day(secs)), redis.time_of_day(move || day(secs)));
        let (file, redis) = (file.start(), redis.start());
        let cache = pages(&Clock::manual().0).second_level(file.expect("a thread"), codec());
        cache.second_level(redis.expect("a thread"), codec()).build().expect("works")
    };
    let both = now(0);
    both.store(front(), "one".into()).expect("kept");
    both.flush(PATIENT);
    let (other, ..) = behind(redis_at(&server).time_of_day(|| day(60)));
    other.store(front(), "two".into()).expect("kept");
    other.flush(PATIENT);
    assert_eq!(now(10).look_further(&front()).await, cached("one"), "the file is asked first");
    assert_eq!(now(100).look_further(&front()).await, cached("two"), "fresh in Redis");
    assert_eq!(now(150).look_further(&front()).await, stale("two", 90), "both stale");
    server.hangs();
    assert_eq!(now(150).look_further(&front()).await, stale("one", 150), "without Redis");
}
