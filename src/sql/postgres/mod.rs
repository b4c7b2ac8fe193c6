//! PostgreSQL: connections and what its catalogues say.

pub mod connection;
mod session;
mod sqlstate;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
