//! Steps that a person waits for: what runs now, since when, and how each ended.

use std::time::{Duration, Instant};

/// How a step ended, with what there is to say about it.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Passed(String),
    Failed(String),
    /// Not asked for on this run; the text says why.
    LeftOut(String),
}

/// The steps of one chore, in the order they ran.
pub(crate) struct Steps {
    began: Instant,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    took: Duration,
    end: End,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Steps { began: now(), rows: Vec::new() }
    }

    /// Runs one step and says so before and after.
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> End) {
        let began = now();
        println!("[{}] {name} …", clock(began.duration_since(self.began)));
        let end = work();
        let ended = now();
        println!("[{}] {name}: {end}\n", clock(ended.duration_since(self.began)));
        self.rows.push(Row { name, took: ended.duration_since(began), end });
    }

    /// The names of the steps that failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| matches!(row.end, End::Failed(_))).map(|row| row.name).collect()
    }

    /// A row for each step: its name, its time, its end.
    pub(crate) fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let mut table = String::new();
        for row in &self.rows {
            table += &format!("{:width$}  {:>7.1} s  {}\n", row.name, row.took.as_secs_f64(), row.end);
        }
        table
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, text) = match self {
            End::Passed(text) => ("ok", text),
            End::Failed(text) => ("FAILED", text),
            End::LeftOut(text) => ("left out", text),
        };
        if text.is_empty() { f.write_str(word) } else { write!(f, "{word}, {text}") }
    }
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[expect(clippy::disallowed_methods, reason = "a person waits for these steps and wants to know how long")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_step_and_the_failed_ones_are_known() {
        let mut steps = Steps::new();
        steps.run("short", || End::Passed("3 passed".into()));
        steps.run("much longer", || End::Failed(String::new()));
        steps.run("third", || End::LeftOut("no library".into()));
        assert_eq!(steps.failed(), ["much longer"]);
        let table = steps.table();
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows[0].starts_with("short        ") && rows[0].ends_with("ok, 3 passed"), "{table}");
        assert!(rows[1].ends_with("FAILED"), "{table}");
        assert!(rows[2].ends_with("left out, no library"), "{table}");
    }

    #[test]
    fn elapsed_time_reads_as_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(0)), "0:00");
        assert_eq!(clock(Duration::from_secs(125)), "2:05");
    }
}
