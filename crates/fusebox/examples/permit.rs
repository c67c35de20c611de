//! Permits, for code that neither a closure nor a future fits: here a connection that is read line by line.
//!
//! `cargo run -p fusebox --example permit`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::breaker::State;
use fusebox::{CircuitBreaker, Failure, Outcome, Permit};
use std::io::{self, BufRead, Cursor};
use std::str::FromStr;

/// A sensor's line, and the permit that is settled when the reading is whole.
struct Reading {
    lines: Cursor<&'static str>,
    permit: Permit,
}

impl Reading {
    fn begin(circuit: &CircuitBreaker, sent: &'static str) -> Result<Self, fusebox::Rejected> {
        Ok(Reading { permit: circuit.admit()?, lines: Cursor::new(sent) })
    }

    /// The sensor sends `value` and `end`, each on a line.
    fn finish(self) -> Result<f64, String> {
        self.read().map_err(|error| error.to_string())
    }

    fn read(mut self) -> io::Result<f64> {
        let mut line = String::new();
        // `?` drops the permit: cancelled, which says nothing of the sensor.
        self.lines.read_line(&mut line)?;
        let Ok(value) = f64::from_str(line.trim()) else {
            self.permit.settle(Outcome::Failure(Failure::Malformed));
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no number: {line:?}")));
        };
        line.clear();
        self.lines.read_line(&mut line)?;
        if line.trim() != "end" {
            self.permit.settle(Outcome::Failure(Failure::Reset));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "cut short"));
        }
        self.permit.success();
        Ok(value)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sensor =
        CircuitBreaker::builder("sensor").with(|config| config.consecutive_failures = Some(3)).build()?;

    println!("whole:     {:?}", Reading::begin(&sensor, "21.5\nend\n")?.finish());
    println!("cut short: {:?}", Reading::begin(&sensor, "21.5\n")?.finish());
    println!("malformed: {:?}", Reading::begin(&sensor, "??\nend\n")?.finish());
    println!("given up:  the permit is dropped");
    drop(Reading::begin(&sensor, "21.5\nend\n")?);

    let totals = sensor.snapshot().totals;
    println!(
        "{} success, {} failures, {} cancelled; the circuit is {}",
        totals.success,
        totals.failure,
        totals.cancelled,
        sensor.state()
    );

    let _ = Reading::begin(&sensor, "??\n")?.finish();
    assert_eq!(sensor.state(), State::Open);
    if let Err(rejected) = Reading::begin(&sensor, "21.5\nend\n") {
        println!("one more failure, and: failed to {rejected}");
    }
    Ok(())
}
