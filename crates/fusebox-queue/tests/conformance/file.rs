//! The file: what it survives, and what is refused.

use crate::{BEGIN, done, item, secs};
use fusebox_queue::record::{Death, State};
use fusebox_queue::sqlite::{Look, Options, Sqlite};
use fusebox_queue::{
    Act, Enqueued, Filter, ItemId, LeaseRequest, Limits, NewItem, Order, QueueStore, Settled, StoreClock,
    StoreError, Token,
};
use futures_executor::block_on;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.queue");
    (folder, path)
}

fn put(store: &Sqlite, key: &str) -> Result<Vec<Enqueued>, StoreError> {
    block_on(store.enqueue(vec![item(key)]))
}

#[test]
fn what_was_acknowledged_is_there_after_the_file_was_closed_and_opened_again() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    (0..100).for_each(|i| drop(put(&store, &format!("{i}")).expect("kept")));
    drop(store);
    let store = Sqlite::open(&path).expect("opens again");
    assert_eq!(block_on(store.stats("q")).expect("read").live(), 100);
}

#[test]
fn what_the_last_owner_was_sending_is_taken_back_and_must_be_checked() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    put(&store, "a").expect("kept");
    let request = || LeaseRequest::of("q", 1, secs(3_600));
    let lost = block_on(store.lease(request())).expect("leased").pop().expect("due");
    drop(store);
    let store = Sqlite::open(&path).expect("opens again");
    let again =
        block_on(store.lease(request())).expect("leased").pop().expect("long before its lease would end");
    assert!(again.view.record.needs_check && again.view.record.crashes == 1);
    assert_ne!(again.token, lost.token);
    let settled = block_on(store.settle(vec![(lost.token, done())])).expect("told");
    assert_eq!(settled, [Settled::LateSuccess]);
}

#[test]
fn a_second_owner_is_refused_and_the_first_goes_on() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    assert_eq!(Sqlite::open(&path).map(drop), Err(StoreError::Owned(path.clone())));
    put(&store, "a").expect("the first one's");
    drop(store);
    Sqlite::open(&path).expect("free again");
}

#[test]
fn an_owner_whose_lock_was_worth_nothing_is_fenced_by_the_next() {
    let (_folder, path) = place();
    let first = Sqlite::open(&path).expect("opens");
    put(&first, "a").expect("kept");
    // As where locks do nothing: the lock's file is another one.
    fs::rename(path.with_file_name("calls.queue.lock"), path.with_file_name("gone")).expect("moved");
    let second = Sqlite::open(&path).expect("opens");
    assert_eq!(put(&first, "b"), Err(StoreError::Fenced(path.clone())));
    put(&second, "c").expect("the new owner writes");
    assert_eq!(block_on(second.stats("q")).expect("read").live(), 2);
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("not a database", |path| {
            fs::write(path, b"something else, and long enough to be looked at as a header").expect("written")
        }),
        ("it is empty", |path| fs::write(path, b"").expect("written")),
        ("malformed", |path| {
            let mut bytes = fs::read(path).expect("read");
            let page = bytes.len() / 2 / 4_096 * 4_096;
            bytes[page..page + 4_096].fill(0xaa);
            fs::write(path, bytes).expect("written");
        }),
        ("another program", |path| {
            fs::remove_file(path).expect("removed");
            let other = rusqlite::Connection::open(path).expect("opens");
            other.execute_batch("CREATE TABLE theirs (x)").expect("made");
        }),
    ];
    for (what, damage) in damages {
        let (_folder, path) = place();
        let store = Sqlite::open(&path).expect("opens");
        (0..200).for_each(|i| drop(put(&store, &format!("{i}")).expect("kept")));
        drop(store);
        damage(&path);
        let before = fs::read(&path).expect("read");
        let refused = Sqlite::open(&path).map(drop).expect_err(what);
        assert!(matches!(refused, StoreError::Corrupt { .. }), "{what}: {refused}");
        assert!(refused.to_string().contains("move it away"), "{refused}");
        assert!(fs::read(&path).expect("read") == before, "{what}: the file was changed");
    }
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let (_folder, path) = place();
    drop(Sqlite::open(&path).expect("opens"));
    rusqlite::Connection::open(&path)
        .expect("opens")
        .pragma_update(None, "user_version", 99)
        .expect("written");
    let refused = Sqlite::open(&path).map(drop);
    assert_eq!(refused, Err(StoreError::TooNew { path, found: 99, known: 4 }));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (_folder, path) = place();
    let nowhere = path.with_file_name("no").join("calls.queue");
    let refused = Sqlite::open(&nowhere).map(drop).expect_err("nowhere");
    assert!(matches!(&refused, StoreError::ReadOnly { path, .. } if *path == nowhere), "{refused}");
}

