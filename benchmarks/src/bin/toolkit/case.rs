//! What is measured: something that is done over and over.

use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

/// One row.
pub(crate) struct Case {
    pub(crate) title: String,
    /// Does it so many times.
    pub(crate) run: Box<dyn FnMut(u64)>,
    /// What the figure is for.
    pub(crate) kind: Kind,
}

/// What a row's figure is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pipeline whose figure the others of its kind stand above.
    Base,
    /// A pipeline with one stage more than the base: at most so many nanoseconds more.
    Stage(u64),
    /// By itself: at most so many nanoseconds, where there is a target.
    Alone(Option<u64>),
}

impl Case {
    pub(crate) fn new(title: impl Into<String>, kind: Kind, run: impl FnMut(u64) + 'static) -> Case {
        Case { title: title.into(), run: Box::new(run), kind }
    }
}

/// Timers for what asks tokio for one, on a thread of their own.
pub(crate) static TIMERS: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a thread can be started")
});
