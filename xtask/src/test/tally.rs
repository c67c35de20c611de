//! Counting what the test runners ran.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Copies a runner's output to `screen` as it comes, and adds up the line that libtest closes each binary with:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`.
    pub(crate) fn watch(output: impl Read, mut screen: impl Write) -> std::io::Result<Self> {
        let mut tally = Tally::default();
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            screen.write_all(&line)?;
            if let Some(counts) = String::from_utf8_lossy(&line).trim_start().strip_prefix("test result: ") {
                tally += Tally::closing(counts);
            }
            line.clear();
        }
        Ok(tally)
    }

    fn closing(counts: &str) -> Self {
        let mut tally = Tally::default();
        let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => tally.passed = count,
                "failed" => tally.failed = count,
                "ignored" => tally.skipped = count,
                _ => {}
            }
        }
        tally
    }

    /// What a nextest report says: the attributes of its outermost element.
    pub(crate) fn of_report(xml: &str) -> Option<Self> {
        let start = xml.find("<testsuites")?;
        let element = xml[start..].split('>').next()?;
        let count = |name: &str| -> Option<u64> {
            let value = element.split(&format!(" {name}=\"")).nth(1)?;
            value.split('"').next()?.parse().ok()
        };
        let failed = count("failures")? + count("errors")?;
        Some(Tally { passed: count("tests")?.saturating_sub(failed), failed, skipped: 0 })
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_several_binaries_add_up_and_reach_the_screen_unchanged() {
        let output = "running 3 tests\n...\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s\n";
        let mut screen = Vec::new();
        let tally = Tally::watch(output.as_bytes(), &mut screen).unwrap();
        assert_eq!(tally, Tally { passed: 13, failed: 2, skipped: 1 });
        assert_eq!(screen, output.as_bytes());
        assert_eq!(tally.to_string(), "13 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_report_counts_what_failed_and_what_could_not_start() {
        let xml = "<?xml version=\"1.0\"?>\n<testsuites name=\"run\" tests=\"12\" failures=\"2\" errors=\"1\" \
                   time=\"0.5\">\n<testsuite name=\"a\" tests=\"7\" failures=\"0\" errors=\"0\">";
        assert_eq!(Tally::of_report(xml), Some(Tally { passed: 9, failed: 3, skipped: 0 }));
        assert_eq!(Tally::of_report("<testsuite tests=\"1\">"), None);
    }
}
