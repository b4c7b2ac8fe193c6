//! What a new owner needs to become one, and what goes first. Pure.

use std::collections::BTreeSet;

use crate::sql;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::privilege::Privilege::Create;
use crate::sql::statement::{Name, Statement};

/// CREATE in the schemas of the objects is lent to the new owner, unless it is there.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The roles that we must be a member of meanwhile.
    pub(super) lenders: BTreeSet<u32>,
    /// Before the objects move. The schemas move here, so that what is in them finds its new owner allowed.
    pub(super) begin: Vec<Statement>,
    /// After they moved.
    pub(super) end: Vec<Statement>,
}

impl Entry {
    /// For everything that a role owns in a database.
    pub(super) fn of(
        server: &ServerCatalog,
        database: &str,
        objects: &DatabaseCatalog,
        role: &Role,
        heir: &Role,
    ) -> Self {
        let mut entry = Self {
            lenders: [role.oid, heir.oid].into(),
            ..Self::default()
        };
        let owned = |object: &&Object| object.owner == role.oid;
        let schemas = objects
            .objects
            .iter()
            .filter(|object| object.kind == ObjectKind::Schema);
        for schema in schemas.clone().filter(owned) {
            entry
                .begin
                .push(sql!("ALTER SCHEMA {} OWNER TO {}", &schema.name, &heir.name));
        }
        if !entry.begin.is_empty() {
            // Who gives a schema away must be allowed to create one.
            entry
                .lenders
                .extend(creator(server, database, &[server.current_role, role.oid, heir.oid]));
        }
        let occupied: BTreeSet<&Name> = objects
            .objects
            .iter()
            .filter(owned)
            .filter_map(|object| object.schema.as_ref())
            .collect();
        let inherited = server.inherited_by(heir.oid);
        for schema in schemas.filter(|schema| !owned(schema) && occupied.contains(&schema.name)) {
            let acl = schema.effective_acl(server.version);
            let may = acl.is_some_and(|acl| acl.effective(&inherited).has(Create));
            if may || inherited.contains(&schema.owner) {
                continue;
            }
            entry.lenders.insert(schema.owner);
            entry
                .begin
                .push(sql!("GRANT CREATE ON SCHEMA {} TO {}", &schema.name, &heir.name));
            entry
                .end
                .push(sql!("REVOKE CREATE ON SCHEMA {} FROM {}", &schema.name, &heir.name));
        }
        entry
    }
}

/// In whose name we may create schemas in a database, when in none of these.
fn creator(server: &ServerCatalog, database: &str, ours: &[u32]) -> Option<u32> {
    let database = server.database(database)?;
    let initial = || Acl::initial(Class::Database, database.owner, server.version);
    let acl = database.acl.clone().unwrap_or_else(initial);
    let ours: BTreeSet<u32> = ours.iter().flat_map(|role| server.inherited_by(*role)).collect();
    (!acl.effective(&ours).has(Create)).then_some(database.owner)
}
