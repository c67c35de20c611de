//! A circuit breaker around a blocking call: watch it open, refuse without calling, probe, and close.
//!
//! `cargo run -p fusebox --example blocking`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::breaker::{HalfOpen, WaitInOpen, WaitStrategy};
use fusebox::{CircuitBreaker, Clock, Error, InvalidConfig};
use std::time::Duration;

/// A payment provider that is down for a while.
struct Provider {
    down: bool,
    calls: u32,
}

impl Provider {
    fn charge(&mut self, cents: u32) -> Result<String, String> {
        self.calls += 1;
        if self.down { Err("connection refused".into()) } else { Ok(format!("receipt for {cents} cents")) }
    }
}

fn main() -> Result<(), InvalidConfig> {
    // A real program leaves the clock out. This one moves its own, so that nobody waits.
    let (clock, hand) = Clock::manual();
    let payments = CircuitBreaker::builder("payments")
        .clock(clock)
        .with(|config| {
            config.consecutive_failures = Some(3);
            let strategy = WaitStrategy::Fixed(Duration::from_secs(30));
            config.wait_in_open = WaitInOpen { strategy, jitter: 0.0 };
            config.half_open = HalfOpen::Count { success_threshold: 2, probe_failures: 1 };
        })
        .build()?;
    let mut provider = Provider { down: true, calls: 0 };

    let pay = |provider: &mut Provider| {
        match payments.call(|| provider.charge(4_200)) {
            Ok(receipt) => println!("  {receipt}"),
            Err(Error::Rejected(rejected)) => println!("  not even called: failed to {rejected}"),
            Err(error) => println!("  failed to pay: {error}"),
        }
        println!(
            "    the circuit is {}; calls that reached the provider: {}",
            payments.state(),
            provider.calls
        );
    };

    println!("The provider is down:");
    for _ in 0..5 {
        pay(&mut provider);
    }
    println!("It recovers, but the wait is not over:");
    provider.down = false;
    hand.advance(Duration::from_secs(10));
    pay(&mut provider);
    println!("30 s after it opened, the circuit probes, and two good probes close it:");
    hand.advance(Duration::from_secs(20));
    for _ in 0..3 {
        pay(&mut provider);
    }
    Ok(())
}
