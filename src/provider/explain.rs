//! What each failure means and what to do: errors become diagnostics here and nowhere else.

use crate::azure::error::{Error as AzureError, Kind as Azure};
use crate::protocol::diagnostic::{Diagnostic, chain};
use crate::provider::snapshot::Shared;
use crate::retry::Interrupted;
use crate::sql::error::{Error as SqlError, Kind as Sql, LoginRefusal, TlsFailure, Unreachable};

impl From<AzureError> for Diagnostic {
    fn from(error: AzureError) -> Self {
        let (summary, usual) = azure(error.kind());
        let advice = of_code(&error).unwrap_or(usual);
        Diagnostic::error(summary, paragraphs([sentence(&chain(&error)), advice.to_owned()]))
    }
}

/// What to do where Azure's code says more than the kind.
fn of_code(error: &AzureError) -> Option<&'static str> {
    Some(match error.code()? {
        _ if error.wants_another_tenant() => {
            "The linked subscription belongs to another tenant: name that tenant in `auxiliary_tenant_ids`. It must know the application that signs in."
        }
        "MissingSubscriptionRegistration" => {
            "Register the resource provider that is named above in the subscription (`az provider register --namespace …`), and apply again."
        }
        "ScopeLocked" => "A management lock forbids the change. Have the lock removed, and apply again.",
        "ResourceGroupBeingDeleted" => {
            "The resource group is being deleted. Apply again when that has ended, with a group that exists."
        }
        _ => return None,
    })
}

#[expect(clippy::too_many_lines, reason = "a table: a line for each kind")]
fn azure(kind: Azure) -> (&'static str, &'static str) {
    match kind {
        Azure::NotFound => (
            "Azure resource not found",
            "Check the ID; what was deleted by hand is created again by the next apply.",
        ),
        Azure::ParentGone => (
            "Azure resource not found",
            "What the resource lives in (its server, its identity or its resource group) does not exist.",
        ),
        Azure::SubscriptionUnknown => (
            "Subscription not found",
            "Check `subscription_id`, and that the signed-in principal belongs to the tenant of the subscription.",
        ),
        Azure::Busy => (
            "Azure is busy with another operation",
            "Another operation ran on the same resource the whole time. Apply again when it has ended.",
        ),
        Azure::Conflict => (
            "Conflict in Azure",
            "What exists contradicts the request. If the resource exists already, import it.",
        ),
        Azure::Changed => (
            "Changed meanwhile",
            "Somebody changed the resource at the same time. Apply again.",
        ),
        Azure::Throttled => (
            "Throttled by Azure",
            "Azure takes no more requests for now. Apply again later, or with a smaller `-parallelism`.",
        ),
        Azure::Forbidden => (
            "Not permitted in Azure",
            "The signed-in principal lacks a role assignment. `Managed Identity Contributor` is needed to manage identities, `Contributor` on the server to \
             set administrators, `Reader` to look. A role that was just assigned takes a few minutes to show.",
        ),
        Azure::Unauthorized => (
            "Token refused by Azure",
            "Check `tenant_id`, `environment` and the clock of this machine.",
        ),
        Azure::InvalidRequest => (
            "Refused by Azure",
            "Azure rejected the request for the reason above. Correct the arguments that it names, and apply again.",
        ),
        Azure::Transient => (
            "Azure failed",
            "Azure failed again and again. Apply again later; what was done so far is kept.",
        ),
        Azure::PrincipalNotFound => (
            "Principal not known yet",
            "A principal that was just created can take a few minutes to become visible everywhere. Apply again.",
        ),
        Azure::OperationFailed => (
            "Operation failed in Azure",
            "Azure began the operation and gave it up, for the reason above. Mend that, and apply again; where Azure names none, look into the activity log of the resource.",
        ),
        Azure::SignIn { aadsts } => ("Sign-in failed", sign_in(aadsts)),
        Azure::SignInUnavailable => (
            "No way to sign in",
            "Set credentials in the provider block or in the `ARM_*` variables, as for azurerm: a client secret, a certificate, OIDC, a managed identity, or `az login`.",
        ),
        Azure::Configuration => (
            "Invalid provider configuration",
            "Correct the provider block, or the `ARM_*` variable that it was read from.",
        ),
        Azure::Unreachable | Azure::Lost => (
            "Azure cannot be reached",
            "Check the name resolution, the proxy variables and the firewall of this machine.",
        ),
        Azure::Untrusted => (
            "Certificate not trusted",
            "If a proxy or a private authority signs the certificates here, name its root in `ca_file`.",
        ),
        Azure::Unexpected => (
            "Unexpected answer from Azure",
            "The answer has another form than Azure documents. Apply again; if it stays so, see what `TF_LOG=DEBUG` logs, and report it without secrets.",
        ),
        Azure::ForeignHost => (
            "Refused to send a token",
            "A token is sent to the configured Azure endpoints only. Check `environment`, `metadata_host` and the endpoints in the provider block.",
        ),
        Azure::TimedOut => (
            "Timed out",
            "Apply again. Where the operation itself needs longer, raise the `timeouts` of the resource; the limits of signing in (90 seconds) and of a single look are fixed.",
        ),
        Azure::Stopped => (
            "Stopped",
            "What was done so far is kept in the state; the next apply goes on from there.",
        ),
    }
}

