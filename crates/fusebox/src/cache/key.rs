//! For whom an answer is kept, and what it answers.

use std::sync::Arc;

/// Who may see a kept answer. There is no third way, and none is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope<S = Arc<str>> {
    /// Every caller: the answer is the same for all of them.
    Shared,
    /// This caller only: a user, a tenant, a set of rights. Kept by value, not by a hash of it, so that two callers never
    /// meet in one entry.
    Of(S),
}

/// What an answer is kept under: who asked, and what for.
///
/// ```
/// use fusebox::cache::Key;
///
/// let anns: Key<&str, &str> = Key::of("ann", "/orders");
/// assert_ne!(anns, Key::of("bob", "/orders"));
/// assert_ne!(anns, Key::shared("/orders"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<K, S = Arc<str>> {
    /// Who may see the answer.
    pub scope: Scope<S>,
    /// What was asked: every argument that the answer depends on.
    pub key: K,
}

impl<K, S> Key<K, S> {
    /// An answer that is the same for every caller.
    pub const fn shared(key: K) -> Self {
        Key { scope: Scope::Shared, key }
    }

    /// An answer for one caller.
    pub fn of(caller: impl Into<S>, key: K) -> Self {
        Key { scope: Scope::Of(caller.into()), key }
    }

    /// Whether every caller may see the answer.
    pub const fn is_shared(&self) -> bool {
        matches!(self.scope, Scope::Shared)
    }
}
