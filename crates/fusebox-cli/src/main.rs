//! The fusebox binary.
fn main() {}
