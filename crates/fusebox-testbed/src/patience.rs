//! Waiting for what another process does.

use std::thread::sleep;
use std::time::Duration;

/// How long a server may take to come up, or to go.
const TRIES: u32 = 3_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `done`; whether it came to that within half a minute.
#[expect(clippy::disallowed_methods, reason = "a server does not say when it is there")]
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    (0..TRIES).any(|_| {
        done() || {
            sleep(PAUSE);
            false
        }
    })
}
