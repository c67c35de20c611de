//! Timeout, retry, deadline, breaker and fallback around an async call.
//!
//! `cargo run -p fusebox --example async_pipeline`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::retry::{Backoff, Config, Jitter};
use fusebox::{Answer, Fuse, InvalidConfig};
use std::cell::Cell;
use std::time::Duration;

/// What the profile service does on each attempt; after these it answers at once.
const MOODS: [Mood; 8] = [
    Mood::Good,
    Mood::Failing,
    Mood::Good,
    Mood::Hanging,
    Mood::Hanging,
    Mood::Failing,
    Mood::Failing,
    Mood::Good,
];

#[derive(Clone, Copy, Debug)]
enum Mood {
    Good,
    Failing,
    Hanging,
}

async fn fetch(mood: Mood) -> Result<String, std::io::Error> {
    println!("    attempt: the service is {mood:?}");
    match mood {
        Mood::Good => Ok("Ann".into()),
        Mood::Failing => Err(std::io::Error::other("read the profile: connection reset")),
        Mood::Hanging => std::future::pending().await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidConfig> {
    let backoff = Backoff { base: Duration::from_millis(20), jitter: Jitter::Full, ..Backoff::default() };
    let profiles = Fuse::builder("profiles")
        .timeout(Duration::from_millis(100))
        .deadline(Duration::from_millis(500))
        // Attempts count the first. The budget keeps retries a tenth of the traffic; eight calls are too few for that.
        .retry(Config { max_attempts: 2, backoff, budget: None })
        .breaker(fusebox::breaker::Config { consecutive_failures: Some(2), ..Default::default() })
        .build()?;
    let stages: Vec<_> = profiles.pipeline().stages().iter().map(|stage| stage.name()).collect();
    println!("a call passes {}", stages.join(" › "));

    let attempts = Cell::new(0);
    for call in 1..=6 {
        println!("call {call}");
        let fetch = || {
            let mood = MOODS.get(attempts.get()).copied().unwrap_or(Mood::Good);
            attempts.set(attempts.get() + 1);
            fetch(mood)
        };
        let answer = profiles.run_or_else(fetch, |cause| {
            println!("    fallback: failed to {cause}");
            "a guest".into()
        });
        match answer.await {
            Ok(Answer { value, source }) => println!("  {value} ({source:?})"),
            Err(error) => println!("  failed to {error}"),
        }
    }
    let totals = profiles.circuit().snapshot().totals;
    println!(
        "the breaker saw {} successes and {} failures: one verdict a call",
        totals.success, totals.failure
    );
    Ok(())
}
