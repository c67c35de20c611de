//! The real program, as a user runs it: what it prints, what it serves, with which exit code it ends.

mod audit;
mod child;
mod commands;
mod demo;
mod desk;
mod export;
mod operate;
mod operator;
mod page;
mod queue;
mod reach;
mod run;
mod tools;
#[cfg(target_os = "linux")]
mod top;
