//! A role in a server's catalogue, as the state of a resource tells it: what resources for roles have in common.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::context::Context;
use crate::provider::plan::Plan;
use crate::provider::postgresql::Failure;
use crate::resources::postgresql::role_settings::{self, Settings};
use crate::sql;
use crate::sql::postgres::lock::Lock;
use crate::sql::postgres::role_look::Look;
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::statement::{Name, Statement};

/// The catalogue of roles, by its number.
const ROLES: u32 = 1260;

/// How many of many are shown.
const SHOWN: usize = 10;

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

/// Whether a role has another number than the state: it was made since, under the same name.
pub fn is_another(role: &Role, oid: Option<&String>) -> bool {
    number(oid).is_some_and(|oid| oid != role.oid)
}

/// Says that a role of the same name is left alone.
pub fn tell_of_another(role: &Role, cx: &Context) {
    let detail = format!(
        "The role that Terraform manages is gone. There is another one of the name {} now, with the number {}: it is left alone.",
        role.name, role.oid
    );
    cx.warn("Another role of the same name", detail);
}

/// Settings as the state tells them: in the spelling of the configuration, and only where they are managed.
pub fn settings(written: Option<&Settings>, found: &Settings) -> Option<Settings> {
    written.map(|written| role_settings::settle(written, found))
}

/// What is kept beside a role that was imported, until the first apply.
#[derive(Serialize, Deserialize)]
struct Imported {
    /// Whether nobody has managed the settings that were found.
    imported: bool,
}

/// Notes that the settings which an import finds are managed by nobody yet.
pub fn note_import(cx: &Context) {
    cx.keep_record(&Imported { imported: true });
}

/// Notes that an apply has managed them, where they came by an import.
pub fn note_apply(cx: &Context) {
    if is_imported(cx) {
        cx.keep_record(&Imported { imported: false });
    }
}

/// The settings in the state that an apply has managed: none after an import.
pub fn managed(prior: Option<Settings>, cx: &Context) -> Option<Settings> {
    prior.filter(|_| !is_imported(cx))
}

/// Says in the plan that what an import found stays, although it goes out of the state.
pub fn plan_settings(plan: &mut Plan, cx: &Context) {
    if !plan.config("settings").is_null() || plan.prior("settings").is_null() || !is_imported(cx) {
        return;
    }
    let detail = "The configuration has no `settings`, so those that the import found are not managed: they go out of the state, and the role keeps them.";
    plan.warn(Diagnostic::warning("Settings stay as they are", detail));
}

fn is_imported(cx: &Context) -> bool {
    cx.record().is_some_and(|Imported { imported }| imported)
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

/// How PostgreSQL writes that there is no limit.
pub const NO_LIMIT: i64 = -1;

/// How many sessions the role may have at once, as PostgreSQL writes it.
pub fn limit(role: &Role) -> i64 {
    role.connection_limit.map_or(NO_LIMIT, i64::from)
}

/// Asks for the open sessions of a role: what opened them, from where, and their process numbers. Addresses are shown to members of `pg_monitor`.
pub fn sessions_of(role: u32) -> Question {
    let statement = sql!(
        "SELECT a.datname::text, a.application_name, pg_catalog.host(a.client_addr), pg_catalog.array_agg(a.pid::text ORDER BY a.pid) \
         FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = {} AND a.datname IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        role
    );
    Question::new(statement, "tttl")
}

/// The open sessions, as people call them: the first of many.
///
/// # Errors
/// When the answer is none to this question.
pub fn sessions(answers: &[Vec<Row>]) -> Result<Vec<String>, Failure> {
    let rows: Vec<&Row> = answers.iter().flatten().collect();
    let mut shown = Vec::new();
    for row in rows.iter().take(SHOWN) {
        let database = row.text(0)?;
        let opener = match row.optional_text(1)? {
            Some(application) if !application.is_empty() => format!(" of {application}"),
            _ => String::new(),
        };
        let address = row
            .optional_text(2)?
            .map_or_else(String::new, |address| format!(" from {address}"));
        let processes = row.list(3)?;
        let more = if processes.len() > SHOWN { ", …" } else { "" };
        let numbers = processes[..processes.len().min(SHOWN)].join(", ");
        shown.push(format!(
            "{}{opener}{address} in {database} (process {numbers}{more})",
            processes.len()
        ));
    }
    if rows.len() > SHOWN {
        shown.push(format!("and more in {} other places", rows.len() - SHOWN));
    }
    Ok(shown)
}

/// The role that is to be changed, as a look found it: no other one of its name.
///
/// # Errors
/// When it is gone.
pub fn known(look: Option<Look>, oid: Option<&String>, name: &Name) -> Result<Look, Failure> {
    look.filter(|look| !is_another(&look.role, oid))
        .ok_or_else(|| gone(name))
}

/// What a plan that is out of date is told.
pub fn gone(name: &Name) -> Failure {
    let detail = format!(
        "The role {name} that was planned for does not exist any more. Another one may have its name by now, and is left alone. Plan again: that shows \
         what becomes of it."
    );
    Diagnostic::error("Role not found", detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::row::Cell;

    fn row(application: Option<&str>, address: Option<&str>, processes: std::ops::Range<u32>) -> Row {
        let text = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
        let processes = processes.map(|number| number.to_string()).collect();
        Row::new(vec![
            text(Some("app")),
            text(application),
            text(address),
            Cell::List(processes),
        ])
    }

    #[test]
    fn sessions_are_told_by_what_opened_them_and_from_where() {
        let rows = vec![
            row(Some("OpenMetadata"), Some("10.1.2.3"), 11..13),
            row(Some("pgbench"), None, 20..40),
            row(Some(""), Some("::1"), 50..51),
            row(None, None, 60..61),
        ];
        let told = sessions(&[rows]).ok().unwrap_or_default();
        let expected = [
            "2 of OpenMetadata from 10.1.2.3 in app (process 11, 12)",
            "20 of pgbench in app (process 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, …)",
            "1 from ::1 in app (process 50)",
            "1 in app (process 60)",
        ];
        assert_eq!(told, expected);
        let many = (0..12).map(|number| row(Some("one"), None, number..number + 1));
        let told = sessions(&[many.collect()]).ok().unwrap_or_default();
        assert_eq!((told.len(), told[10].as_str()), (11, "and more in 2 other places"));
    }
}
