//! Calls with a list of fallbacks behind them.

use super::items::good;
#[cfg(feature = "tokio")]
use super::list::Chain;
use super::list::{BlockingChain, Items, contained};
use super::{Fallbacks, Snapshot};
use crate::classify::Classify;
use crate::error::Error;
use crate::fuse::{Answer, BlockingFuse, Fuse};
use fusebox_core::outcome::Source;
#[cfg(feature = "tokio")]
use std::future::poll_fn;
#[cfg(feature = "tokio")]
use std::pin::pin;

impl<K> Fuse<K> {
    /// What its fallbacks have done so far.
    pub fn fallbacks(&self) -> Snapshot {
        self.fallback_counters().snapshot()
    }

    /// As [`run`](Self::run); where a fallback applies, the first item of the list that has an answer gives it.
    ///
    /// A cache in the list keeps the live answer. The list's own calls are bounded by their own policies, not by this
    /// pipeline's deadline.
    ///
    /// # Errors
    ///
    /// The call's own error, where no fallback applies or none has an answer.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run); a refresh that this call was making is the next caller's at once.
    ///
    /// # Panics
    ///
    /// A panic of `op` or its future counts as one failure and goes on. A panic in the list is contained: it is counted, and
    /// the next item answers.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "cache", doc = "```")]
    #[cfg_attr(not(feature = "cache"), doc = "```ignore")]
    /// # async fn page() -> Result<(), Box<dyn std::error::Error>> {
    /// use fusebox::cache::{Cache, Key};
    /// use fusebox::{Fallbacks, Fuse, outcome::Source};
    ///
    /// let profiles = Fuse::builder("profiles").build()?;
    /// let mirror = Fuse::builder("profiles-mirror").build()?;
    /// let kept: Cache<u32, String> = Cache::builder(|_, profile: &String| profile.len() as u64).build()?;
    ///
    /// # let caller = "ann";
    /// # let mut up = true;
    /// # for expected in [Source::Live, Source::Cached] {
    /// let answer = profiles
    ///     .run_chain(
    ///         || fetch(7, up),
    ///         Fallbacks::new()
    ///             .cached(&kept, Key::of(caller, 7))
    ///             .alternative(&mirror, || fetch_from_mirror(7))
    ///             .or_default(|_cause| String::from("a guest")),
    ///     )
    ///     .await?;
    /// println!("{} ({:?})", answer.value, answer.source);
    /// # assert_eq!(answer.source, expected);
    /// # up = false;
    /// # }
    /// # Ok(())
    /// # }
    /// # async fn fetch(_: u32, up: bool) -> Result<String, std::io::Error> {
    /// #     if up { Ok("Ann".into()) } else { Err(std::io::Error::other("down")) }
    /// # }
    /// # async fn fetch_from_mirror(_: u32) -> Result<String, std::fmt::Error> { Ok("Ann".into()) }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(page()).unwrap();
    /// ```
    #[cfg(feature = "tokio")]
    pub async fn run_chain<T, E, Fut, L>(
        &self,
        mut op: impl FnMut() -> Fut,
        fallbacks: Fallbacks<T, E, L>,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
        L: Chain<T, E>,
    {
        self.run_chain_at(|_| op(), fallbacks).await
    }

    /// As [`run_chain`](Self::run_chain), told which endpoint each attempt goes to.
    ///
    /// # Errors
    ///
    /// As [`run_chain`](Self::run_chain).
    ///
    /// # Cancel safety
    ///
    /// As [`run_chain`](Self::run_chain).
    ///
    /// # Panics
    ///
    /// As [`run_chain`](Self::run_chain).
    #[cfg(feature = "tokio")]
    pub async fn run_chain_at<T, E, Fut, L>(
        &self,
        mut op: impl FnMut(&str) -> Fut,
        mut fallbacks: Fallbacks<T, E, L>,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
        L: Chain<T, E>,
    {
        if let Some(answer) = before(&mut fallbacks.items) {
            return Ok(answer);
        }
        let mut sent = false;
        let asked = self.finish_at(|at| {
            sent = true;
            op(at)
        });
        let (falls_back, result) = asked.await;
        if !falls_back {
            return ended(result, fallbacks.items, self.classifier());
        }
        fallbacks.items.miss(sent);
        let (mut items, mut result) = (pin!(fallbacks.items), result);
        let counters = self.fallback_counters();
        match poll_fn(|cx| items.as_mut().poll_answer(&mut result, counters, cx)).await {
            Some(answer) => Ok(answer),
            None => {
                counters.unanswered();
                result.map(live)
            }
        }
    }
}

impl<K> BlockingFuse<K> {
    /// What its fallbacks have done so far.
    pub fn fallbacks(&self) -> Snapshot {
        self.fallback_counters().snapshot()
    }

    /// As [`call`](Self::call); where a fallback applies, the first item of the list that has an answer gives it.
    ///
    /// A cache in the list keeps the live answer.
    ///
    /// # Errors
    ///
    /// The call's own error, where no fallback applies or none has an answer.
    ///
    /// # Panics
    ///
    /// A panic of `op` counts as one failure and goes on. A panic in the list is contained: it is counted, and the next item
    /// answers.
    pub fn call_chain<T, E, L>(
        &self,
        mut op: impl FnMut() -> Result<T, E>,
        mut fallbacks: Fallbacks<T, E, L>,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        L: BlockingChain<T, E>,
    {
        if let Some(answer) = before(&mut fallbacks.items) {
            return Ok(answer);
        }
        let mut sent = false;
        let (falls_back, result) = self.finish(|| {
            sent = true;
            op()
        });
        if !falls_back {
            return ended(result, fallbacks.items, self.classifier());
        }
        fallbacks.items.miss(sent);
        let counters = self.fallback_counters();
        match fallbacks.items.answer_blocking(&result, counters) {
            Some(answer) => Ok(answer),
            None => {
                counters.unanswered();
                result.map(live)
            }
        }
    }
}

/// The answer that makes the call unnecessary, if a cache is to be looked into first and has one.
fn before<T, L: Items<T>>(items: &mut L) -> Option<Answer<T>> {
    if L::KEEPS { contained(|| items.read()).flatten() } else { None }
}

/// A call that no fallback answers: its own result, which the list may keep.
fn ended<T, E, L: Items<T>>(
    result: Result<T, Error<E>>,
    mut items: L,
    classify: &impl Classify<T, E>,
) -> Result<Answer<T>, Error<E>> {
    if !L::KEEPS {
        return result.map(live);
    }
    let value = match result {
        Ok(value) => value,
        Err(error) => {
            items.miss(true);
            return Err(error);
        }
    };
    match good(classify, value) {
        // Code that weighs, judges or clones the answer for the cache is no reason for the caller not to have it.
        Ok(value) => {
            contained(|| items.keep(&value));
            Ok(live(value))
        }
        Err(value) => {
            items.miss(true);
            Ok(live(value))
        }
    }
}

fn live<T>(value: T) -> Answer<T> {
    Answer { value, source: Source::Live }
}
