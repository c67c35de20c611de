//! A trip, as JSON shows it.

use crate::admin::wall::Wall;
use crate::breaker::{Trip, Window};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct TripShown {
    text: String,
    rule: &'static str,
    counted: u64,
    calls: u64,
    threshold: Option<u64>,
    rate: Option<f64>,
    measured: Option<f64>,
    hung: u64,
    window: WindowSpan,
    last_failures: Vec<String>,
    at: Option<String>,
    seconds_ago: f64,
}

impl TripShown {
    pub(super) fn new(trip: &Trip, wall: &Wall) -> TripShown {
        TripShown {
            text: trip.to_string(),
            rule: trip.rule.as_str(),
            counted: trip.counted,
            calls: trip.calls,
            threshold: trip.rate.is_none().then_some(trip.threshold),
            rate: trip.rate.map(|rate| rate.as_f64()),
            measured: trip.measured(),
            hung: trip.hung,
            window: WindowSpan::new(trip.window),
            last_failures: trip.failures.iter().map(|kind| kind.to_string()).collect(),
            at: wall.rfc3339(trip.at),
            seconds_ago: wall.now().since(trip.at).as_secs_f64(),
        }
    }
}

/// How far a window reaches; one of the two is there.
#[derive(Serialize)]
pub(super) struct WindowSpan {
    seconds: Option<f64>,
    calls: Option<u32>,
}

impl WindowSpan {
    pub(super) fn new(window: Window) -> WindowSpan {
        match window {
            Window::Time(span) => WindowSpan { seconds: Some(span.as_secs_f64()), calls: None },
            Window::Calls(calls) => WindowSpan { seconds: None, calls: Some(calls) },
        }
    }
}
