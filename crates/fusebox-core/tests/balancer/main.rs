//! The balancer, in virtual time.

mod picks;
mod slow_start;
mod world;
