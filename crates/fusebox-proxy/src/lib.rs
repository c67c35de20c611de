//! A reverse proxy that runs every call through the policies of `fusebox-core`.

pub mod config;
