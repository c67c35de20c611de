//! From keys and values to bytes.

use crate::cache::{Key, Scope};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Turns keys and values into bytes and back.
///
/// The bytes of two callers must differ where the callers do, and those of two keys likewise: they are compared. What is not
/// understood is `None`, and is a miss.
pub trait Codec<K, V, S = Arc<str>>: Send + Sync + 'static {
    /// The bytes of a caller.
    fn scope(&self, scope: &S) -> Vec<u8>;

    /// The bytes of a key.
    fn key(&self, key: &K) -> Vec<u8>;

    /// What is forgotten together with it, whoever it was kept for. Default: nothing.
    fn group(&self, key: &K) -> Option<Vec<u8>> {
        let _ = key;
        None
    }

    /// The bytes of a value; `None` keeps it out of the level.
    fn encode(&self, value: &V) -> Option<Vec<u8>>;

    /// The value that these bytes are, kept under `key`.
    fn decode(&self, key: &K, bytes: &[u8]) -> Option<V>;
}

/// The key in full: for whom, and what for. All that is kept for one caller begins with that caller, length first.
pub(super) fn whole_key<K: 'static, V: 'static, S: 'static>(
    codec: &dyn Codec<K, V, S>,
    key: &Key<K, S>,
) -> Vec<u8> {
    let mut whole = Vec::new();
    match &key.scope {
        Scope::Shared => whole.push(0),
        Scope::Of(scope) => {
            let scope = codec.scope(scope);
            whole.push(1);
            whole.extend_from_slice(&(scope.len() as u64).to_be_bytes());
            whole.extend_from_slice(&scope);
        }
    }
    whole.extend_from_slice(&codec.key(&key.key));
    whole
}

/// A [`Codec`] of three closures, for callers that are text.
///
/// ```
/// use fusebox::cache::Encoded;
///
/// let codec = Encoded::new(
///     |id: &u32| id.to_be_bytes().to_vec(),
///     |page: &String| Some(page.clone().into_bytes()),
///     |bytes| String::from_utf8(bytes.to_vec()).ok(),
/// );
/// # let _ = codec;
/// ```
pub struct Encoded<K, V, F, G, H> {
    key: F,
    encode: G,
    decode: H,
    of: PhantomData<fn(K) -> V>,
}

impl<K, V, F, G, H> Encoded<K, V, F, G, H>
where
    F: Fn(&K) -> Vec<u8> + Send + Sync + 'static,
    G: Fn(&V) -> Option<Vec<u8>> + Send + Sync + 'static,
    H: Fn(&[u8]) -> Option<V> + Send + Sync + 'static,
{
    /// The bytes of a key; those of a value; the value of some bytes.
    pub fn new(key: F, encode: G, decode: H) -> Self {
        Encoded { key, encode, decode, of: PhantomData }
    }
}

impl<K, V, F, G, H> fmt::Debug for Encoded<K, V, F, G, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").finish_non_exhaustive()
    }
}

impl<K, V, S, F, G, H> Codec<K, V, S> for Encoded<K, V, F, G, H>
where
    K: 'static,
    V: 'static,
    S: AsRef<str>,
    F: Fn(&K) -> Vec<u8> + Send + Sync + 'static,
    G: Fn(&V) -> Option<Vec<u8>> + Send + Sync + 'static,
    H: Fn(&[u8]) -> Option<V> + Send + Sync + 'static,
{
    fn scope(&self, scope: &S) -> Vec<u8> {
        scope.as_ref().into()
    }

    fn key(&self, key: &K) -> Vec<u8> {
        (self.key)(key)
    }

    fn encode(&self, value: &V) -> Option<Vec<u8>> {
        (self.encode)(value)
    }

    fn decode(&self, _: &K, bytes: &[u8]) -> Option<V> {
        (self.decode)(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_callers_and_keys_have_the_same_bytes() {
        let codec = Encoded::new(|key: &&str| key.as_bytes().to_vec(), |_: &()| None, |_| None);
        let whole = |key: Key<&'static str, &'static str>| whole_key(&codec, &key);
        let all = [
            Key::shared("ab"),
            Key::shared(""),
            Key::of("", "ab"),
            Key::of("a", "b"),
            Key::of("ab", ""),
            Key::of("", ""),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| whole(*other) != whole(*one)), "{one:?}");
        }
    }
}
