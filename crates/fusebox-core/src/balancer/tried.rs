//! Which endpoints have refused an attempt.

/// The endpoints that have refused one attempt, as a set of 64 bits.
///
/// Beyond the 64th endpoint two share a bit: an endpoint may be left out of one attempt because its neighbour in the set
/// refused, and no attempt asks more than 64 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// This set and `endpoint`.
    #[must_use]
    #[inline]
    pub const fn with(self, endpoint: usize) -> Self {
        Tried(self.0 | bit(endpoint))
    }

    /// Whether `endpoint` is in the set.
    #[inline]
    pub const fn has(self, endpoint: usize) -> bool {
        self.0 & bit(endpoint) != 0
    }

    /// Whether nothing has been tried.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

const fn bit(endpoint: usize) -> u64 {
    1 << (endpoint % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let tried = Tried::default().with(3).with(63);
        assert!(tried.has(3) && tried.has(63) && !tried.has(4) && !tried.is_empty());
        assert!(tried.has(67), "the 68th endpoint shares a bit with the fourth");
    }
}
