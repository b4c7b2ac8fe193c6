//! Microsoft's side.
mod envelope;
pub mod error;
pub mod resource_id;
