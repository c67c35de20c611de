//! Keeping a thread or a process on one core.

use rustix::thread::{CpuSet, Pid, sched_setaffinity};

/// Keeps the calling thread on `core`.
pub fn this_thread(core: usize) -> std::io::Result<()> {
    Ok(sched_setaffinity(None, &only(core))?)
}

/// Keeps a process, and what it starts from now on, on `core`.
pub fn process(pid: u32, core: usize) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(sched_setaffinity(pid, &only(core))?)
}

/// How many cores there are to pin to.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
