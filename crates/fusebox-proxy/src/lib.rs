//! A reverse proxy that runs every call through the policies of `fusebox-core`.
//!
//! [`config::Plan`] says what to protect, [`Proxy`] does it. One thread per processor; each accepts, forwards and
//! pools on its own; only the circuits are shared. A call's way, file by file:
//!
//! ```text
//! session   one client's connection, its task and its one timer
//! gate      may this request go further?
//! lane      which route, which endpoints, which circuits
//! forward   what the call says of itself, and which answer it gets
//! walk      the call's flow: attempt, wait, finish               verdict  what an attempt says of its endpoint
//! recorded  what operators can read of it later
//! source    the client's request, to be made more than once
//! exchange  one attempt: pool or dial, request out, head in     upload   the request's body
//! reply     the response's body, with the verdict still open
//! spare     what stands in, in its written order                 kept     answers that were kept
//! answer    what fusebox says itself                             backing  where else answers are kept
//! ```
//!
//! What a call goes by can change while calls are made: `helm` puts another configuration in force, `carry` says what stays of
//! the one before, `harbour` which connections are whose.
//!
//! A failure is put down to the side that failed: what a client does wrong never counts against a dependency.

mod admin;
mod alarm;
mod answer;
mod backing;
mod berth;
mod bind;
mod carry;
pub mod config;
mod deferred;
mod dial;
mod exchange;
mod forward;
mod gate;
mod guests;
mod harbour;
mod health;
mod helm;
mod hygiene;
mod intake;
mod journal;
mod kept;
mod lane;
mod link;
mod pool;
mod proxy;
mod raw;
mod recorded;
mod remembered;
mod reply;
mod routes;
mod session;
mod socket;
mod source;
mod spare;
mod story;
mod telemetry;
mod upload;
mod verdict;
mod walk;
mod wall;
mod wire;
mod worker;

pub use bind::StartError;
pub use fusebox::admin::{Level, Reloaded};
pub use helm::{Helm, PlanSource};
pub use journal::{Journal, Sink, Teller};
pub use proxy::{Options, Proxy, Stopper};
