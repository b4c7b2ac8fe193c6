//! PostgreSQL: connections and what its catalogues say.

pub mod connection;
mod session;
mod sqlstate;
