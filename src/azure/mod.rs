//! Microsoft's side.
mod answer;
pub mod cloud;
pub mod credential;
mod envelope;
pub mod error;
mod http;
mod metadata;
pub mod resource_id;
pub mod settings;
pub mod token;
pub mod trust;
