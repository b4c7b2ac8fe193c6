//! What the provider manages: a file each, a line each.

pub mod attributes;
pub mod entra_admin;
pub mod entra_authentication;
pub mod identity;
pub mod postgresql;
pub mod principal;

use crate::provider::resource::{AnyResource, resource};
use crate::resources::entra_admin::EntraAdmin;
use crate::resources::entra_authentication::EntraAuthentication;
use crate::resources::identity::assignment::IdentityAssignment;
use crate::resources::identity::federated_credential::FederatedCredential;
use crate::resources::identity::managed_identity::ManagedIdentity;
use crate::resources::postgresql::access::PostgresqlAccess;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::role::PostgresqlRole;
use crate::resources::postgresql::role_membership::PostgresqlRoleMembership;
use crate::resources::postgresql::user::PostgresqlUser;

/// Every resource of the provider.
pub fn all() -> Vec<Box<dyn AnyResource>> {
    vec![
        resource::<EntraAdmin>(),
        resource::<EntraAuthentication>(),
        resource::<FederatedCredential>(),
        resource::<IdentityAssignment>(),
        resource::<ManagedIdentity>(),
        resource::<PostgresqlAccess>(),
        resource::<PostgresqlOwnership>(),
        resource::<PostgresqlRole>(),
        resource::<PostgresqlRoleMembership>(),
        resource::<PostgresqlUser>(),
    ]
}
