//! The record as it stands in the database: written before anything moves, and kept for as long as the resource. Terraform hears of a record only
//! when an apply ends, and of a provider that is killed during an update it keeps not even the record of before.
//!
//! A note is the comment of an empty large object, the one thing that can be made in every database whatever one may create there. It belongs to
//! the administrators of the server, so it is in no role's way; a note of anybody else is not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::moving::Move;
use crate::resources::postgresql::ownership::record::{Place, Record, Taken, place};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::postgres::object::ObjectKind;
use crate::sql::postgres::server_catalog::{DependencyKind, Role, ServerCatalog};
use crate::sql::question::Question;
use crate::sql::statement::{Name, Statement, Text};

/// What people read first in a comment, and what it is known by.
const TITLE: &str = "entradb_postgresql_ownership: who owned what before, without which nothing can be given back. ";

/// Whose notes are believed.
const ADMINISTRATORS: &str = "azure_pg_admin";

/// Large objects of the administrators, and of whoever is logged in, that have a comment.
macro_rules! commented {
    () => {
        "FROM pg_catalog.pg_largeobject_metadata l JOIN pg_catalog.pg_description d ON d.objoid = l.oid AND d.objsubid = 0 \
         AND d.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass WHERE l.lomowner IN \
         (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = 'azure_pg_admin' OR r.rolname = current_user)"
    };
}

const COMMENTED: &str = commented!();
const NOTES: &str = concat!(
    "SELECT l.oid, d.description ",
    commented!(),
    " AND pg_catalog.starts_with(d.description, $1) ORDER BY l.oid"
);

/// What is declared: by that a note is found again where Terraform has lost its number. What an older version did not write down was not declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declaration {
    owner: String,
    schemas: Option<BTreeSet<String>>,
    previous_owners: Option<BTreeSet<String>>,
    object_types: Option<BTreeSet<String>>,
    include_database: bool,
}

impl Declaration {
    /// Of a resource.
    #[must_use]
    pub fn of(resource: &PostgresqlOwnership) -> Declaration {
        fn texts<T: ToString>(set: Option<&BTreeSet<T>>) -> Option<BTreeSet<String>> {
            set.map(|set| set.iter().map(ToString::to_string).collect())
        }
        Declaration {
            owner: resource.owner.to_string(),
            schemas: texts(resource.schemas.as_ref()),
            previous_owners: texts(resource.previous_owners.as_ref()),
            object_types: texts(resource.object_types.as_ref()),
            include_database: resource.include_database,
        }
    }
}

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// What is declared. It stands first, so that a comment can be known by its beginning.
    pub declared: Declaration,
    /// What was declared before the last update, of which Terraform may not have heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Declaration>,
    /// The record.
    pub record: Record,
    /// What was about to move when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intended: Vec<Intent>,
}

/// A move whose end nobody has heard of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The object.
    pub object: Place,
    /// Its next owner.
    pub to: u32,
    /// What is to be on record once it belongs to that one.
    pub remember: Vec<(Place, Taken)>,
}

impl Intent {
    /// What moves intend. Those that change privileges only can be done twice.
    #[must_use]
    pub fn of(moves: &[Move<'_>]) -> Vec<Intent> {
        let moving = moves.iter().filter(|next| next.moves() && !next.remember.is_empty());
        let intent = |next: &Move<'_>| Intent {
            object: place(next.object),
            to: next.to,
            remember: next.remember.clone(),
        };
        moving.map(intent).collect()
    }

    /// Puts on record what was done after all, as a look shows. Large objects of the next owner are not looked at: there may be millions.
    pub fn settle(intended: Vec<Intent>, record: &mut Record, inventory: &Inventory) {
        let owners: BTreeMap<Place, u32> = inventory
            .objects()
            .map(|object| (place(object), object.owner))
            .collect();
        let unseen = ObjectKind::LargeObject.catalog();
        for intent in intended {
            let owner = owners.get(&intent.object).copied();
            if owner == Some(intent.to) || owner.is_none() && intent.object.0 == unseen {
                record.taken.extend(intent.remember);
            }
        }
    }
}

