//! Where time enters the examples.

use fusebox::{Clock, Time};
use std::time::Duration;

/// The clock that everything in one process is measured on.
pub fn precise() -> Clock {
    Clock::precise()
}

/// Waits until `at`; not at all if that is past.
pub async fn until(at: Time) {
    pause(at.since(precise().now())).await;
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "the examples play in real time")]
pub async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
