//! The list as a type: each item stands behind those before it.

use super::Cause;
use crate::error::Error;
use crate::fuse::Answer;
use fusebox_core::fallback::{Counters, Kind, Told};
use fusebox_core::outcome::Source;
use pin_project_lite::pin_project;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "tokio")]
use std::pin::Pin;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll};

/// An empty list.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

pin_project! {
    /// A list and one more item at its end.
    #[derive(Debug)]
    pub struct Then<L, I> {
        #[pin]
        first: L,
        #[pin]
        last: I,
        // Nobody before the last has an answer.
        passed: bool,
    }
}

impl<L, I> Then<L, I> {
    pub(super) fn new(first: L, last: I) -> Self {
        Then { first, last, passed: false }
    }
}

/// A result that asks for a fallback: an error, or an answer that the classifier calls a failure.
pub type Unanswered<T, E> = Result<T, Error<E>>;

/// What an item or a list does beside answering.
pub trait Items<T> {
    /// Whether it wants to see good answers.
    const KEEPS: bool;
    /// Whether it makes calls of its own, which may have their effect without an answer.
    const CALLS: bool = false;

    /// Before the call: an answer that makes it unnecessary.
    fn read(&mut self) -> Option<Answer<T>>;

    /// The call has a good answer.
    fn keep(&mut self, value: &T);

    /// The call has none. What it asked for was `sent` if an attempt was begun, and may have been done then.
    fn miss(&mut self, sent: bool);

    /// Adds the kinds of the items, in their order.
    fn kinds(&self, list: &mut Vec<Kind>);
}

/// An item that answers in async code.
///
/// Polled, where an `async fn` would read better: the type of a call's future then holds the list and no projection of a
/// trait, and whether it is `Send` does not hang on the lifetimes in `T` and `E`.
#[cfg(feature = "tokio")]
pub trait Item<T, E>: Items<T> {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// An answer and where it came from, if it has one. Those before it were `asked` in vain, and make calls.
    fn poll_answer(
        self: Pin<&mut Self>,
        cause: Cause<'_, T, E>,
        asked: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(T, Source)>>;
}

/// An item that answers in blocking code.
pub trait BlockingItem<T, E>: Items<T> {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// An answer and where it came from, if it has one.
    fn answer_blocking(self, cause: Cause<'_, T, E>, asked: bool) -> Option<(T, Source)>;
}

/// A list that answers in async code. All lists do whose alternatives are [`Fuse`](crate::Fuse)s.
#[cfg(feature = "tokio")]
#[diagnostic::on_unimplemented(
    message = "this list of fallbacks cannot stand behind an async call",
    note = "in async code, an alternative is a `Fuse`; a `BlockingFuse` would block the runtime"
)]
pub trait Chain<T, E>: Items<T> {
    /// The first answer that an item has. `failed` is lent for changing, and not changed, so that a future that waits here
    /// needs neither `T` nor `E` to be `Sync`.
    fn poll_answer(
        self: Pin<&mut Self>,
        failed: &mut Unanswered<T, E>,
        counters: &Counters,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Answer<T>>>;
}

/// A list that answers in blocking code. All lists do whose alternatives are [`BlockingFuse`](crate::BlockingFuse)s.
#[diagnostic::on_unimplemented(
    message = "this list of fallbacks cannot stand behind a blocking call",
    note = "in blocking code, an alternative is a `BlockingFuse`: use `alternative_blocking` or `other_region_blocking`"
)]
pub trait BlockingChain<T, E>: Items<T> {
    /// The first answer that an item has.
    fn answer_blocking(self, failed: &Unanswered<T, E>, counters: &Counters) -> Option<Answer<T>>;
}

impl<T> Items<T> for Nothing {
    const KEEPS: bool = false;

    fn read(&mut self) -> Option<Answer<T>> {
        None
    }

    fn keep(&mut self, _: &T) {}

    fn miss(&mut self, _: bool) {}

    fn kinds(&self, _: &mut Vec<Kind>) {}
}

#[cfg(feature = "tokio")]
impl<T, E> Chain<T, E> for Nothing {
    fn poll_answer(
        self: Pin<&mut Self>,
        _: &mut Unanswered<T, E>,
        _: &Counters,
        _: &mut Context<'_>,
    ) -> Poll<Option<Answer<T>>> {
        Poll::Ready(None)
    }
}

impl<T, E> BlockingChain<T, E> for Nothing {
    fn answer_blocking(self, _: &Unanswered<T, E>, _: &Counters) -> Option<Answer<T>> {
        None
    }
}

impl<T, L: Items<T>, I: Items<T>> Items<T> for Then<L, I> {
    const KEEPS: bool = L::KEEPS || I::KEEPS;
    const CALLS: bool = L::CALLS || I::CALLS;

    fn read(&mut self) -> Option<Answer<T>> {
        self.first.read().or_else(|| self.last.read())
    }

    fn keep(&mut self, value: &T) {
        self.first.keep(value);
        self.last.keep(value);
    }

    fn miss(&mut self, sent: bool) {
        self.first.miss(sent);
        self.last.miss(sent);
    }

    fn kinds(&self, list: &mut Vec<Kind>) {
        self.first.kinds(list);
        self.last.kinds(list);
    }
}

#[cfg(feature = "tokio")]
impl<T, E, L: Chain<T, E>, I: Item<T, E>> Chain<T, E> for Then<L, I> {
    fn poll_answer(
        self: Pin<&mut Self>,
        failed: &mut Unanswered<T, E>,
        counters: &Counters,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Answer<T>>> {
        let this = self.project();
        if !*this.passed {
            match this.first.poll_answer(failed, counters, cx) {
                Poll::Ready(None) => *this.passed = true,
                polled => return polled,
            }
        }
        let mut last = this.last;
        let kind = last.kind();
        match contained(|| last.as_mut().poll_answer(Cause::of(failed), L::CALLS, cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(asked)) => Poll::Ready(tell(counters, kind, Some(asked))),
            None => Poll::Ready(tell(counters, kind, None)),
        }
    }
}

impl<T, E, L: BlockingChain<T, E>, I: BlockingItem<T, E>> BlockingChain<T, E> for Then<L, I> {
    fn answer_blocking(self, failed: &Unanswered<T, E>, counters: &Counters) -> Option<Answer<T>> {
        self.first.answer_blocking(failed, counters).or_else(|| {
            let kind = self.last.kind();
            let asked = contained(|| self.last.answer_blocking(Cause::of(failed), L::CALLS));
            tell(counters, kind, asked)
        })
    }
}

/// Counts what came of an item; the outer `None` is a panic.
fn tell<T>(counters: &Counters, kind: Kind, asked: Option<Option<(T, Source)>>) -> Option<Answer<T>> {
    counters.told(
        kind,
        match asked {
            Some(Some(_)) => Told::Answered,
            Some(None) => Told::Nothing,
            None => Told::Panicked,
        },
    );
    let (value, source) = asked??;
    Some(Answer { value, source })
}

/// Runs `f`; `None` if it panicked. What `f` leaves half done is dropped and never looked at again.
pub(crate) fn contained<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}
