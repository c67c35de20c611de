//! fusebox-admin
