//! What a server and a database know of one role: the part of the snapshots that is about it. What it costs grows with what the role has,
//! not with what the server has.

use std::collections::BTreeSet;

use crate::sql;
use crate::sql::postgres::acl::acl_text;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::server_catalog::{OPTIONS, ROLES, ServerCatalog};
use crate::sql::question::Question;
use crate::sql::statement::{Part, Statement};

/// The role and we, what hangs on the role in which database, those databases and the one that is asked; and the memberships that the role
/// granted, where they would go with it, with those of others in the same roles that decide who may grant them again. In the order of [`ServerCatalog::QUESTIONS`].
#[must_use]
pub fn on_server(version: u32, role: u32) -> [Question; 4] {
    let [roles, memberships, databases, dependencies] = &ServerCatalog::QUESTIONS;
    let granted = if version >= OPTIONS {
        sql!(
            "EXISTS (SELECT FROM pg_catalog.pg_auth_members g WHERE g.grantor = {} AND g.roleid = m.roleid AND (m.admin_option OR g.member = m.member))",
            role
        )
    } else {
        sql!("false")
    };
    [
        roles.by(sql!(
            "SELECT x.* FROM ({}) x WHERE x.oid = {} OR x.rolname = current_user",
            Part::Word(ROLES),
            role
        )),
        memberships.by(sql!(
            "SELECT m.roleid, m.member, m.grantor, m.admin_option, {} FROM pg_catalog.pg_auth_members m WHERE {} ORDER BY 1, 2, 3",
            options(version),
            granted
        )),
        databases.by(sql!(
            "SELECT x.* FROM ({}) x WHERE x.datname = pg_catalog.current_database() OR x.oid IN \
             (SELECT CASE s.dbid WHEN 0 THEN s.objid ELSE s.dbid END FROM pg_catalog.pg_shdepend s \
             WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = {})",
            databases.statement(),
            role
        )),
        dependencies.by(sql!(
            "SELECT x.* FROM ({}) x WHERE x.refobjid = {}",
            dependencies.statement(),
            role
        )),
    ]
}

/// These roles, we, and what decides whether we may act for them: what we are members of, who is a member of us and who granted that, who
/// administers them.
/// In the order of [`ServerCatalog::QUESTIONS`].
#[must_use]
pub fn of_roles(version: u32, roles: &BTreeSet<u32>) -> [Question; 2] {
    // 0 is no role.
    let numbers = || Part::list([0].iter().chain(roles).copied());
    let passes = if version >= OPTIONS {
        "(m.inherit_option OR m.set_option)"
    } else {
        "true"
    };
    let us = "SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let ways = sql!(
        "WITH RECURSIVE up (oid) AS ({} UNION SELECT m.roleid FROM up JOIN pg_catalog.pg_auth_members m ON m.member = up.oid AND {}), \
         down (oid) AS ({} UNION SELECT m.member FROM down JOIN pg_catalog.pg_auth_members m ON m.roleid = down.oid)",
        us,
        passes,
        us
    );
    let [all_roles, all_memberships, ..] = &ServerCatalog::QUESTIONS;
    [
        all_roles.by(sql!(
            "{} SELECT x.* FROM ({}) x WHERE x.oid IN (SELECT u.oid FROM up u UNION SELECT d.oid FROM down d UNION SELECT m.grantor FROM down d \
             JOIN pg_catalog.pg_auth_members m ON m.roleid = d.oid UNION SELECT o.oid FROM pg_catalog.pg_roles o WHERE o.oid IN ({}))",
            &ways,
            Part::Word(ROLES),
            numbers()
        )),
        all_memberships.by(sql!(
            "{} SELECT m.roleid, m.member, m.grantor, m.admin_option, {} FROM up JOIN pg_catalog.pg_auth_members m ON m.member = up.oid \
             WHERE {} OR m.roleid IN ({}) \
             UNION SELECT m.roleid, m.member, m.grantor, m.admin_option, {} FROM down JOIN pg_catalog.pg_auth_members m ON m.roleid = down.oid \
             ORDER BY 1, 2, 3",
            &ways,
            options(version),
            passes,
            numbers(),
            options(version)
        )),
    ]
}

/// The objects, columns and default privileges of the session's database on whose access lists the role stands, or which it owns; those of the system too.
/// In the order of [`DatabaseCatalog::QUESTIONS`].
#[must_use]
pub fn in_database(role: u32) -> [Question; 7] {
    let [schemas, relations, routines, types, others, defaults, columns] = &DatabaseCatalog::QUESTIONS_EVERYWHERE;
    let of_objects = |question: &Question| {
        question.by(sql!(
            "SELECT x.* FROM ({}) x WHERE x.oid IN ({})",
            question.statement(),
            objects(role)
        ))
    };
    [
        of_objects(schemas),
        of_objects(relations),
        of_objects(routines),
        of_objects(types),
        of_objects(others),
        defaults.by(sql!(
            "SELECT x.* FROM ({}) x (creator, place, kind, acl) WHERE x.creator = {} OR EXISTS \
             (SELECT FROM pg_catalog.unnest(x.acl) e WHERE pg_catalog.split_part(e, '=', 1) = {}::text)",
            defaults.statement(),
            role,
            role
        )),
        columns.by(sql!(
            "SELECT x.* FROM ({}) x WHERE x.attrelid IN ({})",
            columns.statement(),
            objects(role)
        )),
    ]
}

/// The large objects on which the role stands in the access list, or which it owns: number, owner, access list.
#[must_use]
pub fn large_objects(role: u32) -> Question {
    let statement = sql!(
        "SELECT l.oid, l.lomowner, {} FROM pg_catalog.pg_largeobject_metadata l WHERE l.lomacl IS NOT NULL AND l.oid IN ({}) ORDER BY 1",
        Part::Word(acl_text!("l.lomacl")),
        objects(role)
    );
    Question::new(statement, "nnl")
}

/// The numbers of what hangs on the role in the session's database; one that stands in several catalogues too often does no harm.
fn objects(role: u32) -> Statement {
    sql!(
        "SELECT s.objid FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = {} \
         AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())",
        role
    )
}

fn options(version: u32) -> &'static str {
    if version >= OPTIONS {
        "m.inherit_option, m.set_option"
    } else {
        "NULL::boolean, NULL::boolean"
    }
}
