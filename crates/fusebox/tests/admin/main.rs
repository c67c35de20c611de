//! The admin interface, over its answers.
#![recursion_limit = "256"]

mod access;
mod audit;
mod browser;
mod circuits;
mod hostile_names;
mod metrics;
mod overrides;
mod paths;
mod policies;
mod process;
mod promtool;
mod queue;
mod scene;
mod stream;