fn sign_in(aadsts: Option<u32>) -> &'static str {
    match aadsts {
        Some(7_000_215) => "The client secret is wrong. Give the secret's value, not its ID.",
        Some(7_000_222) => "The client secret has expired. Create a new one.",
        Some(700_016) => "The application does not exist in this tenant. Check `client_id` and `tenant_id`.",
        Some(700_027) => {
            "The certificate is not registered with the application. Register it there, or use the one that is; a new one takes some minutes to work."
        }
        Some(70_021 | 700_211 | 700_212 | 700_213) => {
            "No federated credential of the application matches the token. Issuer, subject and audience must match exactly, a slash at the end included; \
             a new federated credential takes some minutes to work."
        }
        Some(700_024) => "The federated token has expired. Fetch a new one.",
        Some(90_002 | 900_023) => "The tenant does not exist. Check `tenant_id` and `environment`.",
        Some(500_011 | 50_001) => "The tenant does not know the service that the token is for. Check `environment`.",
        Some(700_082 | 50_078 | 50_076 | 50_173) => {
            "The Azure CLI's own sign-in has ended, or needs another factor: run `az login` again."
        }
        Some(530_003 | 53_003) => {
            "A Conditional Access policy forbids this sign-in. Sign in from where it allows it, or have whoever manages the policy make an exception."
        }
        _ => {
            "Microsoft Entra refused the sign-in for the reason above. The guide \"Signing in\" says what each place needs."
        }
    }
}

impl Shared for AzureError {
    /// That nothing answers, or nobody is signed in, stays so for a while; what Azure said of a resource may not.
    fn lasts(&self) -> bool {
        matches!(
            self.kind(),
            Azure::Unreachable | Azure::Lost | Azure::Untrusted | Azure::Transient | Azure::Throttled
        )
    }

    fn gave_up(&self) -> bool {
        matches!(self.kind(), Azure::TimedOut | Azure::Stopped)
    }
}

impl From<Interrupted> for Diagnostic {
    fn from(interrupted: Interrupted) -> Self {
        AzureError::from(interrupted).into()
    }
}

/// No answer is never taken for an absence: a person decides.
const IF_THE_SERVER_IS_GONE: &str = "If the server is away for now, plan with `-refresh=false`; if it is gone for good, take the resource out with `terraform state rm`.";

