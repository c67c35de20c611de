//! The two text formats: Prometheus' own, version 0.0.4, and OpenMetrics 1.0.
//!
//! Written directly: the client libraries keep counters of their own, and here every value is read from a snapshot at
//! the scrape.

use crate::telemetry::{Example, Histogram, Kind, Tell};
use std::fmt::Write;

/// How an exposition is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text format, version 0.0.4.
    #[default]
    Plain,
    /// OpenMetrics 1.0, which has units and exemplars, and an end.
    Open,
}

impl Format {
    /// The one that an `Accept` header asks for: OpenMetrics when it is named, and nothing plainer is liked better.
    pub(crate) fn accepted(accept: Option<&str>) -> Format {
        let quality = |kind: &str, version: &str| {
            let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_it = parts.next().is_some_and(|named| named.eq_ignore_ascii_case(kind));
                let (mut quality, mut versions) = (1.0, true);
                for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                    match name.trim() {
                        "q" => quality = value.trim().parse().unwrap_or(0.0),
                        "version" => versions = value.trim() == version,
                        _ => {}
                    }
                }
                (is_it && versions).then_some(quality)
            });
            ranges.fold(0.0, f64::max)
        };
        let (open, plain) =
            (quality("application/openmetrics-text", "1.0.0"), quality("text/plain", "0.0.4"));
        if open > 0.0 && open >= plain { Format::Open } else { Format::Plain }
    }

    /// The `Content-Type` header.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Format::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Units that a family's name may end in, as OpenMetrics has them.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// An exposition in the making.
#[derive(Debug)]
pub(super) struct Text {
    written: String,
    format: Format,
    /// The family whose samples are told one by one.
    told: &'static str,
    /// The label of each of its buckets: a family has the same in all its histograms.
    edges: Vec<String>,
}