impl Note {
    fn beginning(declared: &Declaration) -> Text {
        text(format!("{TITLE}{{\"declared\":{}", json(declared)))
    }

    fn comment(&self) -> Text {
        text(format!("{TITLE}{}", json(self)))
    }

    fn read(comment: &str) -> Option<Note> {
        serde_json::from_str(comment.strip_prefix(TITLE)?).ok()
    }

    /// Whether a note that says this need not be written again: moves that are intended already put themselves on record.
    fn covers(&self, next: &Note) -> bool {
        let same = |one: &Record, other: &Record| {
            one.owner == other.owner
                && one.former_owners == other.former_owners
                && one.members == other.members
                && one.usage == other.usage
                && one.own == other.own
        };
        let known: BTreeMap<Place, &Intent> = self.intended.iter().map(|intent| (intent.object, intent)).collect();
        let intended = |intent: &Intent| known.get(&intent.object) == Some(&intent);
        let moving = !next.intended.is_empty() && next.intended.iter().all(intended);
        self == next || moving && self.declared == next.declared && same(&self.record, &next.record)
    }
}

/// Every note in a database that can be read.
///
/// # Errors
/// Of the session.
pub async fn find(
    server: &Postgresql<'_>,
    database: &Name,
    inventory: &Inventory,
) -> Result<Vec<(u32, Note)>, Failure> {
    let roles = &inventory.server;
    let number = inventory.database().map(|database| database.oid);
    let believed = [Some(roles.current_role), administrators(roles).map(|role| role.oid)];
    let (kind, owner) = (ObjectKind::LargeObject.catalog(), DependencyKind::Owner);
    let mut hanging = roles.dependencies.iter();
    if !hanging.any(|one| {
        one.database == number && one.class == kind && one.kind == owner && believed.contains(&Some(one.role))
    }) {
        return Ok(Vec::new());
    }
    let session = server.session(database.as_str()).await?;
    let mut notes = Vec::new();
    for row in session.query(NOTES, &[TITLE.into()]).await? {
        let number = row.oid(0)?;
        match Note::read(row.text(1)?) {
            Some(mut note) => {
                note.record.note = Some(number);
                notes.push((number, note));
            }
            None => tracing::warn!(number, "the comment of large object {number} is not understood"),
        }
    }
    Ok(notes)
}

/// Removes a note.
///
/// # Errors
/// Of the server. Being gone is none.
pub async fn erase(server: &Postgresql<'_>, database: &Name, number: u32) -> Result<(), Failure> {
    let erase = sql!("SELECT pg_catalog.lo_unlink({})", number);
    change(server, database, &erase).await.map(drop)
}

/// Whether the large object of this statement is still there.
async fn change(server: &Postgresql<'_>, database: &Name, statement: &Statement) -> Result<bool, Failure> {
    let statement = std::slice::from_ref(statement);
    let changed = server
        .write(database.as_str(), "the record", |mut session| async move {
            Ok(session.begin(statement).await?.commit().await?)
        })
        .await;
    match changed {
        Err(failure) if failure.kind() == Some(Kind::NotFound) => Ok(false),
        other => other.map(|()| true),
    }
}

/// The note of one resource, while it is changed.
pub struct Notebook {
    declared: Declaration,
    before: Option<Declaration>,
    written: Mutex<Option<(u32, Note)>>,
}

impl Notebook {
    /// For a resource as it is declared now, and before; it goes on with the note that was found.
    #[must_use]
    pub fn new(declared: Declaration, before: Option<Declaration>, found: Option<(u32, Note)>) -> Notebook {
        Notebook {
            before: before.filter(|before| *before != declared),
            declared,
            written: Mutex::new(found),
        }
    }