#[test]
fn a_full_file_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    let (_folder, path) = place();
    let clock = StoreClock::manual(BEGIN);
    let limits = Limits { provider_window: secs(60), ..Limits::default() };
    let options = Options { limits, max_file_bytes: Some(400 << 10), clock: Some(clock.clone()) };
    let store = Sqlite::open_with(&path, options).expect("opens");
    let large = |i: usize| NewItem {
        expires_in: secs(60),
        ..NewItem::new("q", format!("{i}"), vec![i as u8; 3_000])
    };
    let mut kept = 0;
    let refused = loop {
        match block_on(store.enqueue(vec![large(kept)])) {
            Ok(told) if matches!(told[..], [Enqueued::Stored(_)]) => kept += 1,
            other => break other,
        }
    };
    assert_eq!(refused, Err(StoreError::DiskFull(path)));
    assert!(kept > 10, "{kept}");
    let all = block_on(store.list(Filter::default(), 1_000)).expect("read");
    assert_eq!(all.len(), kept, "every acknowledged one, and no other");
    // They end, their keys are forgotten, and there is room.
    clock.pass(secs(48 * 3_600));
    let swept = block_on(store.sweep(1_000)).expect("swept");
    assert_eq!((swept.expired, swept.forgotten), (kept as u64, kept as u64));
    let told = block_on(store.enqueue(vec![large(0)])).expect("without being opened again");
    assert!(matches!(told[..], [Enqueued::Stored(_)]));
}

#[test]
fn time_that_the_file_has_seen_does_not_come_again() {
    let (_folder, path) = place();
    let later = StoreClock::manual(BEGIN.after(secs(7_200)));
    let ahead = Options { clock: Some(later), ..Options::default() };
    put(&Sqlite::open_with(&path, ahead).expect("opens"), "a").expect("kept");
    let seen =
        rusqlite::Connection::open(&path)
            .expect("opens")
            .query_row("SELECT seen_at FROM owner", (), |row| row.get::<_, i64>(0));
    let floor = fusebox_queue::Timestamp(seen.expect("read").cast_unsigned());
    assert_eq!(floor, BEGIN.after(secs(7_200)));
    let far = floor.after(secs(100 * 365 * 24 * 3_600));
    assert!(StoreClock::real(far).now() >= far, "a machine whose date is behind");
}

#[test]
fn a_file_with_items_in_flight_shows_them_to_its_next_owner() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    put(&store, "a").expect("kept");
    block_on(store.lease(LeaseRequest::of("q", 1, secs(60)))).expect("leased");
    assert_eq!(block_on(store.find("q", "a")).expect("read").expect("there").record.state, State::Leased);
    drop(store);
    let store = Sqlite::open(&path).expect("opens");
    assert_eq!(block_on(store.find("q", "a")).expect("read").expect("there").record.state, State::Ready);
}

#[test]
fn a_file_of_an_earlier_version_is_upgraded_with_its_items_in_flight() {
    let (_folder, path) = place();
    let old = rusqlite::Connection::open(&path).expect("made");
    old.execute_batch(include_str!("version-1.sql")).expect("as it was");
    drop(old);
    let options = Options { clock: Some(StoreClock::manual(BEGIN)), ..Options::default() };
    let store = Sqlite::open_with(&path, options).expect("opens");
    let find = |key| block_on(store.find("q", key)).expect("read").expect("it is there").record;
    assert_eq!((find("waiting").attempts, find("waiting").contact), (0, None));
    let flying = find("in flight");
    assert_eq!((flying.state, flying.attempts, flying.needs_check), (State::Ready, 1, true));
    let leased = block_on(store.lease(LeaseRequest::of("q", 9, secs(30)))).expect("leased");
    let payloads: Vec<_> = leased.iter().map(|leased| &*leased.payload).collect();
    assert_eq!(payloads, [&b"two"[..], b"one"]);
    drop(store);
    let version: i64 = rusqlite::Connection::open(&path)
        .expect("opens")
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("read");
    assert_eq!(version, 4);
}

