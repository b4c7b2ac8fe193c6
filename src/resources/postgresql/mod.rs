//! What lives inside a PostgreSQL server: roles, and what they may do.

pub mod borrowed;
pub mod departure;
pub mod found_role;
pub mod role;
pub mod role_name;
pub mod role_settings;
pub mod user;

pub mod access;
