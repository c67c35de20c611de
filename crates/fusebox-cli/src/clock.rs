//! Where time enters the program: a demo's schedule, and what an operator watches, run in real time.

use fusebox::Clock;
use fusebox_core::Time;
use std::time::Duration;

/// The clock that the program's own measurements are taken on.
pub(crate) fn precise() -> Clock {
    Clock::precise()
}

/// Waits until `at`; not at all if that is past.
pub(crate) async fn until(clock: &Clock, at: Time) {
    pause(at.since(clock.now())).await;
}

/// Waits for `span`.
#[expect(clippy::disallowed_methods, reason = "a demo's schedule and an operator's view run in real time")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
