//! Where a worker waits.

use std::time::Duration;

/// Waits, on Tokio's timer.
#[expect(clippy::disallowed_methods, reason = "a worker's waiting enters here")]
pub(super) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
