//! The driver of blocking work on a pool's threads: its caller waits, and can stop waiting.

use super::blocking::Bell;
use super::{Policies, Walk};
use crate::classify::Classify;
use crate::error::Error;
use crate::pool::ThreadPool;
use fusebox_core::bulkhead::Place;
use fusebox_core::flow::{Finish, Step, Try};
use fusebox_core::{Failure, Outcome, Time, Verdict};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What jobs have come to, for the caller to collect.
type Done<T, E> = Mutex<VecDeque<(Try, thread::Result<Result<T, E>>)>>;

/// Drives a walk whose attempts run on `pool`. The calling thread waits for them, and for nothing else.
pub(crate) fn pooled<T, E>(
    mut walk: Walk<impl Policies>,
    pool: &ThreadPool,
    classify: &impl Classify<T, E>,
    op: Arc<dyn Fn(Try) -> Result<T, E> + Send + Sync>,
) -> (Finish, Result<T, Error<E>>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (bell, waker) = Bell::of_this_thread();
    let done = Arc::new(Done::<T, E>::default());
    let (mut last, mut reached) = (None, Time::ZERO);
    let mut in_flight: [Option<Try>; 2] = [None; 2];
    loop {
        match walk.next_woken(reached, &waker) {
            Step::Call(of) => {
                if let Some(free) = in_flight.iter_mut().find(|flight| flight.is_none()) {
                    *free = Some(of);
                }
                let job = Job {
                    pool: pool.clone(),
                    place: walk.take_place(of),
                    clock: walk.policies.circuit().clock().clone(),
                };
                let (op, done, waker) = (op.clone(), done.clone(), waker.clone());
                pool.start(move || {
                    let result = catch_unwind(AssertUnwindSafe(|| op(of)));
                    drop(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push_back((of, result));
                    waker.wake();
                });
                reached = Time::ZERO;
            }
            // The job goes on, and keeps its place until it ends.
            Step::Cancel(of) => forget(&mut in_flight, of),
            Step::Wait(until) => {
                let came = done.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                match came {
                    Some((of, _)) if !in_flight.contains(&Some(of)) => {}
                    Some((of, Ok(result))) => {
                        forget(&mut in_flight, of);
                        walk.told(of, walk.judge(classify, &result));
                        last = Some(result);
                        reached = Time::ZERO;
                    }
                    Some((of, Err(panic))) => {
                        walk.told(of, Verdict::final_failure(Failure::Panic));
                        let _ = walk.next(Time::ZERO);
                        drop(walk);
                        resume_unwind(panic);
                    }
                    None => {
                        let woken = bell.wait(until.since(walk.policies.circuit().clock().now()));
                        reached = if woken { Time::ZERO } else { until };
                    }
                }
            }
            Step::Finish(finish) => return (finish, walk.result(finish, last)),
        }
    }
}

fn forget(in_flight: &mut [Option<Try>; 2], of: Try) {
    for flight in in_flight.iter_mut().filter(|flight| **flight == Some(of)) {
        *flight = None;
    }
}

/// A job's place, which comes free with it, however the job ends.
struct Job {
    pool: ThreadPool,
    place: Option<Place>,
    clock: crate::clock::Clock,
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.pool.places().leave(place, Outcome::Ignored, self.clock.now());
        }
    }
}
