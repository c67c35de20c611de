//! Events: one listener hears every circuit of the registry, on time and without traffic.
//!
//! `cargo run -p fusebox --example events`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::Registry;
use fusebox::breaker::{Config, State, WaitInOpen, WaitStrategy};
use fusebox::event::Event;
use std::convert::Infallible;
use std::sync::mpsc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tell, changed) = mpsc::channel();
    let registry = Registry::global();
    registry.on_event(move |name, event| {
        if let Event::Transition(change) = event {
            println!("  event: {name} {} -> {}: {}", change.from, change.to, change.cause);
            let _ = tell.send(change.to);
        }
    });

    let strategy = WaitStrategy::Fixed(Duration::from_millis(300));
    let config = Config {
        consecutive_failures: Some(4),
        wait_in_open: WaitInOpen { strategy, jitter: 0.1 },
        ..Config::default()
    };
    let search = registry.circuit_with("search", &config)?;

    println!("search fails:");
    while search.state() == State::Closed {
        let _ = search.call(|| Err::<(), _>("connection refused"));
    }
    changed.recv()?;

    println!("nobody calls; the timer turns the circuit when its wait is over:");
    changed.recv_timeout(Duration::from_secs(10))?;

    println!("search is back, and each probe goes well:");
    while search.state() != State::Closed {
        search.call(|| Ok::<_, Infallible>(()))?;
    }
    changed.recv()?;

    let totals = search.snapshot().totals;
    println!("{} failures, {} good probes, {} trip", totals.failure, totals.success, totals.trips());
    Ok(())
}