impl From<SqlError> for Diagnostic {
    fn from(error: SqlError) -> Self {
        let (summary, advice) = sql(error.kind);
        let report = &error.report;
        let statement = if error.statement.is_empty() {
            String::new()
        } else {
            format!("Statement: {}", error.statement)
        };
        let if_gone = match error.kind {
            Sql::Unreachable(_) => IF_THE_SERVER_IS_GONE,
            _ => "",
        };
        let part = |label: &str, text: &Option<String>| {
            text.as_ref().map(|text| format!("{label}: {text}")).unwrap_or_default()
        };
        Diagnostic::error(
            summary,
            paragraphs([
                sentence(&chain(&error)),
                part("Detail", &report.detail),
                part("Hint", &report.hint),
                statement,
                advice.to_owned(),
                if_gone.to_owned(),
            ]),
        )
    }
}

fn sql(kind: Sql) -> (&'static str, &'static str) {
    match kind {
        Sql::NotFound => (
            "Not found in the database",
            "Check the name, and whether another resource that creates it must come first (`depends_on`).",
        ),
        Sql::DatabaseGone => ("Database not found", "Check `database`; names are case-sensitive."),
        Sql::AlreadyExists => (
            "Already exists in the database",
            "Import it, or set `adopt_existing` where the resource has it.",
        ),
        Sql::DependentObjects => ("Something still depends on it", "Move or drop what is listed first."),
        Sql::PermissionDenied => (
            "Not permitted in the database",
            "The signed-in principal must be a Microsoft Entra administrator of the server (`entradb_entra_admin`), or have been granted what the statement needs.",
        ),
        Sql::LoginRefused(refusal) => ("Login refused by the database", login(refusal)),
        Sql::LockNotAvailable => (
            "Locked by another session",
            "Another session held the lock the whole time. End that session, or apply again when it is less busy.",
        ),
        Sql::Deadlock | Sql::Serialization | Sql::ConcurrentUpdate => (
            "Changed by another session",
            "Others changed the same things again and again. Apply again.",
        ),
        Sql::OutOfLockMemory => (
            "Too many locks",
            "The server's lock table is full. Raise `max_locks_per_transaction`, or apply when fewer sessions are active.",
        ),
        Sql::TooManyConnections => (
            "No connection free",
            "The server has no free connection. Apply again later, or with a smaller `-parallelism`.",
        ),
        Sql::ServerStarting | Sql::ServerClosing => {
            ("Database server is restarting", "Apply again when the server is ready.")
        }
        Sql::ConnectionLost => (
            "Connection lost",
            "The connection ended in the middle. Apply again: every step can be run twice.",
        ),
        Sql::Cancelled => (
            "Statement cancelled",
            "The statement was ended before it was done. Apply again.",
        ),
        Sql::PrincipalNotVisible => (
            "Principal not known yet",
            "Entra does not show the principal to the server yet. Check the object ID; a new identity takes some minutes.",
        ),
        Sql::PrincipalKindMismatch => (
            "Wrong kind of principal",
            "Set `principal_type` to what the directory says: `User`, `Group` or `ServicePrincipal` (managed identities too).",
        ),
        Sql::EntraNotEnabled => (
            "Microsoft Entra is not enabled on the server",
            "Enable it with `entradb_entra_authentication` (the server restarts, and some minutes pass until the functions are there), and apply again.",
        ),
        Sql::CircularMembership => (
            "Circular membership",
            "A role cannot be a member of its own member. Take the other membership away first.",
        ),
        Sql::Unreachable(unreachable) => ("Database cannot be reached", reach(unreachable)),
        Sql::Tls(failure) => ("No verified TLS to the database", tls(failure)),
        Sql::Unexpected => (
            "Unexpected answer from the database",
            "The answer has another form than PostgreSQL documents. Check that the server is an Azure Database for PostgreSQL flexible server; if it is, report it without secrets.",
        ),
        Sql::Other => (
            "The database reported an error",
            "Mend what the server names above, and apply again.",
        ),
    }
}

