//! PostgreSQL: connections and what its catalogues say.

pub mod acl;
#[cfg(test)]
mod catalog_tests;
pub mod class;
pub mod connection;
pub mod database_catalog;
mod database_queries;
pub mod label;
pub mod lock;
pub mod object;
pub mod role_look;
pub mod server_catalog;
mod session;
mod sqlstate;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
pub mod traces;
