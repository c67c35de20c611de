//! The queue as an item of a list of fallbacks.

use super::deferrer::{Deferred, Deferrer, Keeping};
use crate::driver::wait_for;
use crate::fallback::list::{BlockingItem, Item, Items};
use crate::fallback::{Cause, Kind};
use crate::fuse::Answer;
use fusebox_core::outcome::Source;
use fusebox_queue::NewItem;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::time::Timeout;

/// A call that is kept for later. From [`Fallbacks::queue`](crate::Fallbacks::queue).
pub struct Queue<'a, M, F> {
    deferrer: &'a Deferrer,
    make: Option<M>,
    answer: Option<F>,
    /// An attempt was begun.
    sent: bool,
    keeping: Option<Pin<Box<Timeout<Keeping>>>>,
}

// The functions are moved out before they are called, and what is polled is boxed.
impl<M, F> Unpin for Queue<'_, M, F> {}

impl<M, F> fmt::Debug for Queue<'_, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl<'a, M, F> Queue<'a, M, F> {
    pub(crate) fn new(deferrer: &'a Deferrer, make: M, answer: F) -> Self {
        Queue { deferrer, make: Some(make), answer: Some(answer), sent: false, keeping: None }
    }

    /// What is kept of the call; `None` if it cannot wait.
    fn item<T, E>(&mut self, cause: Cause<'_, T, E>, asked: bool) -> Option<NewItem>
    where
        M: FnOnce(Cause<'_, T, E>) -> Option<NewItem>,
    {
        let item = self.make.take()?(cause)?;
        Some(NewItem { needs_check: item.needs_check || self.sent || asked, ..item })
    }

    fn told<T>(&mut self, deferred: Option<Deferred>) -> Option<(T, Source)>
    where
        F: FnOnce(Deferred) -> T,
    {
        let deferred = deferred?;
        let source = Source::Deferred { id: deferred.id.0 };
        self.answer.take().map(|answer| (answer(deferred), source))
    }
}

impl<T, M, F> Items<T> for Queue<'_, M, F> {
    const KEEPS: bool = false;

    fn read(&mut self) -> Option<Answer<T>> {
        None
    }

    fn keep(&mut self, _: &T) {}

    fn miss(&mut self, sent: bool) {
        self.sent = sent;
    }

    fn kinds(&self, list: &mut Vec<Kind>) {
        list.push(Kind::Queue);
    }
}

impl<T, E, M, F> Item<T, E> for Queue<'_, M, F>
where
    M: FnOnce(Cause<'_, T, E>) -> Option<NewItem>,
    F: FnOnce(Deferred) -> T,
{
    fn kind(&self) -> Kind {
        Kind::Queue
    }

    fn poll_answer(
        mut self: Pin<&mut Self>,
        cause: Cause<'_, T, E>,
        asked: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(T, Source)>> {
        if self.keeping.is_none() {
            let Some(item) = self.item(cause, asked) else { return Poll::Ready(None) };
            self.keeping = Some(Box::pin(self.deferrer.keeping(item)));
        }
        let Some(keeping) = &mut self.keeping else { return Poll::Ready(None) };
        let deferred = ready!(keeping.as_mut().poll(cx)).ok().flatten();
        Poll::Ready(self.told(deferred))
    }
}

impl<T, E, M, F> BlockingItem<T, E> for Queue<'_, M, F>
where
    M: FnOnce(Cause<'_, T, E>) -> Option<NewItem>,
    F: FnOnce(Deferred) -> T,
{
    fn kind(&self) -> Kind {
        Kind::Queue
    }

    fn answer_blocking(mut self, cause: Cause<'_, T, E>, asked: bool) -> Option<(T, Source)> {
        let item = self.item(cause, asked)?;
        let keeping = pin!(Deferrer::keep(self.deferrer.store().clone(), item));
        let deferred = wait_for(keeping, self.deferrer.waits_for()).flatten();
        self.told(deferred)
    }
}
