//! What is wrong with the arguments, of what is known so far, and by the kind of server.

use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::value::{Object, Value};
use crate::provider::database_server::kind_in;
use crate::resources::entra_admin::mysql;
use crate::sql::statement::Name;

/// How many characters the name of a login has on SQL Server.
const LONGEST_ON_SQL: usize = 128;

/// Every mistake that can be seen before anything is asked.
pub(super) fn mistakes(config: &Object) -> Vec<Diagnostic> {
    let kind = match kind_in(config) {
        Ok(Some(kind)) => kind,
        Ok(None) => return Vec::new(),
        Err(mistake) => return vec![*mistake],
    };
    let value = |name: &str| config.get(name).unwrap_or(&Value::Null);
    let mut mistakes = Vec::new();
    if let Some(text) = value("name").as_str() {
        mistakes.extend(name(kind, text).err());
    }
    let attach = value("attach_server_identity").as_bool() == Some(true);
    mistakes.extend(server_identity(kind, !value("server_identity_id").is_null(), attach).err());
    let application = value("principal_type").as_str() == Some("ServicePrincipal");
    if kind == ServerKind::Mysql && application && value("client_id").is_null() && value("identity_id").is_null() {
        mistakes.push(mysql::no_client_id());
    }
    mistakes
}

/// Whether a server takes the name.
pub(super) fn name(kind: ServerKind, name: &str) -> Result<()> {
    let characters = name.chars().count();
    let fragment = match kind {
        ServerKind::Postgresql => match name.parse::<Name>() {
            Ok(_) => return Ok(()),
            Err(error) => format!("The name is that of a role in PostgreSQL: {error}."),
        },
        _ if name.is_empty() || name.chars().any(char::is_control) => {
            "A name is required, without control characters.".to_owned()
        }
        ServerKind::Mysql if characters > mysql::LONGEST_NAME => format!(
            "The name of an account in MySQL has at most {} characters; `{name}` has {characters}. Give a shorter `name`: the administrator logs in with \
             it, and its ID says who it is.",
            mysql::LONGEST_NAME
        ),
        _ if characters > LONGEST_ON_SQL => {
            format!("The name of a login has at most {LONGEST_ON_SQL} characters; `{name}` has {characters}.")
        }
        _ => return Ok(()),
    };
    Err(Diagnostic::error("Invalid value", fragment).at("name"))
}

/// Whether the identity with which the server asks the directory is given where it is needed, and only there.
pub(super) fn server_identity(kind: ServerKind, given: bool, attach: bool) -> Result<()> {
    match (kind, given, attach) {
        (ServerKind::Mysql, false, _) => {
            let detail = "A MySQL server asks the directory with an identity of its own. Set `server_identity_id`, the ARM ID of a user-assigned identity \
                          that may read the directory.";
            Err(Diagnostic::error("No server identity given", detail).at("server_identity_id"))
        }
        (ServerKind::Mysql, true, _) | (_, false, false) => Ok(()),
        (_, given, _) => {
            let attribute = if given {
                "server_identity_id"
            } else {
                "attach_server_identity"
            };
            let detail = format!(
                "{} asks the directory by itself: `{attribute}` is for MySQL only.",
                kind.title()
            );
            Err(Diagnostic::error("Argument of another kind of server", detail).at(attribute))
        }
    }
}
