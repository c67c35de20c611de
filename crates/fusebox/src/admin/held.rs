//! What an interface answers about beside circuits: it changes when a configuration does.

use crate::telemetry::Subjects;
use std::sync::{Arc, PoisonError, RwLock};

/// The subjects as they are now. Clones see the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<RwLock<Arc<Subjects>>>);

impl Held {
    /// Those that there are now.
    pub(crate) fn read(&self) -> Arc<Subjects> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has others from now on.
    pub(crate) fn replace(&self, subjects: Subjects) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(subjects);
    }
}
