//! The Prometheus text format, version 0.0.4.
//!
//! Written directly: the client libraries keep counters of their own, and here every value is read from a snapshot at
//! the scrape. The OpenMetrics format of `prometheus-client` is no way out, since its counters' `TYPE` lines have no
//! `_total`, which readers of this format take for another metric.

use crate::telemetry::{Kind, Tell};
use std::fmt::{Display, Write};

/// An exposition in the making.
#[derive(Debug, Default)]
pub(super) struct Text {
    written: String,
    /// The family whose samples are told one by one.
    told: &'static str,
}

impl Tell for Text {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        Text::family(self, name, kind, help);
        self.told = name;
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
        Family { out: &mut self.written, name: self.told }.sample(labels, value);
    }
}

impl Text {
    /// Begins a family. Its samples follow until the next one begins.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        push(&mut self.written, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { out: &mut self.written, name }
    }

    pub(super) fn into_string(self) -> String {
        self.written
    }
}

/// A family whose samples are being written.
#[derive(Debug)]
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a sample. A number's `Display` is never in exponents, and none here is infinite.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(self.name);
        for (i, (label, text)) in labels.iter().enumerate() {
            self.out.push(if i == 0 { '{' } else { ',' });
            self.out.push_str(label);
            self.out.push_str("=\"");
            escape(self.out, text);
            self.out.push('"');
        }
        push(self.out, format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_quotes_backslashes_and_line_breaks_to_themselves() {
        let mut text = Text::default();
        let mut family = text.family("things", Kind::Gauge, "Things.");
        family.sample(&[("name", "a\\b\"c\nd"), ("kind", "x")], 0.25);
        family.sample(&[], 3u64);
        assert_eq!(
            text.into_string(),
            "# HELP things Things.\n# TYPE things gauge\nthings{name=\"a\\\\b\\\"c\\nd\",kind=\"x\"} 0.25\nthings 3\n"
        );
    }
}
