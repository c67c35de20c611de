//! `#[fusebox::protect]` on a function, a method and an async function with a fallback.
//!
//! `cargo run -p fusebox --example attribute`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::{CircuitBreaker, Error, Rejected};
use std::fmt;
use std::sync::LazyLock;

/// One circuit for one dependency, whoever calls it.
static RATES: LazyLock<CircuitBreaker> = LazyLock::new(|| impatient("rates"));

/// Opens at the second failure in a row, so that there is something to see.
fn impatient(name: &str) -> CircuitBreaker {
    let builder = CircuitBreaker::builder(name).with(|config| config.consecutive_failures = Some(2));
    builder.build().expect("two failures in a row is a rule that works")
}

#[derive(Debug)]
enum ShopError {
    NotCalled(Rejected),
    Down,
}

impl From<Rejected> for ShopError {
    fn from(rejected: Rejected) -> Self {
        ShopError::NotCalled(rejected)
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShopError::NotCalled(rejected) => rejected.fmt(f),
            ShopError::Down => f.write_str("reach the service"),
        }
    }
}

struct Warehouse {
    circuit: CircuitBreaker,
}

impl Warehouse {
    /// A refusal becomes the method's own error, through `From<Rejected>`.
    #[fusebox::protect(breaker = self.circuit)]
    fn stock(&self, item: &str) -> Result<u32, ShopError> {
        println!("    (the warehouse is asked for {item})");
        Err(ShopError::Down)
    }
}

/// Without an answer, yesterday's rate will do.
#[fusebox::protect(breaker = RATES, fallback = yesterday)]
async fn rate(currency: String) -> Result<f64, ShopError> {
    println!("    (the bank is asked for {currency})");
    Err(ShopError::Down)
}

/// Takes the same arguments, and the cause.
fn yesterday(currency: String, cause: Error<ShopError>) -> Result<f64, ShopError> {
    println!("    failed to {cause}; {currency} as of yesterday");
    Ok(1.08)
}

fn main() {
    let warehouse = Warehouse { circuit: impatient("warehouse") };
    println!("a method behind a circuit of its own:");
    for _ in 0..3 {
        match warehouse.stock("a kettle") {
            Ok(count) => println!("  {count} left"),
            Err(error) => println!("  failed to {error}"),
        }
    }
    println!("an async function with a fallback:");
    for _ in 0..3 {
        match futures::executor::block_on(rate("EUR".into())) {
            Ok(rate) => println!("  {rate}"),
            Err(error) => println!("  failed to {error}"),
        }
    }
}
