//! What the example programs stand on: small real servers, callers, and processes, all on this machine.
//!
//! Nothing here knows of policies. An example reads as what it shows, and what every program of its kind needs
//! besides stands here once.

pub mod calls;
pub mod children;
pub mod client;
pub mod clock;
pub mod server;
pub mod table;
