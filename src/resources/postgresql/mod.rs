//! What the provider manages inside a PostgreSQL server.

pub mod inventory;
pub mod object_type;
pub mod ownership;