fn login(refusal: LoginRefusal) -> &'static str {
    match refusal {
        LoginRefusal::WrongAudience => "The token was made for another service. Check `environment`.",
        LoginRefusal::StaleOid => {
            "The role is bound to an identity that was re-created since, so it cannot bind itself. Let another administrator apply its `entradb_postgresql_user`, \
             or bind it through Azure Resource Manager with `entradb_entra_admin`."
        }
        LoginRefusal::WrongPrincipalKind => {
            "The role is bound as another kind of principal (user, group, service principal) than the one that signs in. Correct `principal_type` where the role is made, or name another \
             role in `database_logins`."
        }
        LoginRefusal::ExpiredToken => "The token has expired. Check the clock of this machine.",
        LoginRefusal::BadToken => {
            "The server could not read the token. Check `environment`; a connection pooler on the way may cut a long password off."
        }
        LoginRefusal::NoEncryptionOrFirewall => {
            "No firewall rule of the server admits the address of this machine. Add one, or run where one does."
        }
        LoginRefusal::UnknownRole | LoginRefusal::Unspecified => {
            "The signed-in principal is not bound to a role of that name, or was bound to it only just now. Make it a Microsoft Entra administrator \
             (`entradb_entra_admin`). Where it is one through a group, set `server` to the ARM ID, so that the group is found, or name the role \
             that it logs in as in `database_logins` of the provider block."
        }
        LoginRefusal::NotPermittedToLogin => {
            "The role may not log in (NOLOGIN), or its connection limit is used up. Let an administrator give it its login back, or raise the limit."
        }
    }
}

fn reach(unreachable: Unreachable) -> &'static str {
    match unreachable {
        Unreachable::NameResolution => {
            "The name has no address here. A private server is known only inside its network: check the private DNS zone and its link."
        }
        Unreachable::Refused => "Nobody listens at that address. Check the port, and whether the server runs.",
        Unreachable::TimedOut => {
            "Nobody answered. Check the server's firewall rules and the network security groups on the way, and whether the server is stopped."
        }
        Unreachable::PrivateAddress => {
            "A private address means something inside its own network only, and nothing leads there from here. Run inside that network, connect it (peering, VPN), name a tunnel in `database_hosts`, or a SOCKS proxy in `ALL_PROXY`."
        }
        Unreachable::Proxy => {
            "Check `HTTPS_PROXY` and `ALL_PROXY`. If the server is reached without a proxy, name it in `NO_PROXY`."
        }
        Unreachable::Network => "The network ended the attempt. Check the route to the server, and what filters it.",
    }
}

fn tls(failure: TlsFailure) -> &'static str {
    match failure {
        TlsFailure::Untrusted => {
            "Nothing secret was sent. If a private authority signed the certificate, name its root in `ca_file`."
        }
        TlsFailure::NameMismatch => {
            "Nothing secret was sent. The certificate is for another name: set `server` to the server's own name, and name the tunnel in `database_hosts`."
        }
        TlsFailure::NotOffered => {
            "Nothing secret was sent. The server does not offer TLS; a token is never sent without it."
        }
        TlsFailure::Handshake => "Nothing secret was sent. Check that nothing on the way intercepts TLS.",
    }
}

/// An error's fragments as a sentence.
fn sentence(fragments: &str) -> String {
    let mut characters = fragments.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let end = if fragments.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), characters.as_str())
}

fn paragraphs<const N: usize>(parts: [String; N]) -> String {
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_that_no_import_mends_is_told_with_what_does() {
        let told = |code: &str| {
            let error = AzureError::new(Azure::Conflict, "no").with_code(Some(code.to_owned()));
            Diagnostic::from(error).detail
        };
        for (code, advice) in [
            ("MissingSubscriptionRegistration", "az provider register"),
            ("ScopeLocked", "Have the lock removed"),
            ("ResourceGroupBeingDeleted", "is being deleted"),
        ] {
            let detail = told(code);
            assert!(
                detail.contains(advice) && !detail.contains("import"),
                "{code}: {detail}"
            );
        }
        assert!(told("AlreadyExists").contains("import it"));
    }
}
