//! An outage's worth of calls: filled in, found again by a process that has just been started, and drained.

use crate::load::QUEUE;
use crate::ours;
use fusebox_benchmarks::stats::Spread;
use fusebox_queue::{LeaseRequest, QueueStore, Settlement};
use futures_executor::block_on;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What was measured of it.
pub(crate) struct Backlog {
    pub(crate) items: u64,
    pub(crate) filled_per_second: f64,
    pub(crate) drained_per_second: f64,
    pub(crate) bytes_per_item: f64,
    /// Milliseconds from before the file is opened until an item is leased.
    pub(crate) first_lease: Spread,
    /// Resident memory then, in MB.
    pub(crate) memory: Spread,
}

pub(crate) fn measure(folder: &Path, items: u64, rounds: usize) -> Result<Backlog, String> {
    let path = folder.join("backlog");
    let (store, begin) = (ours::open(&path)?, Instant::now());
    ours::fill(&store, items)?;
    let filled_per_second = items as f64 / begin.elapsed().as_secs_f64();
    drop(store);
    let bytes = fs::metadata(&path).map_err(|error| error.to_string())?.len();
    let (mut millis, mut megabytes) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (time, memory) = cold(&path)?;
        millis.push(time);
        megabytes.push(memory);
    }
    println!("cold start: {millis:.0?} ms, {megabytes:.0?} MB");
    let (store, begin, mut drained) = (ours::open(&path)?, Instant::now(), 0);
    loop {
        match ours::lease_and_settle(&store, 100)? {
            0 => break,
            some => drained += some,
        }
    }
    let drained_per_second = drained as f64 / begin.elapsed().as_secs_f64();
    if drained != items {
        return Err(format!("of {items} items {drained} came out"));
    }
    Ok(Backlog {
        items,
        filled_per_second,
        drained_per_second,
        bytes_per_item: bytes as f64 / items as f64,
        first_lease: Spread::of(&millis).ok_or("no cold start")?,
        memory: Spread::of(&megabytes).ok_or("no cold start")?,
    })
}

/// Starts a process on the file, of which nothing is in the page cache; answers what it printed.
fn cold(path: &Path) -> Result<(f64, f64), String> {
    let evict = || {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
        Command::new(std::env::current_exe()?).arg("--cold").arg(path).output()
    };
    let output = evict().map_err(|error: std::io::Error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut figures = text.split_whitespace().filter_map(|figure| figure.parse().ok());
    let both = figures.next().zip(figures.next());
    both.ok_or_else(|| format!("a cold start failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What the process does: opens the file, leases an item, prints milliseconds and MB, and gives the item back.
pub(crate) fn start_cold(path: &Path) -> Result<(), String> {
    let begin = Instant::now();
    let store = ours::open(path)?;
    let lease = LeaseRequest::of(QUEUE, 1, Duration::from_secs(30));
    let leased = block_on(store.lease(lease)).map_err(|error| error.to_string())?;
    let millis = begin.elapsed().as_secs_f64() * 1e3;
    let leased = leased.into_iter().next().ok_or("nothing was waiting")?;
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: f64 = resident.split_whitespace().next().and_then(|kib| kib.parse().ok()).ok_or("no VmRSS")?;
    println!("{millis} {}", kib * 1_024.0 / 1e6);
    let released = block_on(store.settle(vec![(leased.token, Settlement::Release)]));
    released.map(drop).map_err(|error| error.to_string())
}
