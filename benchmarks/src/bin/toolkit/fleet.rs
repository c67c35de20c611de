//! Ten thousand circuits at once: how long operators' questions take.

use fusebox::{Clock, Registry, Rng};
use fusebox::admin::{Admin, Asked};
use fusebox_benchmarks::stats::Spread;
use futures_executor::block_on;
use std::time::Instant;

const CIRCUITS: usize = 10_000;

/// A question, its longest answer in milliseconds, and how long it took.
pub(crate) struct Answered {
    pub(crate) title: &'static str,
    pub(crate) target: Option<u64>,
    pub(crate) millis: Spread,
}

/// Asks each so many times.
pub(crate) fn ask(rounds: usize) -> Vec<Answered> {
    let registry = Registry::with_clock(CIRCUITS, Clock::precise(), Rng::seeded(1));
    let admin = Admin::new(registry.clone());
    let whole = admin.clone().max_series(CIRCUITS);
    let open = Asked {
        method: "GET",
        target: "/metrics",
        accept: Some("application/openmetrics-text; version=1.0.0"),
        ..Asked::default()
    };
    for i in 0..CIRCUITS {
        let circuit = registry.circuit(&format!("service-{i}"));
        (0..i % 20).for_each(|call| drop(circuit.call(|| if call % 3 == 0 { Err(()) } else { Ok(()) })));
    }
    let snapshots =
        || registry.all().iter().map(|circuit| circuit.snapshot().totals.success).sum::<u64>() as usize;
    let timed = |title, target, question: &dyn Fn() -> usize| {
        let once = |_| {
            let begin = Instant::now();
            assert!(question() > 0, "an answer");
            begin.elapsed().as_secs_f64() * 1_000.0
        };
        let spread = Spread::of(&(0..rounds).map(once).collect::<Vec<_>>());
        Answered { title, target, millis: spread.expect("a round or more") }
    };
    vec![
        timed("snapshots of 10,000 circuits", Some(20), &snapshots),
        timed("`/metrics` of 10,000 circuits (1,000 with series of their own)", Some(50), &|| {
            admin.answer("GET", "/metrics").body.len()
        }),
        timed("`/metrics` of 10,000 circuits, all with series of their own", Some(50), &|| {
            whole.answer("GET", "/metrics").body.len()
        }),
        timed("the same in the format OpenMetrics", None, &|| block_on(whole.respond(open)).body.len()),
        timed("`/circuits` of 10,000 circuits", None, &|| admin.answer("GET", "/circuits").body.len()),
    ]
}
