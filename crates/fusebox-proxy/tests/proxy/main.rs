//! The proxy on real sockets, before backends and behind clients that misbehave. Each test says what the client saw,
//! what the breaker counted, and what reached the backend.

#[cfg(unix)]
mod admin;
mod broken_bodies;
mod circuit;
mod client_faults;
mod connections;
mod deadlines;
mod deferred;
mod fallbacks;
mod good_path;
mod headers;
mod health;
mod hedging;
mod limits;
mod monitoring;
mod operators;
mod policies;
mod records;
mod reload;
mod retries;
mod scopes;
mod second_levels;
mod shutdown;
mod smuggling;
mod start;
mod support;
mod upstream_faults;
