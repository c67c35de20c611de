//! The rows of the comparison and the target each has.

use crate::subject::{Setup, Traffic};

/// One timed row.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    /// The setup to measure: the first of these that a contender offers.
    pub(crate) setups: &'static [Setup],
    pub(crate) traffic: Traffic,
    /// Threads on one breaker.
    pub(crate) threads: usize,
    /// The most nanoseconds fusebox may take.
    pub(crate) target: Option<f64>,
    /// The setup whose time, under the same traffic, is taken off before the target is looked at.
    pub(crate) above: Option<Setup>,
}

const fn row(
    title: &'static str,
    setups: &'static [Setup],
    traffic: Traffic,
    threads: usize,
    target: Option<f64>,
) -> Row {
    Row { title, setups, traffic, threads, target, above: None }
}

const fn layer(title: &'static str, setups: &'static [Setup]) -> Row {
    Row { above: Some(Setup::Coarse), ..row(title, setups, Traffic::Good, 1, Some(12.0)) }
}

const CONSECUTIVE: &[Setup] = &[Setup::Consecutive];
const COUNT: &[Setup] = &[Setup::Count];
const TIME: &[Setup] = &[Setup::Time];
const COARSE: &[Setup] = &[Setup::Coarse];
const PRECISE: &[Setup] = &[Setup::Precise];
const HANDLE: &[Setup] = &[Setup::Handle];
const LAYER: &[Setup] = &[Setup::Layer];
const STATIC_LAYER: &[Setup] = &[Setup::StaticLayer];
const OPEN: &[Setup] = &[Setup::Count, Setup::Consecutive];

/// Every timed row, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    row("closed, consecutive rule", CONSECUTIVE, Traffic::Good, 1, Some(7.0)),
    row("closed, consecutive rule", CONSECUTIVE, Traffic::Good, 2, None),
    row("closed, count window 100", COUNT, Traffic::Good, 1, Some(8.0)),
    row("closed, count window 100", COUNT, Traffic::Good, 2, Some(20.0)),
    row("closed, time window 60 s", TIME, Traffic::Good, 1, Some(8.0)),
    row("closed, time window 60 s", TIME, Traffic::Good, 2, Some(12.0)),
    row("`default` as shipped, coarse clock read", COARSE, Traffic::Good, 1, Some(15.0)),
    row("`default` as shipped, coarse clock read", COARSE, Traffic::Good, 2, None),
    row("`default` as shipped, precise clock read", PRECISE, Traffic::Good, 1, Some(30.0)),
    row("`default` as shipped, precise clock read", PRECISE, Traffic::Good, 2, None),
    row("`CircuitBreaker::call` as shipped", HANDLE, Traffic::Good, 1, None),
    row("`CircuitBreaker::call` as shipped", HANDLE, Traffic::Good, 2, None),
    row("25 % failing, count window 100", COUNT, Traffic::Quarter, 1, Some(20.0)),
    row("25 % failing, count window 100", COUNT, Traffic::Quarter, 2, Some(100.0)),
    row("25 % failing, time window 60 s", TIME, Traffic::Quarter, 1, Some(20.0)),
    row("25 % failing, time window 60 s", TIME, Traffic::Quarter, 2, Some(100.0)),
    row("open, reject", OPEN, Traffic::Rejected, 1, Some(10.0)),
    row("open, reject", OPEN, Traffic::Rejected, 2, None),
    layer("Tower layer, ready future", LAYER),
    layer("Tower layer over a `&'static` breaker", STATIC_LAYER),
];

/// The most bytes, inline and heap, that an idle breaker of the `default` preset may take.
pub(crate) const FOOTPRINT_TARGET: i64 = 1536;
