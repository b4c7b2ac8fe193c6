//! Notes of creations that failed half-way. Terraform destroys what such a creation left before it creates it anew, and the provider cannot tell
//! that from the end: with `keep` the note is abandoned, and the next creation that declares the same goes on with it.

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::members::is_ours;
use crate::resources::postgresql::ownership::moving::lets_in;
use crate::resources::postgresql::ownership::note::Note;
use crate::resources::postgresql::ownership::notebook;
use crate::resources::postgresql::ownership::recall::{Opened, prune, recorded};
use crate::resources::postgresql::ownership::record::{Record, Usage};
use crate::sql::postgres::object::ObjectKind;
use crate::sql::statement::Name;

/// The note of a creation that has not ended, when nobody else goes on with it and something of it is true.
pub(super) fn unfinished<'a>(opened: &'a Opened, inventory: &Inventory) -> Option<&'a (u32, Note)> {
    let note = opened.note.as_ref().filter(|(_, note)| note.creating)?;
    let record = opened.record.as_ref()?;
    (opened.others().is_empty() && !is_spent(record, inventory)).then_some(note)
}

/// Whether nothing is left of what was moved and granted, so that there is nothing to go on with and nothing to give back.
pub(super) fn is_spent(record: &Record, inventory: &Inventory) -> bool {
    let mut left = record.clone();
    prune(&mut left, inventory, record.owner);
    let let_in = |usage: &Usage| {
        let mut objects = inventory.catalog.objects.iter();
        let schema = objects.find(|object| object.kind == ObjectKind::Schema && object.oid == usage.schema);
        schema.is_some_and(|schema| lets_in(schema, inventory, usage.role))
    };
    left.taken.is_empty()
        && !left.members.iter().any(|member| is_ours(&inventory.server, member))
        && !left.usage.iter().any(let_in)
}

/// Removes abandoned notes that are spent. What stands in the way of that is no failure: the next change tries it again.
pub(super) async fn sweep(
    server: &Postgresql<'_>,
    database: &Name,
    abandoned: Vec<(u32, Note)>,
    inventory: &Inventory,
) {
    let host = server.host.to_string();
    for (number, note) in abandoned {
        if !recorded(note, &host, inventory).is_some_and(|record| is_spent(&record, inventory)) {
            continue;
        }
        if let Err(failure) = notebook::sweep(server, database, number).await {
            let told = Diagnostic::from(failure).detail;
            tracing::warn!(number, "an abandoned record stays: {told}");
        }
    }
}

impl PostgresqlOwnership {
    /// Leaves a note to the next creation that declares the same.
    pub(super) async fn abandon(
        &self,
        server: &Postgresql<'_>,
        note: &(u32, Note),
        cx: &Context,
    ) -> Result<(), Failure> {
        notebook::leave(server, &self.database, note, Vec::new()).await?;
        let detail = format!(
            "This ownership of {} in database {} was never complete. What has moved stays, and so does the record of it: the next creation that \
             declares the same goes on with it, and can give back everything. When there is to be none, drop the record; it is the comment of large \
             object {}.",
            self.owner, self.database, note.0
        );
        cx.warn("The record of an unfinished creation stays", detail);
        Ok(())
    }
}
