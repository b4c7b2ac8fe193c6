//! A close look at one role, within the transaction that changes it: the same facts as the snapshot has, asked in the message that
//! also begins the transaction or writes, so that it costs neither a statement nor a round trip of its own.

use crate::sql;
use crate::sql::error::Error;
use crate::sql::postgres::server_catalog::{ROLES, Role, role};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::statement::{Name, Part, Text};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The role.
    pub role: Role,
    /// Whether it is itself a member of `azure_pg_admin`; `None` where the server has no such role.
    pub administers: Option<bool>,
    /// Whether the server has the function that binds a role anew. Azure does not document it.
    pub can_rebind: bool,
}

/// The question for the roles that have this number or this name.
#[must_use]
pub fn question(oid: Option<u32>, name: &Name) -> Question {
    let oid = oid.map_or(Part::Word("NULL"), |oid| Part::Number(oid.into()));
    let statement = sql!(
        "SELECT x.oid, x.rolname, x.rolcanlogin, x.rolsuper, x.rolinherit, x.rolcreaterole, x.rolcreatedb, \
         x.rolreplication, x.rolbypassrls, x.rolconnlimit, x.until, x.settings, x.comment, x.label, x.us, \
         (SELECT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = a.oid AND m.member = x.oid) \
          FROM pg_catalog.pg_roles a WHERE a.rolname = 'azure_pg_admin'), \
         pg_catalog.to_regprocedure('pg_catalog.pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean)') IS NOT NULL \
         FROM ({}) x WHERE x.oid = {} OR x.rolname = {}",
        Part::Word(ROLES),
        oid,
        Text::from(name)
    );
    Question::new(statement, "ntbbbbbbbntlttbbb")
}

/// What was answered: the role of this number, else the one of this name.
///
/// # Errors
/// When the answer is none to this question.
pub fn read(answers: &[Vec<Row>], oid: Option<u32>, name: &Name) -> Result<Option<Look>, Error> {
    let looks: Vec<Look> = answers.iter().flatten().map(look).collect::<Result<_, _>>()?;
    let numbered = looks.iter().find(|look| Some(look.role.oid) == oid);
    let named = || looks.iter().find(|look| look.role.name == *name);
    Ok(numbered.or_else(named).cloned())
}

fn look(row: &Row) -> Result<Look, Error> {
    Ok(Look {
        role: role(row)?,
        administers: row.optional_bool(15)?,
        can_rebind: row.bool(16)?,
    })
}
