//! The provider's library.
pub mod azure;
pub mod lock;
pub mod retry;
