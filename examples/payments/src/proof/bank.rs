//! A provider that honours no idempotency key and loses answers.

use fusebox::Rng;
use fusebox_core::SharedRng;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::books::Answer;

/// Why a provider has not said that it has charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has not.
    Failed,
    /// It may have, or not.
    Unsure,
}

impl Refusal {
    pub(crate) fn is_unsure(&self) -> bool {
        *self == Refusal::Unsure
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Failed => "charge: the provider refused",
            Refusal::Unsure => "hear from the provider",
        })
    }
}

impl std::error::Error for Refusal {}

/// A provider. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Bank(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    is_down: AtomicBool,
    dice: SharedRng,
    /// What was charged under each key.
    charges: Mutex<HashMap<String, Vec<u64>>>,
}

impl Bank {
    pub(crate) fn new(name: &'static str, rng: Rng) -> Self {
        let (is_down, dice, charges) = (AtomicBool::new(false), SharedRng::new(rng), Mutex::default());
        Bank(Arc::new(Shared { name, is_down, dice, charges }))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    pub(crate) fn turns(&self, is_down: bool) {
        self.0.is_down.store(is_down, Relaxed);
    }

    fn book(&self) -> MutexGuard<'_, HashMap<String, Vec<u64>>> {
        self.0.charges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a key was charged.
    pub(crate) fn charges(&self, key: &str) -> usize {
        self.book().get(key).map_or(0, Vec::len)
    }

    /// All that was charged, in cents.
    pub(crate) fn taken(&self) -> u64 {
        self.book().values().flatten().sum()
    }

    /// Charges, in a world where answers are lost: now and then when all is well, and every tenth time while it is down.
    pub(crate) async fn charge(&self, key: &str, cents: u64) -> Result<Answer, Refusal> {
        // Somebody else may be first, and whoever waits may be gone by then.
        yield_now().await;
        let is_down = self.0.is_down.load(Relaxed);
        let lot = self.0.dice.up_to(99);
        let (charges, says) = match (is_down, lot) {
            (true, 0..10) => (self.0.dice.up_to(1) == 0, Err(Refusal::Unsure)),
            (true, _) => (false, Err(Refusal::Failed)),
            (false, 0..2) => (true, Err(Refusal::Unsure)),
            (false, 2..4) => (false, Err(Refusal::Failed)),
            (false, _) => (true, Ok(Answer::Charged(self.0.name))),
        };
        if charges {
            self.book().entry(key.into()).or_default().push(cents);
        }
        yield_now().await;
        says
    }

    /// Whether it has charged under this key; while it is down, and one time in twenty, it does not say.
    pub(crate) async fn knows(&self, key: &str) -> Option<bool> {
        yield_now().await;
        let says = !self.0.is_down.load(Relaxed) && self.0.dice.up_to(19) > 0;
        says.then(|| self.charges(key) > 0)
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
