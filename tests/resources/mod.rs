//! The life of each resource: create, drift, change, import, failure half-way, delete.

mod postgresql_ownership;
