//! What a process and its children have used, from `/proc`.

use std::collections::HashMap;
use std::fs;

/// CPU time and memory of a process with all its descendants and threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time, in seconds. The kernel counts it in ticks of a hundredth.
    pub(crate) cpu_seconds: f64,
    /// Resident memory, in KiB; pages shared between the processes count for each.
    pub(crate) resident_kib: u64,
}

/// The usage of `root` and what it started. Processes that have ended are not in it.
pub(crate) fn of(root: u32) -> Usage {
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let mut usage = Usage::default();
    for pid in descendants(root) {
        if let Some(stat) = Stat::read(pid) {
            usage.cpu_seconds += stat.ticks as f64 / ticks_per_second;
        }
        usage.resident_kib += resident_kib(pid).unwrap_or(0);
    }
    usage
}

/// `root` and everything below it.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut seen = 0;
    while let Some(pid) = found.get(seen) {
        found.extend(children.remove(pid).unwrap_or_default());
        seen += 1;
    }
    found
}

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command, second field, is in parentheses and may contain anything; the rest is numbers.
    fn parse(line: &str) -> Option<Stat> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let (user, system): (u64, u64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
        Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks: user + system })
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_parenthesis_does_not_shift_the_fields() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194304 1 2 3 4 110 15 0 0 20 0 1 0 5 6 7";
        let stat = Stat::parse(line).expect("a whole line");
        assert_eq!((stat.parent, stat.ticks), (3, 125));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(of(std::process::id()).resident_kib > 0);
    }
}
