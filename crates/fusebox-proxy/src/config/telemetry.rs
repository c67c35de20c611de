//! `[telemetry]`: what is told to whom, beside the admin interface.

use super::keys::TELEMETRY;
use super::reader::{Entry, Table};
use fusebox::otlp::Config;
use std::path::PathBuf;
use std::time::Duration;

const COLLECTOR: &str = "an http or https URL without credentials or a query, as \"http://127.0.0.1:4318\"";
const NAME: &str = "a text that is not empty";
const ATTRIBUTES: &str = "a table of texts, as { \"deployment.environment.name\" = \"production\" }";
const MOST_SERIES: usize = 1_000_000;

/// What is told to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// Circuits with series of their own.
    pub max_series: usize,
    /// Where metrics are pushed.
    pub otlp: Option<OtlpPlan>,
}

impl Default for TelemetryPlan {
    fn default() -> Self {
        TelemetryPlan { max_series: 1_000, otlp: None }
    }
}

/// Where metrics are pushed, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpPlan {
    /// The collector.
    pub endpoint: String,
    /// From one export to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// The resource attribute `service.name`.
    pub service_name: String,
    /// A file of headers, a line each.
    pub headers_file: Option<PathBuf>,
    /// Further resource attributes.
    pub resource: Vec<(String, String)>,
}

pub(super) fn read(top: &Table<'_>) -> TelemetryPlan {
    let usual = TelemetryPlan::default();
    let Some(t) = top.entry("telemetry").and_then(|e| e.table(&TELEMETRY, "a table, as [telemetry]")) else {
        return usual;
    };
    let series = |e: &Entry<'_>| e.within(1, MOST_SERIES, "a whole number from 1 to 1000000");
    let max_series = t.or("max_series", usual.max_series, series).unwrap_or(usual.max_series);
    for key in ["interval", "timeout", "service_name", "headers_file", "resource"] {
        t.only_beside(key, "otlp", "there is nobody else to tell");
    }
    TelemetryPlan { max_series, otlp: t.entry("otlp").filter(|e| !e.is_off()).and_then(|e| otlp(&t, &e)) }
}

fn otlp(t: &Table<'_>, endpoint: &Entry<'_>) -> Option<OtlpPlan> {
    let text = |e: &Entry<'_>| e.parsed(NAME, |text| (!text.is_empty()).then(|| text.to_owned()));
    let is_good = |text: &str| Config::to(text).check().is_ok();
    let endpoint = endpoint.parsed(COLLECTOR, |text| is_good(text).then(|| text.to_owned()));
    let usual = Config::to("");
    let interval = t.or("interval", usual.interval, |e| e.duration_from(Duration::from_millis(100)));
    let timeout = t.or("timeout", usual.timeout, |e| e.duration_from(Duration::from_millis(1)));
    let service_name = t.or("service_name", usual.service_name, text);
    let headers_file = t.or("headers_file", None, |e| text(e).map(|path| Some(PathBuf::from(path))));
    let resource = t.or("resource", Vec::new(), |e| {
        let table = e.free_table(ATTRIBUTES)?;
        table.all().map(|(name, value)| Some((name.to_owned(), value.text(ATTRIBUTES)?.to_owned()))).collect()
    });
    Some(OtlpPlan {
        endpoint: endpoint?,
        interval: interval?,
        timeout: timeout?,
        service_name: service_name?,
        headers_file: headers_file?,
        resource: resource?,
    })
}
