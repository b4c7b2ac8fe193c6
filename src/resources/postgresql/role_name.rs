//! Which role names are ours to use. It does not know which roles there are.

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::value::{Object, Value};
use crate::sql::postgres::server_catalog::Role;

/// Roles that Azure made for itself.
const PLATFORM: [&str; 6] = [
    "azuresu",
    "azure_pg_admin",
    "azure_superuser",
    "azure_ad_user",
    "azure_ad_mfa",
    "replication",
];

/// Words that PostgreSQL takes for something else, quoted or not.
const WORDS: [&str; 2] = ["public", "none"];

/// Whether Azure made the role of this name for itself.
pub fn is_platform_name(name: &str) -> bool {
    PLATFORM.contains(&name)
}

/// Whether the name belongs to PostgreSQL or to Azure.
pub fn is_reserved(name: &str) -> bool {
    PLATFORM.contains(&name) || name.starts_with("pg_")
}

/// Whether a role belongs to PostgreSQL or to Azure: nobody acts for it, nobody takes it away.
pub fn is_platform(role: &Role) -> bool {
    role.superuser || is_reserved(role.name.as_str())
}

/// What is wrong with the name of a role that shall be managed.
pub fn mistake(config: &Object, attribute: &str) -> Option<Diagnostic> {
    let name = config.get(attribute).and_then(Value::as_str)?;
    if WORDS.contains(&name) || is_reserved(name) {
        let detail = format!("The name `{name}` is reserved by PostgreSQL or by Azure. Choose another one.");
        return Some(Diagnostic::error("Reserved name", detail).at(attribute));
    }
    None
}
