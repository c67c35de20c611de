//! The driver on tokio's timer.

use super::{Policies, Walk};
use crate::classify::Classify;
use crate::clock::Clock;
use crate::error::Error;
use fusebox_core::Time;
use fusebox_core::flow::{Finish, Step, Try};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
#[cfg(feature = "queue")]
use std::time::Duration;
use tokio::time::Sleep;

/// Drives a walk on tokio's timer. There may be two attempts in flight: the second is a hedge.
pub(crate) async fn on_tokio<T, E, Fut>(
    mut walk: Walk<impl Policies>,
    classify: &impl Classify<T, E>,
    mut op: impl FnMut(Try) -> Fut,
) -> (Finish, Result<T, Error<E>>)
where
    Fut: Future<Output = Result<T, E>>,
{
    let (first, second) = (pin!(None::<Fut>), pin!(None::<Fut>));
    let mut flights = [Flight { of: None, future: first }, Flight { of: None, future: second }];
    let (mut alarm, mut until, mut last) = (pin!(None), Time::NEVER, None);
    // Whatever is ready at once pays for no timer and no second look at the clock.
    let mut fresh = true;
    let finish = poll_fn(|cx| {
        let mut reached = Time::ZERO;
        loop {
            // One at a time: what the first comes to may decide what becomes of the second.
            let mut landed = false;
            for flight in &mut flights {
                let (Some(of), Some(future)) = (flight.of, flight.future.as_mut().as_pin_mut()) else {
                    continue;
                };
                if let Poll::Ready(result) = walk.inside(of, || future.poll(cx)) {
                    walk.told(of, walk.judge(classify, &result));
                    last = Some(result);
                    flight.land();
                    (landed, fresh) = (true, true);
                    break;
                }
            }
            if !fresh {
                match rung(alarm.as_mut(), cx) {
                    Poll::Ready(()) => reached = until,
                    // A place in a queue may have come free.
                    Poll::Pending if walk.is_queued() => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            loop {
                match walk.next_woken(reached, cx.waker()) {
                    Step::Call(of) => {
                        if let Some(free) = flights.iter_mut().find(|flight| flight.of.is_none()) {
                            free.of = Some(of);
                            free.future.set(Some(walk.inside(of, || op(of))));
                        }
                        fresh = true;
                        break;
                    }
                    // Dropping the future cancels it.
                    Step::Cancel(of) => {
                        flights.iter_mut().filter(|flight| flight.of == Some(of)).for_each(Flight::land);
                    }
                    Step::Wait(at) => {
                        if at != until || reached == until {
                            alarm.set(timer(walk.policies.circuit().clock(), at));
                            until = at;
                        }
                        fresh = false;
                        if landed {
                            break;
                        }
                        if rung(alarm.as_mut(), cx).is_pending() {
                            return Poll::Pending;
                        }
                        reached = at;
                    }
                    Step::Finish(finish) => return Poll::Ready(finish),
                }
            }
        }
    });
    let finish = finish.await;
    (finish, walk.result(finish, last))
}

/// One attempt's future, in its place on the driver's stack.
struct Flight<'a, F> {
    of: Option<Try>,
    future: Pin<&'a mut Option<F>>,
}

impl<F> Flight<'_, F> {
    fn land(&mut self) {
        self.of = None;
        self.future.set(None);
    }
}

/// Waits for `span`.
#[cfg(feature = "queue")]
#[expect(clippy::disallowed_methods, reason = "whoever drives a replay waits between its turns")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// tokio's timer for `at`; none for what never comes.
#[expect(clippy::disallowed_methods, reason = "the async driver is the one that waits")]
pub(crate) fn timer(clock: &Clock, at: Time) -> Option<Sleep> {
    (at != Time::NEVER).then(|| tokio::time::sleep_until(clock.tokio_instant(at)))
}

/// Ready when the timer is over.
pub(crate) fn rung(timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}
