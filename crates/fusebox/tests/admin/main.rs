//! The admin interface, over its answers.
#![recursion_limit = "256"]

mod circuits;
mod hostile_names;
mod metrics;
mod paths;
mod policies;
mod promtool;
mod queue;
mod records;
mod scene;
mod stream;
