//! Tower layers and services.
