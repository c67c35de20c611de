//! The real servers that tests run against, on free ports of this machine and in folders of their own.
//!
//! A server that takes no time to start is a [`Service`] of the one test that needs it, and is gone with it. PostgreSQL takes a
//! second, and a test runner starts each test as a process of its own: [`postgres::shared`] is one server for all of them. Whoever
//! needs it first starts it, everybody holds a lock while using it, and a watchman stops it once nobody has for some seconds.
//! Tests that do something to a server have [their own](postgres::Server).
//!
//! A server that is not installed is a test that fails, and says what to install.

mod patience;
pub mod postgres;
mod service;
mod shared;

pub use service::{Plan, Serve, Service, free_port};
