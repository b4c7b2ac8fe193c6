//! The databases' side: sessions, statements and what the catalogues say.
//!
//! Knows nothing of Terraform and nothing of Azure's control plane; it does not retry either:
//! an [`error::Error`] says whether another try can help, and the caller decides.

pub mod dial;
pub mod error;
pub mod pool;
pub mod postgres;
pub mod privilege;
pub mod question;
pub mod quote;
#[cfg(test)]
pub(crate) mod recorder;
pub mod row;
pub mod session;
pub mod statement;
pub mod tls;
