//! What both benchmarks share: statistics, pinning, the machine's description, and the results page.

pub mod allocations;
pub mod machine;
pub mod page;
pub mod pin;
pub mod stats;
