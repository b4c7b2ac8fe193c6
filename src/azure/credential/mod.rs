//! How to sign in.
mod certificate;
mod entra;
pub mod refusal;
