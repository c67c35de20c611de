//! What answers in the dependency's place, in the order in which it is written down.
//!
//! ```
//! use fusebox::{BlockingFuse, Fallbacks, Fuse, outcome::Source};
//!
//! let primary: BlockingFuse = Fuse::builder("geocoder").build_blocking()?;
//! let backup: BlockingFuse = Fuse::builder("geocoder-b").build_blocking()?;
//! let place = "Lisbon";
//! let answer = primary.call_chain(
//!     || Err(std::io::Error::other("connection refused")),
//!     Fallbacks::new()
//!         .alternative_blocking(&backup, || ask_backup(place))
//!         .or_default(|_cause| (0.0, 0.0)),
//! )?;
//! assert_eq!((answer.value, answer.source), ((38.7, -9.1), Source::Alternative));
//! # fn ask_backup(_: &str) -> Result<(f64, f64), std::io::Error> { Ok((38.7, -9.1)) }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The list is part of the call's type: nothing is boxed, and a live answer costs no more than moving the list. Arguments
//! and state come in through the closures.
//!
//! With the feature `queue`, a call that can wait is kept and made later: see [`queue`](crate::queue).

#[cfg(feature = "second-level")]
mod behind;
mod cause;
mod items;
pub(crate) mod list;
mod run;

pub use cause::Cause;
pub use fusebox_core::fallback::{Kind, Snapshot, Tally};
#[cfg(feature = "tokio")]
pub use items::Alternative;
#[cfg(feature = "cache")]
pub use items::Cached;
pub use items::{BlockingAlternative, Default};
#[cfg(feature = "tokio")]
pub use list::Chain;
pub(crate) use list::contained;
pub use list::{BlockingChain, Nothing, Then, Unanswered};

#[cfg(feature = "cache")]
use crate::cache::{Cache, Key};
use crate::classify::Classify;
use crate::fuse::BlockingFuse;
#[cfg(feature = "tokio")]
use crate::fuse::Fuse;
use fusebox_core::outcome::Source;
use std::fmt;
#[cfg(feature = "cache")]
use std::hash::Hash;
use std::marker::PhantomData;

/// An ordered list of fallbacks for a call that answers `T` or fails with `E`. There is no implied order: the list is the
/// order.
///
/// It is asked when the call is rejected and when it has failed after its retries; never for what is ignored, cancelled or
/// a client's own fault; with [`FallbackOn::Rejected`](crate::pipeline::FallbackOn::Rejected) for rejections only. The
/// first item with an answer ends it. An item that fails, is refused or panics is a step to the next one; when none is left,
/// the call ends as it would have without a list.
#[must_use = "a list of fallbacks answers nothing by itself"]
pub struct Fallbacks<T, E, L = Nothing> {
    items: L,
    of: PhantomData<fn() -> (T, E)>,
}

/// A list with one more item.
type With<T, E, L, I> = Fallbacks<T, E, Then<L, I>>;

impl<T, E> Fallbacks<T, E> {
    /// An empty list.
    pub const fn new() -> Self {
        Fallbacks { items: Nothing, of: PhantomData }
    }
}

impl<T, E> std::default::Default for Fallbacks<T, E> {
    fn default() -> Self {
        Fallbacks::new()
    }
}

impl<T, E, L> Fallbacks<T, E, L> {
    fn then<I>(self, item: I) -> With<T, E, L, I> {
        Fallbacks { items: Then::new(self.items, item), of: PhantomData }
    }

