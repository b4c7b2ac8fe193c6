//! PostgreSQL: connections and what its catalogues say.

pub mod acl;
pub mod class;
pub mod connection;
pub mod label;
pub mod server_catalog;
mod session;
mod sqlstate;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
