//! The bond between a role and a principal: made, changed, and waited for while the directory is behind.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::attributes::PrincipalType;
use crate::resources::principal::{NotKnown, Principal};
use crate::retry::{Attempt, until};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::postgres::label::{Label, PROVIDER, PrincipalKind};
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::session::Session;
use crate::sql::statement::{Name, Statement, Text};
use std::future::Future;
use std::time::Duration;

/// The role whose members administer the server.
const ADMINISTRATORS: &str = "azure_pg_admin";

const CREATE: &str = "SELECT pg_catalog.pgaadauth_create_principal_with_oid($1, $2, $3, $4, $5)";

/// Not documented by Azure, so it is looked for first.
const UPDATE: &str = "SELECT pg_catalog.pgaadauth_update_principal_with_oid($1, $2, $3, $4, $5)";

const HAS_UPDATE: &str = "SELECT pg_catalog.to_regprocedure(\
     'pg_catalog.pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean)') IS NOT NULL";

/// How long a server restarts after Entra was enabled on it, and longer.
const ENABLING: Duration = Duration::from_secs(5 * 60);

/// The words of `pgaadauth` for what ARM calls it.
pub(super) fn kind(principal_type: PrincipalType) -> PrincipalKind {
    match principal_type {
        PrincipalType::User => PrincipalKind::User,
        PrincipalType::Group => PrincipalKind::Group,
        PrincipalType::ServicePrincipal => PrincipalKind::Service,
    }
}

/// What a role is bound to, in the words of a configuration. Old labels of users do not say what they are.
pub(super) fn bound(role: &Role) -> (Option<Guid>, Option<PrincipalType>) {
    let Some(label) = role.binding() else {
        return (None, None);
    };
    let principal_type = match label.kind {
        Some(PrincipalKind::Group) => PrincipalType::Group,
        Some(PrincipalKind::Service) => PrincipalType::ServicePrincipal,
        Some(PrincipalKind::User) | None => PrincipalType::User,
    };
    (Some(Guid(label.oid)), Some(principal_type))
}

/// Whether a role administers the server: the label says so, and the membership gives it.
pub(super) fn is_administrator(catalog: &ServerCatalog, role: &Role) -> bool {
    role.binding().is_some_and(|label| label.admin) && has_rights(catalog, role).unwrap_or(true)
}

/// `None` where the server has no such role to be a member of.
fn has_rights(catalog: &ServerCatalog, role: &Role) -> Option<bool> {
    let administrators = catalog.role(ADMINISTRATORS)?;
    Some(catalog.memberships_of(role.oid).contains(&administrators.oid))
}

/// Whether the role has the wanted label, in whatever form the server wrote it.
pub(super) fn is_bound(role: &Role, wanted: Label) -> bool {
    let kind = |label: Label| label.kind.unwrap_or(PrincipalKind::User);
    role.binding().is_some_and(|found| {
        (found.oid, kind(found), found.admin, found.mfa) == (wanted.oid, kind(wanted), wanted.admin, wanted.mfa)
    })
}

/// Makes a role that is bound.
pub(super) async fn create(session: &Session, name: &Name, label: Label) -> Result<(), Failure> {
    call(session, CREATE, name, label).await
}

async fn call(session: &Session, function: &'static str, name: &Name, label: Label) -> Result<(), Failure> {
    let (oid, kind) = (label.oid.to_string(), label.kind.unwrap_or(PrincipalKind::User).word());
    let values = [
        name.as_str().into(),
        oid.as_str().into(),
        kind.into(),
        label.admin.into(),
        label.mfa.into(),
    ];
    session.query(function, &values).await?;
    Ok(())
}