    /// Then the answer kept under `key`, fresh or stale.
    ///
    /// Every good live answer is stored there. If the cache is [`read_through`](crate::cache::CacheBuilder::read_through), it
    /// is looked into before the call, too: a fresh answer ends the call, and of the callers who find a stale one, one makes
    /// the call while the others have the stale answer.
    #[cfg(feature = "cache")]
    pub fn cached<'a, K, S>(
        self,
        cache: &'a Cache<K, T, S>,
        key: Key<K, S>,
    ) -> With<T, E, L, Cached<'a, K, T, S>>
    where
        K: Clone + Hash + Eq + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        S: Clone + Hash + Eq + Send + Sync + 'static,
    {
        self.then(Cached::new(cache, key))
    }

    /// Then another service or endpoint, through its own circuit and policies.
    #[cfg(feature = "tokio")]
    pub fn alternative<K2, E2, Fut, F>(
        self,
        fuse: &Fuse<K2>,
        op: F,
    ) -> With<T, E, L, Alternative<impl Future<Output = Option<T>>>>
    where
        K2: Classify<T, E2>,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E2>>,
    {
        self.then(Alternative { call: items::ask(fuse, op), source: Source::Alternative })
    }

    /// Then the same service in another region, through that region's own circuit and policies.
    #[cfg(feature = "tokio")]
    pub fn other_region<K2, E2, Fut, F>(
        self,
        fuse: &Fuse<K2>,
        op: F,
    ) -> With<T, E, L, Alternative<impl Future<Output = Option<T>>>>
    where
        K2: Classify<T, E2>,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E2>>,
    {
        self.then(Alternative { call: items::ask(fuse, op), source: Source::OtherRegion })
    }

    /// As [`other_region`](Self::other_region), told which endpoint: for [`Fuse::elsewhere`](crate::Fuse::elsewhere).
    ///
    /// ```
    /// use fusebox::balancer::{self, Spec};
    /// use fusebox::{Fallbacks, Fuse, outcome::Source};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
    /// let at = |name: &str, region: &str| Spec { region: Some(region.into()), ..Spec::named(name) };
    /// let orders = Fuse::builder("orders")
    ///     .endpoints([at("a", "eu"), at("b", "us")])
    ///     .balancer(balancer::Config { region: Some("eu".into()), ..balancer::Config::default() })
    ///     .build()?;
    /// let elsewhere = orders.elsewhere().expect("b is in another region");
    /// # let answers = |is_up| if is_up { Ok("from b") } else { Err(std::io::Error::other("down")) };
    /// let ask = |endpoint: &str| {
    ///     let is_up = endpoint != "a";
    ///     async move { answers(is_up) }
    /// };
    /// let answer = orders
    ///     .run_chain_at(ask, Fallbacks::new().other_region_at(&elsewhere, ask).or_default(|_| "none"))
    ///     .await?;
    /// assert_eq!((answer.value, answer.source), ("from b", Source::OtherRegion));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).expect("an answer");
    /// ```
    #[cfg(feature = "tokio")]
    pub fn other_region_at<K2, E2, Fut, F>(
        self,
        fuse: &Fuse<K2>,
        op: F,
    ) -> With<T, E, L, Alternative<impl Future<Output = Option<T>>>>
    where
        K2: Classify<T, E2>,
        F: FnMut(&str) -> Fut,
        Fut: Future<Output = Result<T, E2>>,
    {
        self.then(Alternative { call: items::ask_at(fuse, op), source: Source::OtherRegion })
    }

    /// As [`alternative`](Self::alternative), for blocking code.
    pub fn alternative_blocking<'a, K2, E2, F>(
        self,
        fuse: &'a BlockingFuse<K2>,
        op: F,
    ) -> With<T, E, L, BlockingAlternative<'a, K2, F>>
    where
        K2: Classify<T, E2>,
        F: FnMut() -> Result<T, E2>,
    {
        self.then(BlockingAlternative { fuse, op, source: Source::Alternative })
    }

    /// As [`other_region`](Self::other_region), for blocking code.
    pub fn other_region_blocking<'a, K2, E2, F>(
        self,
        fuse: &'a BlockingFuse<K2>,
        op: F,
    ) -> With<T, E, L, BlockingAlternative<'a, K2, F>>
    where
        K2: Classify<T, E2>,
        F: FnMut() -> Result<T, E2>,
    {
        self.then(BlockingAlternative { fuse, op, source: Source::OtherRegion })
    }

    /// Then what `default` makes of the cause. Its panic ends there; the next item is asked.
    pub fn or_default<F>(self, default: F) -> With<T, E, L, Default<F>>
    where
        F: FnOnce(Cause<'_, T, E>) -> T,
    {
        self.then(Default(Some(default)))
    }

    /// Then the call is kept, to be made later: `item` says what is kept, and `answer` what the caller has meanwhile, with
    /// [`Source::Deferred`]. Made when it is asked, and not before.
    ///
    /// `item` answers `None` for a call that cannot wait; the next in the list is asked then, as it is when the queue is full, the
    /// key belongs to another call, or the store does not answer [in time](crate::queue::Deferrer::patience). A call of which an
    /// attempt was begun is kept as one that [may have been made](fusebox_queue::NewItem::needs_check).
    #[cfg(feature = "queue")]
    pub fn queue<'a, M, F>(
        self,
        deferrer: &'a crate::queue::Deferrer,
        item: M,
        answer: F,
    ) -> With<T, E, L, crate::queue::Queue<'a, M, F>>
    where
        M: FnOnce(Cause<'_, T, E>) -> Option<fusebox_queue::NewItem>,
        F: FnOnce(crate::queue::Deferred) -> T,
    {
        self.then(crate::queue::Queue::new(deferrer, item, answer))
    }

    /// The kinds of the items, in their order.
    pub fn kinds(&self) -> Vec<Kind>
    where
        L: list::Items<T>,
    {
        let mut kinds = Vec::new();
        self.items.kinds(&mut kinds);
        kinds
    }
}

impl<T, E, L> fmt::Debug for Fallbacks<T, E, L>
where
    L: list::Items<T>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fallbacks").field(&self.kinds()).finish()
    }
}
