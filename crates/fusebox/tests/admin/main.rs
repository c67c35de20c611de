//! The admin interface, over its answers.

mod circuits;
mod hostile_names;
mod metrics;
mod paths;
mod policies;
mod promtool;
mod queue;
mod scene;
