//! PostgreSQL: connections and what its catalogues say.

pub(crate) mod sqlstate;
