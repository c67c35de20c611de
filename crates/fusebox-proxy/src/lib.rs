//! A reverse proxy that runs every call through the policies of `fusebox-core`.
//!
//! [`config::Plan`] says what to protect, [`Proxy`] does it. One thread per processor; each accepts, forwards and
//! pools on its own; only the circuits are shared. A call's way, file by file:
//!
//! ```text
//! session   one client's connection, its task and its one timer
//! gate      may this request go further?
//! lane      which route, which endpoints, which circuits
//! forward   the call's flow: attempt, wait, finish
//! exchange  one attempt: pool or dial, request out, head in     upload   the request's body
//! reply     the response's body, with the verdict still open
//! answer    what fusebox says itself
//! ```
//!
//! A failure is put down to the side that failed: what a client does wrong never counts against a dependency.

mod admin;
mod alarm;
mod answer;
mod asks;
mod bind;
pub mod config;
mod dial;
mod exchange;
mod forward;
mod gate;
mod guests;
mod hygiene;
mod journal;
mod lane;
mod link;
mod pool;
mod proxy;
mod raw;
mod reply;
mod session;
mod socket;
mod upload;
mod wall;
mod worker;

pub use bind::StartError;
pub use journal::{Journal, Sink};
pub use proxy::{Options, Proxy, Stopper};