    /// Writes down a record and what is about to move, unless that stands there already. Gives the number and how often it was written.
    ///
    /// # Errors
    /// Of the server.
    pub async fn write(
        &self,
        (server, database): (&Postgresql<'_>, &Name),
        roles: &ServerCatalog,
        record: &Record,
        intended: Vec<Intent>,
    ) -> Result<Option<(u32, u64)>, Failure> {
        let known = self.written().clone();
        let mut note = Note {
            declared: self.declared.clone(),
            before: self.before.clone(),
            record: record.clone(),
            intended,
        };
        if note.record.is_blank() && note.intended.is_empty() && known.is_none()
            || known.as_ref().is_some_and(|(_, known)| known.covers(&note))
        {
            return Ok(None);
        }
        note.record.writes += 1;
        let writes = note.record.writes;
        let number = match known {
            Some((number, _)) if change(server, database, &comment(number, &note)).await? => number,
            // There was none, or somebody has removed it.
            _ => make(server, database, roles, &note).await?,
        };
        note.record.note = Some(number);
        *self.written() = Some((number, note));
        Ok(Some((number, writes)))
    }

    fn written(&self) -> MutexGuard<'_, Option<(u32, Note)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(server: &Postgresql<'_>, database: &Name, roles: &ServerCatalog, note: &Note) -> Result<u32, Failure> {
    // After a commit without an answer it may be there.
    let number = sql!(
        "SELECT COALESCE((SELECT l.oid {} AND pg_catalog.starts_with(d.description, {}) ORDER BY l.oid LIMIT 1), pg_catalog.lo_create(0))",
        COMMENTED,
        Note::beginning(&note.declared)
    );
    let question = &[Question::new(number, "n")];
    let us = roles.current_role;
    let (assumable, inherited) = (roles.assumable_by(us), roles.inherited_by(us));
    let owner = administrators(roles).filter(|role| assumable.contains(&role.oid) && inherited.contains(&role.oid));
    server
        .write(database.as_str(), "the record", |mut session| async move {
            let (transaction, answers) = session.begin_and_ask(&[], question).await?;
            let row = answers.first().and_then(|rows| rows.first());
            let unanswered = || Diagnostic::bug("The server made a large object and gave no number.");
            let number = row.ok_or_else(unanswered)?.oid(0)?;
            let mut statements = vec![
                comment(number, note),
                // Whoever dumps the database has to read it.
                sql!("GRANT SELECT ON LARGE OBJECT {} TO PUBLIC", number),
            ];
            statements.extend(owner.map(|owner| sql!("ALTER LARGE OBJECT {} OWNER TO {}", number, &owner.name)));
            transaction.commit_and_ask(&statements, &[]).await?;
            Ok(number)
        })
        .await
}

fn comment(number: u32, note: &Note) -> Statement {
    sql!("COMMENT ON LARGE OBJECT {} IS {}", number, note.comment())
}

fn administrators(roles: &ServerCatalog) -> Option<&Role> {
    roles.role(ADMINISTRATORS)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with keys that are texts, numbers and lists")
}

fn text(text: String) -> Text {
    Text::new(text).expect("JSON writes NUL otherwise, and no name has one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_known_by_its_beginning() {
        let declared = Declaration {
            owner: "it's \"new\"".into(),
            schemas: Some(["s".to_owned()].into()),
            ..Declaration::default()
        };
        let note = Note {
            declared: declared.clone(),
            before: Some(Declaration::default()),
            record: Record {
                owner: 7,
                ..Record::default()
            },
            intended: vec![Intent {
                object: (1259, 5),
                to: 7,
                remember: Vec::new(),
            }],
        };
        let comment = note.comment();
        assert_eq!(Note::read(comment.as_str()), Some(note));
        assert!(comment.as_str().starts_with(Note::beginning(&declared).as_str()));
        assert_eq!(Note::read("somebody's photograph"), None);
        // Of a version that knew less.
        let older = format!("{TITLE}{{\"declared\":{{\"owner\":\"new\"}},\"record\":{{}}}}");
        assert_eq!(
            Note::read(&older).map(|note| note.declared.owner),
            Some("new".to_owned())
        );
    }
}
