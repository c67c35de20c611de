//! A disk that is full and one that is read-only: real file systems in memory, mounted for a test.
//!
//! Mounting takes root. Where it cannot be done, a test fails in CI, and elsewhere says that it has not run.

use fusebox_queue::sqlite::{Look, Sqlite};
use fusebox_queue::{Enqueued, Filter, LeaseRequest, NewItem, QueueStore, Settlement, StoreError};
use futures_executor::block_on;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// A file system of its own, until it is dropped.
struct Disk(TempDir);

impl Disk {
    /// One of 2 MiB; nothing where nothing can be mounted.
    fn small() -> Option<Disk> {
        let disk = Disk(tempfile::tempdir().expect("a folder"));
        let Err(why) = disk.mount("size=2m") else { return Some(disk) };
        assert!(std::env::var_os("CI").is_none(), "a test of real disks needs to mount one: {why}");
        let _ = writeln!(std::io::stdout(), "not run: it needs to mount a disk: {why}");
        None
    }

    fn mount(&self, options: &str) -> Result<(), String> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "fusebox-test"]).arg(self.0.path());
        let output = mount.output().map_err(|error| error.to_string())?;
        let why = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        output.status.success().then_some(()).ok_or_else(why)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("calls.queue")
    }

    /// Fills what is left of the disk but for so many bytes; removed, there is room again.
    fn ballast(&self, left: u64) -> PathBuf {
        let (path, room) = (self.0.path().join("ballast"), free(self.0.path()));
        fs::write(&path, vec![0; room.saturating_sub(left) as usize]).expect("it fits");
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// Bytes that are free.
fn free(folder: &Path) -> u64 {
    let found = rustix::fs::statvfs(folder).expect("it is there");
    found.f_bavail * found.f_frsize
}

fn large(key: &str) -> NewItem {
    NewItem::new("q", key, vec![7; 3_000])
}

/// Hands items over until each of eight threads is refused; answers whose keys were acknowledged.
fn fill(store: &Sqlite, name: &str) -> Vec<String> {
    let kept = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let kept = &kept;
            scope.spawn(move || {
                for number in 0.. {
                    let key = format!("{name}-{thread}-{number}");
                    match block_on(store.enqueue(vec![large(&key)])) {
                        Ok(told) => assert!(matches!(told[..], [Enqueued::Stored(_)]), "{told:?}"),
                        Err(full @ StoreError::DiskFull(_)) => {
                            assert!(full.to_string().contains("free some space"), "{full}");
                            return;
                        }
                        Err(other) => panic!("a full disk is told as one: {other:?}"),
                    }
                    kept.lock().expect("no thread has failed").push(key);
                }
            });
        }
    });
    let mut kept = kept.into_inner().expect("no thread has failed");
    kept.sort();
    kept
}

fn keys(store: &dyn QueueStore) -> Vec<String> {
    let all = block_on(store.list(Filter::default(), 100_000)).expect("a full disk can be read");
    let mut keys: Vec<_> = all.into_iter().map(|view| view.key).collect();
    keys.sort();
    keys
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_the_queue_goes_on_once_there_is_room() {
    let Some(disk) = Disk::small() else { return };
    let store = Sqlite::open(disk.file()).expect("opens");
    let spare = disk.file().with_file_name("spare");
    fs::write(&spare, vec![0; 300 << 10]).expect("it fits");
    let ballast = disk.ballast(900 << 10);
    let mut acknowledged = fill(&store, "before");
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    assert_eq!(keys(&store), acknowledged, "every acknowledged one, and no other");
    assert_eq!(block_on(store.stats("q")).expect("read").live(), acknowledged.len() as u64);
    fs::remove_file(ballast).expect("removed");
    let told = block_on(store.enqueue(vec![large("then")])).expect("without being opened again");
    assert!(matches!(told[..], [Enqueued::Stored(_)]));
    acknowledged.push("then".into());
    acknowledged.extend(fill(&store, "after"));
    acknowledged.sort();
    drop(store);
    // A file that is opened takes a little room too.
    fs::remove_file(spare).expect("removed");
    let store = Sqlite::open(disk.file()).expect("opens again");
    assert_eq!(keys(&store), acknowledged);
}

#[test]
fn what_waits_on_a_full_disk_is_delivered_once_there_is_room() {
    let Some(disk) = Disk::small() else { return };
    let store = Sqlite::open(disk.file()).expect("opens");
    let ballast = disk.ballast(500 << 10);
    let acknowledged = fill(&store, "k").len();
    let request = || LeaseRequest::of("q", 10, Duration::from_secs(60));
    // A lease may find the room that a larger write did not, and is durable if it was given.
    let mut leased = match block_on(store.lease(request())) {
        Ok(leased) => leased,
        Err(StoreError::DiskFull(_)) => Vec::new(),
        Err(other) => panic!("a full disk is told as one: {other:?}"),
    };
    fs::remove_file(ballast).expect("removed");
    let mut done = 0;
    loop {
        let complete = |result| Settlement::Complete { result };
        let told = leased.iter().map(|leased| (leased.token, complete(vec![1]))).collect();
        done += block_on(store.settle(told)).expect("there is room").len();
        leased = block_on(store.lease(request())).expect("there is room");
        if leased.is_empty() {
            break;
        }
        assert!(
            leased.iter().all(|leased| leased.view.record.attempts == 1),
            "an undone lease is no attempt"
        );
    }
    assert_eq!((done, block_on(store.stats("q")).expect("read").live()), (acknowledged, 0));
}

#[test]
fn a_file_on_a_full_disk_is_neither_made_by_half_nor_opened_by_half() {
    let Some(disk) = Disk::small() else { return };
    let ballast = disk.ballast(8 << 10);
    assert_eq!(Sqlite::open(disk.file()).map(drop), Err(StoreError::DiskFull(disk.file())));
    assert!(!disk.file().exists(), "there is never half a file");
    fs::remove_file(&ballast).expect("removed");
    let store = Sqlite::open(disk.file()).expect("there is room");
    block_on(store.enqueue(vec![large("a")])).expect("kept");
    block_on(store.lease(LeaseRequest::of("q", 1, Duration::from_secs(60)))).expect("leased");
    drop(store);
    let ballast = disk.ballast(0);
    assert_eq!(Sqlite::open(disk.file()).map(drop), Err(StoreError::DiskFull(disk.file())));
    fs::remove_file(ballast).expect("removed");
    let store = Sqlite::open(disk.file()).expect("there is room");
    assert_eq!(block_on(store.find("q", "a")).expect("read").expect("there").record.crashes, 1);
}

#[test]
fn a_read_only_disk_is_told_with_what_to_do_about_it() {
    let Some(disk) = Disk::small() else { return };
    let store = Sqlite::open(disk.file()).expect("opens");
    block_on(store.enqueue(vec![large("a")])).expect("kept");
    drop(store);
    disk.mount("remount,ro").expect("nothing is open");
    for path in [disk.file(), disk.file().with_file_name("other.queue")] {
        let refused = Sqlite::open(&path).map(drop).expect_err("read-only");
        assert!(
            matches!(&refused, StoreError::ReadOnly { path: named, .. } if *named == path),
            "{refused:?}"
        );
        let said = refused.to_string();
        assert!(said.contains("Read-only file system") && said.contains("mounted for writing"), "{said}");
    }
    // Reading takes a file of shared memory beside it.
    let refused = Look::open(disk.file()).map(drop).expect_err("read-only");
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    disk.mount("remount,rw").expect("mounted");
    assert_eq!(keys(&Sqlite::open(disk.file()).expect("opens again")), ["a"]);
}