/// Binds a role that is there, in place. The label alone needs no look into the directory; the rights of an
/// administrator come and go with the function that also gives them.
pub(super) async fn rebind(
    session: &Session,
    catalog: &ServerCatalog,
    role: &Role,
    label: Label,
) -> Result<(), Failure> {
    let rights = has_rights(catalog, role);
    let had = role.binding().is_some_and(|label| label.admin);
    let rights_change = rights.is_some_and(|rights| if label.admin { !rights } else { had && rights });
    if rights_change {
        let rows = session.query(HAS_UPDATE, &[]).await?;
        if rows.first().map(|row| row.bool(0)).transpose()?.unwrap_or(false) {
            return call(session, UPDATE, &role.name, label).await;
        }
    }
    let mut statements = Vec::new();
    if !is_bound(role, label) {
        statements.push(label_statement(&role.name, label)?);
    }
    if rights_change {
        statements.extend(rights_statements(&role.name, label.admin)?);
    }
    Ok(session.execute_all(&statements).await?)
}

fn rights_statements(name: &Name, admin: bool) -> Result<[Statement; 2], Failure> {
    let administrators = Name::new(ADMINISTRATORS).map_err(|error| Diagnostic::bug(error.to_string()))?;
    Ok(if admin {
        [
            sql!("ALTER ROLE {} CREATEROLE CREATEDB", name),
            sql!("GRANT {} TO {}", &administrators, name),
        ]
    } else {
        [
            sql!("ALTER ROLE {} NOCREATEROLE NOCREATEDB", name),
            sql!("REVOKE {} FROM {}", &administrators, name),
        ]
    })
}

fn label_statement(name: &Name, label: Label) -> Result<Statement, Failure> {
    let provider = Name::new(PROVIDER).map_err(|error| Diagnostic::bug(error.to_string()))?;
    let text = Text::new(label.to_string()).map_err(|error| Diagnostic::bug(error.to_string()))?;
    Ok(sql!("SECURITY LABEL FOR {} ON ROLE {} IS {}", &provider, name, text))
}

/// Attempts until the server knows the principal, for as long as that is worth waiting for.
pub(super) async fn patiently<T, F>(
    cx: &Context,
    server: &Postgresql<'_>,
    principal: &Principal,
    attempt: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    match attempt().await {
        Err(failure) if failure.kind() == Some(Kind::PrincipalNotVisible) => {
            until_visible(cx, server, principal, attempt).await
        }
        Err(failure)
            if failure.kind() == Some(Kind::EntraNotEnabled)
                && server.clients.administrators_changed_lately(&server.host) =>
        {
            let patience = cx.patience().at_most(ENABLING);
            let outcome = until(&patience, format!("Microsoft Entra on {}", server.host), || async {
                match attempt().await {
                    Err(failure) if failure.kind() == Some(Kind::EntraNotEnabled) => {
                        Ok(Attempt::again("the functions of Microsoft Entra are not there yet"))
                    }
                    other => other.map(Attempt::Done),
                }
            });
            Ok(outcome.await?)
        }
        Err(failure) if failure.kind() == Some(Kind::PrincipalKindMismatch) => Err(other_kind(failure, principal)),
        other => Ok(other?),
    }
}

async fn until_visible<T, F>(
    cx: &Context,
    server: &Postgresql<'_>,
    principal: &Principal,
    attempt: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    let named = format!("the server {}", server.host);
    let known = principal.until_known(cx, &named, || async {
        match attempt().await {
            Err(failure) if failure.kind() == Some(Kind::PrincipalNotVisible) => Ok(Attempt::again(said(failure))),
            other => other.map(Attempt::Done),
        }
    });
    known.await.map_err(|error| match error {
        NotKnown::Failed(failure) if failure.kind() == Some(Kind::PrincipalKindMismatch) => {
            other_kind(failure, principal)
        }
        NotKnown::Failed(failure) => failure.into(),
        NotKnown::Told(diagnostic) => diagnostic,
    })
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::Sql(error) => error.to_string(),
        Failure::Told(diagnostic) => diagnostic.detail,
    }
}

fn other_kind(failure: Failure, principal: &Principal) -> Diagnostic {
    let (kind, id) = (principal.principal_type, principal.object_id);
    let detail = format!(
        "The principal with the object ID {id} is not a {kind}. The server's own words: {}.\n\nSet `principal_type` to what the directory \
         says: `User`, `Group`, or `ServicePrincipal` (applications and managed identities).",
        said(failure)
    );
    Diagnostic::error("Wrong kind of principal", detail).at(if principal.confirmed {
        "identity_id"
    } else {
        "principal_type"
    })
}
