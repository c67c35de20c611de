//! Resilience policies as pure state machines.
//!
//! **A policy never waits, never reads a clock, never rolls a die of its own, never does I/O. It is told the
//! time and the outcome, and it answers.** Waiting, calling and sharing belong to drivers: the `fusebox`
//! crate's blocking, async and Tower faces, the proxy, the queue worker and the simulator all run the code
//! in this crate and no other.
//!
//! One verb pair serves every policy: `admit` asks before a call, `settle` tells what came of it. Start with
//! [`breaker::CircuitBreaker`] for one policy, or with [`flow::Flow`] for a call's walk through a whole
//! [`pipeline::Pipeline`].
//!
//! This crate is the inside of `fusebox`; applications depend on that one.

#![no_std]

extern crate alloc;

pub mod adaptive;
mod ask;
pub mod balancer;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod event;
pub mod explain;
pub mod fallback;
pub mod flow;
pub mod hedge;
pub mod latency;
pub mod limiter;
pub mod outcome;
pub mod pipeline;
mod ratio;
pub mod registry;
pub mod rejection;
pub mod retry;
mod rng;
pub mod scope;
mod sync;
pub mod throttle;
mod time;
pub mod timeout;

pub use ask::{Ask, Priority};
pub use outcome::{Failure, Outcome, Verdict};
pub use ratio::Ratio;
pub use rejection::{Reason, Rejection};
pub use rng::{Rng, SharedRng};
pub use time::Time;
