//! Where time enters the demo: its schedule and its load run in real time.

use fusebox::Clock;
use fusebox_core::Time;

/// The clock that the demo's own measurements are taken on.
pub(super) fn precise() -> Clock {
    Clock::precise()
}

/// Waits until `at`; not at all if that is past.
pub(super) async fn until(clock: &Clock, at: Time) {
    #[expect(clippy::disallowed_methods, reason = "the demo's schedule runs in real time")]
    tokio::time::sleep(at.since(clock.now())).await;
}
