//! What answers in the place of a rejection or a failure.

use crate::error::Error;
use crate::fallback::{Cause, contained};
use fusebox_core::fallback::{Counters, Kind, Told};

/// What a Tower service answers where a fallback applies: nothing, or what a closure [made](OrElse) of the cause.
pub trait StandIn<T, E> {
    /// The answer in the place of `result`, or `result` itself.
    #[doc(hidden)]
    fn stand_in(&self, result: Result<T, Error<E>>, counters: &Counters) -> Result<T, Error<E>>;
}

/// Nothing answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFallback;

impl<T, E> StandIn<T, E> for NoFallback {
    #[inline(always)]
    fn stand_in(&self, result: Result<T, Error<E>>, _: &Counters) -> Result<T, Error<E>> {
        result
    }
}

/// A closure answers, told the cause. When it panics, that is counted and the call's own result stands.
#[derive(Clone, Copy, Debug)]
pub struct OrElse<F>(pub(super) F);

impl<T, E, F: Fn(Cause<'_, T, E>) -> T> StandIn<T, E> for OrElse<F> {
    fn stand_in(&self, result: Result<T, Error<E>>, counters: &Counters) -> Result<T, Error<E>> {
        let answer = contained(|| (self.0)(Cause::of(&result)));
        counters.told(Kind::Default, if answer.is_some() { Told::Answered } else { Told::Panicked });
        if answer.is_none() {
            counters.unanswered();
        }
        answer.map_or(result, Ok)
    }
}
