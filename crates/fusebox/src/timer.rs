//! The timer thread: makes what is due happen on time, without traffic.

use std::thread;
use std::time::Duration;

/// A circuit made or opened meanwhile is noticed after this long at most.
const AT_MOST: Duration = Duration::from_millis(50);
const AT_LEAST: Duration = Duration::from_millis(1);

/// Calls `tick` until it answers `None`; `Some(next)` says how long until something is due.
pub(crate) fn start(tick: impl Fn() -> Option<Option<Duration>> + Send + 'static) {
    let run = move || {
        while let Some(next) = tick() {
            thread::park_timeout(next.unwrap_or(AT_MOST).clamp(AT_LEAST, AT_MOST));
        }
    };
    // Without the thread, everything still happens, on the next call or look instead of on time.
    let _ = thread::Builder::new().name("fusebox-timer".into()).spawn(run);
}
