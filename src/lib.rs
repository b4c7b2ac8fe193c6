//! placeholder
pub mod azure;
pub mod lock;
pub mod protocol;
pub mod provider;
pub mod resources;
pub mod retry;
pub mod sql;
