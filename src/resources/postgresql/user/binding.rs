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
use crate::sql::postgres::role_look::Look;
use crate::sql::postgres::server_catalog::{OPTIONS, Role, ServerCatalog};
use crate::sql::statement::{Name, Statement, Text};
use std::future::Future;
use std::time::Duration;

/// The role whose members administer the server.
const ADMINISTRATORS: &str = "azure_pg_admin";

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

/// Whether the role is itself a member of `azure_pg_admin`; who is one through another role is no administrator of ours. `None` where the server
/// has no such role.
pub(super) fn administers(catalog: &ServerCatalog, role: &Role) -> Option<bool> {
    let administrators = catalog.role(ADMINISTRATORS)?;
    Some(!catalog.grants_of(administrators.oid, role.oid).is_empty())
}

/// Whether a role is to be called an administrator. It takes the label, the membership and the attributes; with only some of them it differs from what
/// was applied, whatever that was, so that a plan puts it right. Without label and membership, the attributes are nobody's affair.
pub(super) fn is_administrator(role: &Role, administers: Option<bool>, applied: Option<bool>) -> bool {
    let labelled = role.binding().is_some_and(|label| label.admin);
    let member = administers.unwrap_or(labelled);
    if member != labelled || lacks_attributes(role, labelled) {
        return applied.map_or(member, |applied| !applied);
    }
    labelled
}

/// Whether a role lacks what an administrator has besides: `CREATEROLE` and `CREATEDB`.
pub(super) fn lacks_attributes(role: &Role, admin: bool) -> bool {
    admin && !(role.create_role && role.create_database)
}

/// Whether the role has the wanted label, in whatever form the server wrote it.
pub(super) fn is_bound(role: &Role, wanted: Label) -> bool {
    role.binding().is_some_and(|found| {
        (found.oid, kind_of(found), found.admin, found.mfa) == (wanted.oid, kind_of(wanted), wanted.admin, wanted.mfa)
    })
}

/// Makes a role that is bound.
pub(super) fn create(name: &Name, label: Label) -> Result<Statement> {
    Ok(sql!(
        "SELECT pg_catalog.pgaadauth_create_principal_with_oid({}, {}, {}, {}, {})",
        Text::from(name),
        text(label.oid.to_string())?,
        text(kind_of(label).word())?,
        truth(label.admin),
        truth(label.mfa)
    ))
}

/// Binds a role that is there, in place. The label alone needs no look into the directory; the rights of an administrator come and go with the
/// function that also gives them, which Azure does not document, so it is used only where the server has it.
///
/// From version 16 on a label, like everything else of a role, takes the ADMIN option on it, and administrators have none on each other; the
/// function needs none.
pub(super) fn rebind(name: &Name, look: &Look, label: Label, version: u32) -> Result<Vec<Statement>> {
    let rights_change = look.administers.is_some_and(|administers| administers != label.admin);
    let is_bound = is_bound(&look.role, label);
    let administrator = version >= OPTIONS && (label.admin || look.administers == Some(true));
    if look.can_rebind && (rights_change || (administrator && !is_bound)) {
        return Ok(vec![update(name, label)?]);
    }
    let mut statements = Vec::new();
    if !is_bound {
        statements.push(label_statement(name, label)?);
    }
    if rights_change {
        statements.extend(rights_statements(name, label.admin)?);
    } else if lacks_attributes(&look.role, label.admin) {
        statements.push(sql!("ALTER ROLE {} CREATEROLE CREATEDB", name));
    }
    Ok(statements)
}

/// Binds a role that is there, and gives it the rights of an administrator or takes them.
pub fn update(name: &Name, label: Label) -> Result<Statement> {
    Ok(sql!(
        "SELECT pg_catalog.pgaadauth_update_principal_with_oid({}, {}, {}, {}, {})",
        Text::from(name),
        text(label.oid.to_string())?,
        text(kind_of(label).word())?,
        truth(label.admin),
        truth(label.mfa)
    ))
}

/// What the person is told when an administrator can be neither changed nor made an ordinary role first.
pub fn another_administrator(name: &Name, refused: Failure) -> Diagnostic {
    let detail = format!(
        "{name} administers the server. From version 16 on PostgreSQL lets only a role that has the ADMIN option on another one change or drop that, and two \
         administrators cannot have it on each other. Nothing was changed. {name} itself may log in and run `ALTER ROLE … SET …`. For anything \
         else, its rights have to go first: where it was made an administrator (`administrator`, `entradb_entra_admin` or the portal), or by the \
         server's support. The server's own words: {}.",
        said(refused)
    );
    Diagnostic::error("Another administrator", detail).at("administrator")
}

/// Takes the bond away: the role is an ordinary one again.
pub(super) fn unbind(name: &Name) -> Statement {
    sql!(
        "SECURITY LABEL FOR {} ON ROLE {} IS NULL",
        &Name::from_catalog(PROVIDER),
        name
    )
}

fn kind_of(label: Label) -> PrincipalKind {
    label.kind.unwrap_or(PrincipalKind::User)
}

fn truth(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}

fn text(text: impl Into<String>) -> Result<Text> {
    Text::new(text).map_err(|error| Diagnostic::bug(error.to_string()))
}

fn rights_statements(name: &Name, admin: bool) -> Result<[Statement; 2]> {
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

fn label_statement(name: &Name, label: Label) -> Result<Statement> {
    Ok(sql!(
        "SECURITY LABEL FOR {} ON ROLE {} IS {}",
        &Name::from_catalog(PROVIDER),
        name,
        text(label.to_string())?
    ))
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
        Failure::Told(diagnostic) | Failure::GaveUp(diagnostic) => diagnostic.detail,
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
