//! The proxy on real sockets, before backends and behind clients that misbehave. Each test says what the client saw,
//! what the breaker counted, and what reached the backend.

mod good_path;
mod support;