impl Tell for Text {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        self.told = name;
        self.edges.clear();
        // There, a counter's samples have the suffix and the family has not.
        let family = match (self.format, kind) {
            (Format::Open, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.push(format_args!("# HELP {family} {help}\n# TYPE {family} {kind}\n"));
        let unit = UNITS.iter().find(|unit| family.rsplit('_').next() == Some(unit));
        if let (Format::Open, Some(unit)) = (self.format, unit) {
            self.push(format_args!("# UNIT {family} {unit}\n"));
        }
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.series("", labels, None);
        self.value(value);
        self.written.push('\n');
    }

    fn histogram(&mut self, labels: &[(&'static str, &str)], seen: &Histogram<'_>) {
        let mut edges = std::mem::take(&mut self.edges);
        if edges.is_empty() {
            // With a point in it always, as OpenMetrics wants it: the same series in both formats.
            let finite = seen.edges.iter().map(|edge| format!("{edge:?}"));
            edges.extend(finite.chain(["+Inf".into()]));
        }
        let mut within = 0;
        for ((bucket, count), edge) in seen.counts.iter().enumerate().zip(&edges) {
            within += count;
            self.series("_bucket", labels, Some(edge));
            self.whole(within);
            match seen.examples.get(bucket) {
                Some(Some(example)) if self.format == Format::Open => self.example(example),
                _ => {}
            }
            self.written.push('\n');
        }
        self.edges = edges;
        self.series("_sum", labels, None);
        self.value(seen.sum);
        self.written.push('\n');
        self.series("_count", labels, None);
        self.whole(within);
        self.written.push('\n');
    }
}

impl Text {
    /// Nothing yet, with room for so many bytes.
    pub(super) fn new(format: Format, room: usize) -> Text {
        Text { written: String::with_capacity(room), format, told: "", edges: Vec::new() }
    }

    pub(super) fn into_string(mut self) -> String {
        if self.format == Format::Open {
            self.written.push_str("# EOF\n");
        }
        self.written
    }

    /// A sample up to its value. `le` is the edge of a bucket.
    fn series(&mut self, suffix: &str, labels: &[(&'static str, &str)], le: Option<&str>) {
        let out = &mut self.written;
        out.push_str(self.told);
        out.push_str(suffix);
        let mut before = '{';
        for (label, text) in labels {
            out.push(before);
            out.push_str(label);
            out.push_str("=\"");
            escape(out, text);
            out.push('"');
            before = ',';
        }
        if let Some(edge) = le {
            out.push(before);
            out.push_str("le=\"");
            out.push_str(edge);
            out.push('"');
            before = ',';
        }
        out.push_str(if before == ',' { "} " } else { " " });
    }

    fn value(&mut self, value: f64) {
        // What is counted is whole, and there is a great deal of it. A number's `Display` is never in exponents.
        const EXACT: f64 = (1u64 << 53) as f64;
        if value.fract() == 0.0 && (0.0..EXACT).contains(&value) {
            self.whole(value as u64);
        } else {
            self.push(format_args!("{value}"));
        }
    }

    fn whole(&mut self, value: u64) {
        self.written.push_str(itoa::Buffer::new().format(value));
    }

    fn example(&mut self, example: &Example) {
        let Example { trace, value, date } = example;
        let (seconds, millis) = (date.as_secs(), date.subsec_millis());
        self.push(format_args!(" # {{trace_id=\"{trace}\"}} {value} {seconds}.{millis:03}"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.written.write_fmt(text).expect("a String takes everything");
    }
}

fn escape(out: &mut String, text: &str) {
    if !text.bytes().any(|c| matches!(c, b'\\' | b'"' | b'\n')) {
        return out.push_str(text);
    }
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
    use crate::record::TraceId;
    use std::time::Duration;

    fn written(format: Format, tell: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new(format, 0);
        tell(&mut text);
        text.into_string()
    }

    #[test]
    fn labels_keep_quotes_backslashes_and_line_breaks_to_themselves() {
        let text = written(Format::Plain, |text| {
            text.family("things", Kind::Gauge, "Things.");
            text.sample(&[("name", "a\\b\"c\nd"), ("kind", "x")], 0.25);
            text.sample(&[], 3.0);
        });
        assert_eq!(
            text,
            "# HELP things Things.\n# TYPE things gauge\nthings{name=\"a\\\\b\\\"c\\nd\",kind=\"x\"} 0.25\nthings 3\n"
        );
    }

    #[test]
    fn open_metrics_names_units_and_families_without_the_suffix() {
        let text = written(Format::Open, |text| {
            text.family("wait_seconds_total", Kind::Counter, "Waited.");
            text.sample(&[], 1.5);
        });
        assert_eq!(
            text,
            "# HELP wait_seconds Waited.\n# TYPE wait_seconds counter\n# UNIT wait_seconds seconds\nwait_seconds_total 1.5\n# EOF\n"
        );
    }

    #[test]
    fn a_histogram_counts_what_is_within_each_edge_and_shows_examples_where_the_format_has_them() {
        let trace = TraceId::new([0xab; 16]).expect("not all zero");
        let example = Example { trace, value: 0.7, date: Duration::from_millis(1_700_000_000_012) };
        let tell = |text: &mut Text| {
            text.family("took_seconds", Kind::Histogram, "Took.");
            let examples = [None, Some(example), None];
            let seen = Histogram { edges: &[0.5, 1.0], counts: &[2, 1, 4], sum: 9.5, examples: &examples };
            text.histogram(&[("name", "a")], &seen);
        };
        let lines = |exemplar: &str| {
            format!(
                "took_seconds_bucket{{name=\"a\",le=\"0.5\"}} 2\ntook_seconds_bucket{{name=\"a\",le=\"1.0\"}} 3{exemplar}\n\
                 took_seconds_bucket{{name=\"a\",le=\"+Inf\"}} 7\ntook_seconds_sum{{name=\"a\"}} 9.5\ntook_seconds_count{{name=\"a\"}} 7\n"
            )
        };
        assert!(written(Format::Plain, tell).ends_with(&lines("")));
        let exemplar = format!(" # {{trace_id=\"{trace}\"}} 0.7 1700000000.012");
        assert!(written(Format::Open, tell).ends_with(&format!("{}# EOF\n", lines(&exemplar))));
    }

    #[test]
    fn open_metrics_is_given_to_those_who_ask_for_it() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in [
            prometheus_2,
            prometheus_3,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0",
        ] {
            assert_eq!(Format::accepted(Some(accept)), Format::Open, "{accept}");
        }
        let plainly = [
            "*/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5",
            "application/openmetrics-text;version=1.0.0;q=0",
            "application/openmetrics-text;version=2.0.0",
            "",
        ];
        for accept in plainly.map(Some).into_iter().chain([None]) {
            assert_eq!(Format::accepted(accept), Format::Plain, "{accept:?}");
        }
    }
}
