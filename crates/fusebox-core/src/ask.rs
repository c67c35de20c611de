//! What a call says of itself when it asks to be admitted.

/// How much a call matters when there is not room for all. The lowest are shed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Priority {
    /// Can be done later or not at all: prefetching, batch work.
    Low,
    /// A user would notice. The default.
    #[default]
    Normal,
    /// A user waits for it.
    High,
    /// Must go through while anything does: payments, health checks of others.
    Critical,
}

impl Priority {
    /// Every priority, lowest first, with the name it has in headers and configuration files.
    pub const ALL: [(&'static str, Priority); 4] = [
        ("low", Priority::Low),
        ("normal", Priority::Normal),
        ("high", Priority::High),
        ("critical", Priority::Critical),
    ];

    /// The priority with this name.
    pub fn named(name: &str) -> Option<Priority> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, priority)| *priority)
    }

    /// The name it has in headers, labels and configuration files.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// What a call says of itself when it asks to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How much it matters.
    pub priority: Priority,
    /// On whose behalf: a hash of the tenant, the user or any other key; 0 for nobody's.
    pub key: u64,
    /// How much of a bulkhead's room it takes: 1, or its size where a bulkhead counts bytes.
    pub weight: u64,
}

impl Default for Ask {
    fn default() -> Self {
        Ask { priority: Priority::Normal, key: 0, weight: 1 }
    }
}
