//! Notes in the database: written before anything moves, and kept for as long as the resource. Terraform hears of a record only when an apply
//! ends, and of a provider that is killed during an update it keeps not even the record of before.
//!
//! A note is the comment of an empty large object, the one thing that can be made in every database whatever one may create there. It belongs to
//! the administrators of the server, so it is in no role's way; a note of anybody else is not believed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::note::{Heading, Intent, Note, TITLE, VERSION};
use crate::resources::postgresql::ownership::record::Record;
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::postgres::object::ObjectKind;
use crate::sql::postgres::server_catalog::{DependencyKind, Role, ServerCatalog};
use crate::sql::question::Question;
use crate::sql::statement::{Name, Statement};

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

/// A note as it was found.
pub struct Found {
    /// The large object that it is the comment of.
    pub number: u32,
    /// Whose it is.
    pub heading: Heading,
    comment: String,
}

impl Found {
    /// What it says; nothing when that cannot be understood.
    ///
    /// # Errors
    /// When a newer provider has written it: nothing is to be changed that it knows of.
    pub fn read(&self, database: &Name) -> Result<Option<Note>, Diagnostic> {
        let (number, version) = (self.number, self.heading.version);
        if version > VERSION {
            let detail = format!(
                "Who owned what before is on record in database {database}, as the comment of large object {number}. A newer version of this \
                 provider wrote it, in format {version}; this one reads up to format {VERSION}. Nothing was changed. Use that version of the \
                 provider, or a later one."
            );
            return Err(Diagnostic::error("Record of a newer provider", detail));
        }
        let mut note = Note::read(&self.comment);
        match &mut note {
            Some(note) => note.record.note = Some(number),
            None => tracing::warn!(number, "the comment of large object {number} is not understood"),
        }
        Ok(note)
    }

    /// What it says, when it was abandoned.
    #[must_use]
    pub fn abandoned(&self) -> Option<Note> {
        let nobodys = self.comment.starts_with(Note::beginning(&[]).as_str());
        nobodys.then(|| Note::read(&self.comment)).flatten()
    }
}

/// Every note in a database.
///
/// # Errors
/// Of the session.
pub async fn find(server: &Postgresql<'_>, database: &Name, inventory: &Inventory) -> Result<Vec<Found>, Failure> {
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
        let (number, comment) = (row.oid(0)?, row.text(1)?);
        let found = |heading| Found {
            number,
            heading,
            comment: comment.to_owned(),
        };
        notes.extend(Heading::read(comment).map(found));
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

/// Removes a note that was abandoned, unless a resource goes on with it by now.
///
/// # Errors
/// Of the server. Being gone is none.
pub async fn sweep(server: &Postgresql<'_>, database: &Name, number: u32) -> Result<(), Failure> {
    let erase = sql!(
        "SELECT pg_catalog.lo_unlink(l.oid) {} AND l.oid = {} AND pg_catalog.starts_with(d.description, {})",
        COMMENTED,
        number,
        Note::beginning(&[])
    );
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

/// Leaves a note to these resources, of which the first one stands for the one that wrote it last; to none: it is abandoned.
///
/// # Errors
/// Of the server. Being gone is none.
pub async fn leave(
    server: &Postgresql<'_>,
    database: &Name,
    (number, note): &(u32, Note),
    holders: Vec<Uuid>,
) -> Result<(), Failure> {
    let mut note = note.clone();
    note.record.holder = holders.first().copied();
    note.holders = holders;
    change(server, database, &comment(*number, &note)).await.map(drop)
}

/// The note of one resource, while it is changed.
pub struct Notebook {
    /// What each note says besides the record.
    blank: Note,
    written: Mutex<Option<(u32, Note)>>,
}

impl Notebook {
    /// For a resource that says this besides the record; it goes on with the note that was found.
    #[must_use]
    pub fn new(blank: Note, found: Option<(u32, Note)>) -> Notebook {
        Notebook {
            blank,
            written: Mutex::new(found),
        }
    }

    /// Writes down a record and what is about to move (nothing: this is the end), unless that stands there already. Gives the number and how
    /// often it was written.
    ///
    /// # Errors
    /// Of the server.
    pub async fn write(
        &self,
        (server, database): (&Postgresql<'_>, &Name),
        roles: &ServerCatalog,
        record: &Record,
        intended: Option<Vec<Intent>>,
    ) -> Result<Option<(u32, u64)>, Failure> {
        let known = self.written().clone();
        let mut note = Note {
            creating: self.blank.creating && intended.is_some(),
            record: record.clone(),
            intended: intended.unwrap_or_default(),
            ..self.blank.clone()
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
        Note::beginning(&note.holders)
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
