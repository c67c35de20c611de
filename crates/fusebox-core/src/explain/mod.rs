//! A pipeline as a person reads it: what each stage does, in words, and what is doubtful about them together.
//!
//! The library's `Fuse::explain` and the proxy's `fusebox explain` say the same, because both read it here. A doubt is a
//! value, so that a test can assert on it.

mod circuit;
mod doubts;
mod stages;
mod words;

pub use circuit::{circuit, opens};
pub use doubts::{Doubt, doubts};
pub use stages::{attempts, connections, hedge, places, quota, stage};
pub use words::{HARD_SPACE, Page, UNITS, percent, span};
