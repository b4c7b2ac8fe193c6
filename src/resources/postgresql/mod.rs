//! PostgreSQL flexible servers: what is managed inside them.

pub mod access;
