//! The balancer, in virtual time.

mod changes;
mod outliers;
mod picks;
mod regions;
mod slow_start;
mod world;
