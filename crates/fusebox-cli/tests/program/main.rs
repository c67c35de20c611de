//! The real program, as a user runs it: what it prints, what it serves, with which exit code it ends.

mod child;
mod commands;
mod demo;
mod export;
mod queue;
mod run;
