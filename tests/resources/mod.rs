//! The life of each resource, on the emulated Azure with its real server: a file each.

mod managed_identity;
mod postgresql_departure;
mod postgresql_role;
mod postgresql_user;
mod postgresql_user_principals;
mod world;
