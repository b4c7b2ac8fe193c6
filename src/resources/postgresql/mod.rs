//! What lives inside a PostgreSQL server: roles, what they may do, and what they own.

pub mod access;
pub mod borrowed;
pub mod departure;
pub mod found_role;
pub mod inventory;
pub mod object_type;
pub mod ownership;
pub mod readiness;
pub mod role;
pub mod role_membership;
pub mod role_name;
pub mod role_settings;
pub mod user;
