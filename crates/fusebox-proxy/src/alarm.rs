//! Timers, armed seldom.
//!
//! Nearly every call ends long before any of its time limits, so arming a timer per call would be work for nothing.
//! A connection has one [`Alarm`]. Moving its due moment further away costs nothing: the timer goes off at the
//! earlier one, finds nothing due and is armed anew. This is the one place where the proxy asks tokio for the time.

use fusebox::{Clock, Time};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// tokio's timer counts in milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// One timer that follows a moving due moment.
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The moment the timer is armed for; `NEVER` when it is not.
    armed: Time,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Alarm { sleep: None, armed: Time::NEVER }
    }

    /// Ready once `due` has come. Otherwise the task is woken by then, as long as it is always this one.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, clock: &Clock, due: Time) -> Poll<()> {
        if due == Time::NEVER {
            return Poll::Pending;
        }
        loop {
            if self.armed <= due {
                match &mut self.sleep {
                    Some(sleep) if !sleep.is_elapsed() => return Poll::Pending,
                    _ => self.armed = Time::NEVER,
                }
            }
            let now = clock.now();
            if now >= due {
                return Poll::Ready(());
            }
            self.arm(due.since(now).max(TICK));
            self.armed = due;
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the proxy's timers are armed here")]
    fn arm(&mut self, span: Duration) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(Instant::now() + span),
            None => self.sleep = Some(Box::pin(tokio::time::sleep(span))),
        }
    }
}

/// Waits for `span`.
#[expect(clippy::disallowed_methods, reason = "the proxy's timers are armed here")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
