//! The crates fusebox is compared with. Each offers what it offers: where a setup has no counterpart there is
//! no figure, and where a counterpart means something else the file says so.

pub(crate) mod failsafe;
pub(crate) mod recloser;
pub(crate) mod throttle_net;
pub(crate) mod tower_resilience;

use crate::subject::Contender;
use fusebox_benchmarks::machine::locked_version;

/// Every peer, in the order of the tables.
pub(crate) fn all() -> Vec<Contender> {
    let peer = |name, package, build| Contender { name, version: locked_version(package), build };
    vec![
        peer("recloser", "recloser", recloser::build),
        peer("failsafe", "failsafe", failsafe::build),
        peer("throttle-net", "throttle-net", throttle_net::build),
        peer("tower-resilience", "tower-resilience-circuitbreaker", tower_resilience::build),
    ]
}
