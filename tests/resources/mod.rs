//! The life of each resource, on the emulated Azure: a file each.

mod client_config;
mod entra_admin;
mod entra_authentication;
mod federated_credential;
mod found_identity;
mod identity_assignment;
mod managed_identity;
mod migrating;
mod postgresql_access;
mod postgresql_budget;
mod postgresql_departure;
mod postgresql_logins;
mod postgresql_ownership;
mod postgresql_role;
mod postgresql_role_grantors;
mod postgresql_role_membership;
mod postgresql_strict;
mod postgresql_user;
mod postgresql_user_adopting;
mod postgresql_user_at_once;
mod postgresql_user_principals;
mod postgresql_user_rights;
mod principal;
mod server;
mod short_timeouts;
mod stumbling;
pub mod world;
