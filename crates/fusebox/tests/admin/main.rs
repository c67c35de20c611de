//! The admin interface, over its answers.
#![recursion_limit = "256"]

mod access;
mod audit;
mod browser;
mod circuits;
mod hostile_names;
mod metrics;
mod openapi;
mod overrides;
mod paths;
mod policies;
mod process;
mod promtool;
mod queue;
mod records;
mod scene;
mod stream;
