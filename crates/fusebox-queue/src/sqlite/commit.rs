//! The threads that have the file. Who writes makes one transaction for all that was asked for while the last one was synced.

use super::desk::Desk;
use crate::error::StoreError;
use futures_channel::oneshot;
use std::fmt;
use std::fs::File;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What one transaction takes at most.
const MOST: usize = 4_096;
/// So long without work, the write-ahead log is folded into the file.
const IDLE: Duration = Duration::from_millis(200);

/// Something to do within a transaction, and again if that is rolled back; and somebody to tell after it.
pub(super) trait Job: Send {
    fn work(&mut self, desk: &mut Desk);
    /// Whether it is to be kept.
    fn succeeded(&self) -> bool;
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

pub(super) struct Pending<T, F> {
    work: F,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Pending<T, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Pending { work, outcome: None, answer }
    }
}

impl<T: Send, F: FnMut(&mut Desk) -> Result<T, StoreError> + Send> Job for Pending<T, F> {
    fn work(&mut self, desk: &mut Desk) {
        self.outcome = Some((self.work)(desk));
    }

    fn succeeded(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = self.outcome.unwrap_or(Err(StoreError::Stopped));
        // Whoever asked may have gone away.
        let _ = self.answer.send(committed.and(outcome));
    }
}

/// The way to a thread. Dropped, it waits until what it was given is done.
pub(super) struct Worker {
    jobs: Mutex<Option<Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// Who writes, and keeps the lock for as long.
    pub(super) fn committing(desk: Desk, lock: File) -> Result<Self, StoreError> {
        Worker::start("fusebox-queue", move |queue| {
            run(desk, queue);
            drop(lock);
        })
    }

    /// Who only reads.
    pub(super) fn reading(mut desk: Desk) -> Result<Self, StoreError> {
        Worker::start("fusebox-queue-reads", move |queue| {
            for mut job in queue {
                job.work(&mut desk);
                job.tell(Ok(()));
            }
        })
    }

    fn start(
        name: &str,
        run: impl FnOnce(&Receiver<Box<dyn Job>>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || run(&queue));
        let thread = thread.map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Worker { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn take(&self, job: Box<dyn Job>) {
        // A job that is lost drops its answer, and its caller hears that the store has stopped.
        if let Some(jobs) = &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn run(mut desk: Desk, queue: &Receiver<Box<dyn Job>>) {
    loop {
        let first = match queue.recv_timeout(IDLE) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                desk.checkpoint();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return desk.checkpoint(),
        };
        let mut jobs: Vec<_> = std::iter::once(first).chain(queue.try_iter()).take(MOST).collect();
        let committed = transact(&mut desk, &mut jobs);
        jobs.into_iter().for_each(|job| job.tell(committed.clone()));
        desk.checkpoint_if_long();
    }
}

fn transact(desk: &mut Desk, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut done = together(desk, jobs);
    if done == Ok(false) {
        desk.roll_back();
        done = one_by_one(desk, jobs).map(|()| true);
    }
    if done.is_err() {
        desk.roll_back();
    }
    done.map(drop)
}

/// Does them all; answers `false` where one has failed halfway, and nothing is committed. A savepoint for each would copy every
/// page that it touches.
fn together(desk: &mut Desk, jobs: &mut [Box<dyn Job>]) -> Result<bool, StoreError> {
    desk.begin()?;
    for job in jobs {
        let before = desk.changes();
        job.work(desk);
        if !job.succeeded() && desk.changes() != before {
            return Ok(false);
        }
        desk.check_open()?;
    }
    desk.commit().map(|()| true)
}

/// Does each on its own: one that fails leaves nothing behind.
fn one_by_one(desk: &mut Desk, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    desk.begin()?;
    for job in jobs {
        desk.within(|desk| {
            job.work(desk);
            job.succeeded()
        })?;
    }
    desk.commit()
}
