//! A role in a server's catalogue, as the state of a resource tells it: what resources for roles have in common.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::postgresql::Failure;
use crate::resources::postgresql::role_settings::{self, Settings};
use crate::sql;
use crate::sql::postgres::lock::Lock;
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::statement::{Name, Statement};

/// The catalogue of roles, by its number.
const ROLES: u32 = 1260;

/// The number of a role, out of a state.
pub fn number(oid: Option<&String>) -> Option<u32> {
    oid.and_then(|oid| oid.parse().ok())
}

/// The number of a role that something is taken from for good. By its name alone it could be another one.
///
/// # Errors
/// When the state has none.
pub fn known_number(oid: Option<&String>, name: Option<&Name>) -> Result<u32> {
    number(oid).ok_or_else(|| {
        let named = name.map_or("this role", Name::as_str);
        let detail = format!(
            "The state has no number of {named}, so it is not certain which role is meant, and nothing was changed. Run `terraform apply -refresh-only`, which \
             looks for it, and destroy again."
        );
        Diagnostic::error("Role not known", detail)
    })
}

/// The locks of whoever makes or changes a role: on the role that there is, and on the name that it gets.
pub fn locks(oid: Option<&String>, name: &Name) -> BTreeSet<Lock> {
    let role = number(oid).map(Lock::role);
    role.into_iter().chain([Lock::name(ROLES, name.as_str())]).collect()
}

/// The role by its number, else by its name.
pub fn find<'a>(catalog: &'a ServerCatalog, oid: Option<&String>, name: &Name) -> Option<&'a Role> {
    let numbered = number(oid).and_then(|oid| catalog.roles.get(&oid));
    numbered.or_else(|| catalog.role(name.as_str()))
}

/// Settings as the state tells them: in the spelling of the configuration, and only where they are managed.
pub fn settings(written: Option<&Settings>, found: &Settings) -> Option<Settings> {
    written.map(|written| role_settings::settle(written, found))
}

/// Settings as an import tells them: all that there are.
pub fn all_settings(found: &Settings) -> Option<Settings> {
    Some(found.clone()).filter(|found| !found.is_empty())
}

/// What changes in the settings: nothing where they are not managed any more but for what was.
pub fn setting_changes(
    name: &Name,
    found: &Settings,
    wanted: Option<&Settings>,
    before: Option<&Settings>,
) -> Result<Vec<Statement>> {
    match (wanted, before) {
        (Some(wanted), _) => role_settings::changes(name, found, wanted),
        (None, Some(before)) => {
            let managed = role_settings::settle(before, found);
            let managed = managed
                .into_iter()
                .filter(|(name, _)| before.contains_key(name))
                .collect();
            role_settings::changes(name, &managed, &Settings::new())
        }
        (None, None) => Ok(Vec::new()),
    }
}

/// `-1` is no limit.
pub fn limit(role: &Role) -> i64 {
    role.connection_limit.map_or(-1, i64::from)
}

/// Asks for the open sessions of a role, by database with their process numbers.
pub fn sessions_of(role: u32) -> Question {
    let statement = sql!(
        "SELECT a.datname::text || ' (process ' || pg_catalog.string_agg(a.pid::text, ', ' ORDER BY a.pid) || ')' \
         FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = {} AND a.datname IS NOT NULL GROUP BY a.datname ORDER BY a.datname",
        role
    );
    Question::new(statement, "t")
}

/// The open sessions, as people call them.
///
/// # Errors
/// When the answer is none to this question.
pub fn sessions(answers: &[Vec<Row>]) -> Result<Vec<String>, Failure> {
    let texts = answers.iter().flatten().map(|row| row.text(0).map(str::to_owned));
    Ok(texts.collect::<Result<_, _>>()?)
}

/// What a plan that is out of date is told.
pub fn gone(name: &Name) -> Failure {
    let detail = format!("The role {name} does not exist any more. Plan again: it will be created.");
    Diagnostic::error("Role not found", detail).into()
}
