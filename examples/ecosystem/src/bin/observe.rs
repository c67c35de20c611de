//! Metrics and events: snapshots through the crate `metrics`, events through `tracing`. Both go on to wherever the
//! program sends them; docs/ecosystem.md says how to send them to OpenTelemetry.
//!
//! `cargo run -p ecosystem --bin observe`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ecosystem::Failed;
use fusebox::Registry;
use fusebox::metrics::Publisher;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::convert::Infallible;

fn main() -> Result<(), Failed> {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stdout).init();
    let prometheus = PrometheusBuilder::new().install_recorder()?;

    let registry = Registry::default();
    registry.on_event(fusebox::tracing::tell);
    let publisher = Publisher::new(&registry);

    let search = registry.circuit("search");
    for _ in 0..3 {
        search.call(|| Ok::<_, Infallible>(()))?;
    }
    for _ in 0..12 {
        let _ = search.call(|| Err::<(), _>("down"));
    }

    // Just before a scrape is answered, or every few seconds.
    publisher.publish();
    print!("{}", prometheus.render());
    Ok(())
}
