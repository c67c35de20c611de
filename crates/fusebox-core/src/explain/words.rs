//! Words and lines.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// Columns of a terminal that text is fitted to.
const WIDTH: usize = 100;
/// Where a stage's text begins.
const INDENT: usize = 14;
/// A space at which a line is not broken.
pub const HARD_SPACE: char = '\u{a0}';

/// Units of time with their nanoseconds, the largest first.
pub const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// The shortest way to write a duration, as `500ms`, `30s` or `1m30s`; below a microsecond, rounded.
pub fn span(span: Duration) -> String {
    let nanos = span.as_nanos();
    if nanos >= 60_000_000_000 && nanos.is_multiple_of(1_000_000_000) {
        let mut seconds = span.as_secs();
        let mut text = String::new();
        for (unit, nanos) in &UNITS[..4] {
            let size = nanos / 1_000_000_000;
            if seconds >= size {
                text += &format!("{}{unit}", seconds / size);
                seconds %= size;
            }
        }
        return text;
    }
    let (unit, size) =
        UNITS[3..].iter().copied().find(|(_, size)| nanos >= u128::from(*size)).unwrap_or(("s", 1));
    match nanos {
        0 => "0s".into(),
        _ => format!("{}{unit}", nanos as f64 / size as f64),
    }
}

/// A share as a percentage, to the ten-thousandth of a percent.
pub fn percent(share: f64) -> String {
    format!("{}{HARD_SPACE}%", (share * 1_000_000.0 + 0.5) as u64 as f64 / 10_000.0)
}

/// Lines that fit a terminal of a hundred columns.
#[derive(Clone, Debug, Default)]
pub struct Page(String);

impl Page {
    /// A line as it is.
    pub fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A name at the margin, and what it says.
    pub fn item(&mut self, name: &str, text: &str) {
        self.wrapped(&format!("{name:INDENT$}"), INDENT, text);
    }

    /// A stage's name, and what it does.
    pub fn stage(&mut self, name: &str, text: &str) {
        self.wrapped(&format!("  {name:0$}", INDENT - 2), INDENT, text);
    }

    /// `text` after `first`, its further lines indented, broken between words.
    pub fn wrapped(&mut self, first: &str, indent: usize, text: &str) {
        self.0.push_str(first);
        let mut column = first.chars().count();
        for (i, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if i > 0 && column + 1 + length > WIDTH {
                self.0.push('\n');
                self.0.extend(core::iter::repeat_n(' ', indent));
                column = indent;
            } else if i > 0 {
                self.0.push(' ');
                column += 1;
            }
            self.0.extend(word.chars().map(|c| if c == HARD_SPACE { ' ' } else { c }));
            column += length;
        }
        self.0.push('\n');
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.0
    }
}
