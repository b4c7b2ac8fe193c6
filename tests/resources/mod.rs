//! The life of each resource, on the emulated Azure: a file each.

mod managed_identity;

mod postgresql_ownership;
mod postgresql_access;