#[test]
fn an_upgrade_keeps_every_item_as_it_was_and_gives_no_number_twice() {
    let (_folder, path) = place();
    let old = rusqlite::Connection::open(&path).expect("made");
    old.execute_batch(include_str!("version-3.sql")).expect("as it was");
    drop(old);
    let options = Options { clock: Some(StoreClock::manual(BEGIN)), ..Options::default() };
    let store = Sqlite::open_with(&path, options).expect("opens");
    let stats = block_on(store.stats("q")).expect("read");
    assert_eq!((stats.live(), stats.bytes(), stats.dead(), stats.leased), (3, 11, 1, 0));
    assert_eq!(
        (stats.needs_check, stats.oldest_created_at),
        (3, Some(BEGIN)),
        "the two in flight are asked for too"
    );
    let find = |key| block_on(store.find("q", key)).expect("read").expect("it is there").record;
    let asked = find("asked");
    assert_eq!(
        (asked.reason.as_deref(), asked.contact.as_deref(), asked.events.0),
        (Some("failed"), Some("ann"), 31)
    );
    assert_eq!((asked.delayed_at, asked.last_lease), (Some(BEGIN.after(secs(600))), 1 << 32));
    assert_eq!(
        (find("dead").state, find("done").result),
        (State::Dead(Death::Refused), Some(b"ok".to_vec()))
    );
    for key in ["first", "second"] {
        let flying = find(key);
        assert_eq!(
            (flying.state, flying.crashes, flying.needs_check, flying.lease),
            (State::Ready, 1, true, None)
        );
    }
    let late = Token { id: ItemId(3), lease: 4_294_967_298 };
    assert_eq!(block_on(store.settle(vec![(late, done())])).expect("told"), [Settled::LateSuccess]);
    assert_eq!(put(&store, "new"), Ok(vec![Enqueued::Stored(ItemId(10))]), "number 9 was somebody's");
    assert_eq!(block_on(store.audit(9)).expect("read").len(), 1);
}

#[test]
fn a_number_is_not_given_again_after_its_item_was_erased_and_the_file_closed() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    put(&store, "a").expect("kept");
    let never = Order::new(Act::Bury, Filter::default(), "ann", "");
    block_on(store.operate(never)).expect("told");
    block_on(store.operate(Order::new(Act::Purge, Filter::default(), "ann", ""))).expect("told");
    assert_eq!(block_on(store.find("q", "a")), Ok(None));
    drop(store);
    let store = Sqlite::open(&path).expect("opens again");
    assert_eq!(put(&store, "b"), Ok(vec![Enqueued::Stored(ItemId(2))]));
}

#[test]
fn an_order_to_many_items_is_done_in_parts_with_one_line_in_the_trail() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    let items = (0..2_500).map(|number| item(&format!("{number}"))).collect();
    block_on(store.enqueue(items)).expect("kept");
    let order = |limit| Order { limit, ..Order::new(Act::Cancel, Filter::default(), "ann", "all wrong") };
    let rehearsed = block_on(store.operate(Order { dry_run: true, ..order(2_100) })).expect("told");
    let moved = block_on(store.operate(order(2_100))).expect("told");
    assert_eq!((moved.len(), &moved), (2_100, &rehearsed));
    assert_eq!(block_on(store.operate(order(9_999))).expect("told").len(), 400);
    let trail = block_on(store.audit(9)).expect("read");
    assert_eq!(trail.iter().map(|line| line.items).collect::<Vec<_>>(), [400, 2_100]);
    assert_eq!(block_on(store.stats("q")).expect("read").live(), 0);
}

#[test]
fn a_file_that_has_an_owner_can_be_looked_into_and_not_changed() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    put(&store, "a").expect("kept");
    let look = Look::open(&path).expect("opens");
    assert_eq!(block_on(look.find("q", "a")).expect("read").expect("it is there").key, "a");
    put(&store, "b").expect("the owner goes on");
    assert_eq!(block_on(look.stats("q")).expect("read").live(), 2, "and is seen");
    assert!(matches!(block_on(look.enqueue(vec![item("c")])), Err(StoreError::ReadOnly { .. })));
    let nowhere = Look::open(path.with_file_name("none")).expect_err("no file is made");
    assert!(nowhere.to_string().contains("no such file"), "{nowhere}");
    assert!(!path.with_file_name("none").exists());
}

#[test]
fn the_file_and_its_log_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    let store = Sqlite::open(&path).expect("opens");
    put(&store, "a").expect("kept");
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    for file in [path, log.into()] {
        let mode = fs::metadata(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}
