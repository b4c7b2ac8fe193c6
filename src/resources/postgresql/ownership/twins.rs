//! Other resources that declare the very same ownership: they go on with one record, and the last of them gives everything back.

use uuid::Uuid;

use crate::lock::Held;
use crate::protocol::diagnostic::Result;
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::note::{Declaration, Note};
use crate::resources::postgresql::ownership::notebook::{self, Notebook};
use crate::resources::postgresql::ownership::recall::Opened;

impl PostgresqlOwnership {
    /// Resources that declare the same take turns within this process, so that the second one finds the record of the first.
    pub(super) async fn turn(&self, host: &str, cx: &Context) -> Result<Held> {
        let declared = Declaration::of(self).text();
        cx.turn(format!(
            "the ownership in database {} on {host} of {declared}",
            self.database
        ))
        .await
    }

    /// The other resources that go on with the same record. Of one that was created earlier, a creation cannot know whether Terraform still has it
    /// or never heard of it.
    pub(super) fn twins(&self, opened: &Opened, prior: Option<&Self>, cx: &Context) -> Vec<Uuid> {
        let others = opened.others();
        let Self { owner, database, .. } = self;
        if prior.is_some() {
            if !others.is_empty() {
                let detail = format!(
                    "Another resource declares the same for {owner} in database {database}, and goes on with the same record. Let only one do so. \
                     Whichever is destroyed first gives nothing back; the last one gives back everything."
                );
                cx.warn("Ownership is declared twice", detail);
            }
            return others;
        }
        let ended = |(_, note): &(u32, Note)| !note.creating;
        if !others.is_empty() && opened.note.as_ref().is_some_and(ended) {
            let detail = format!(
                "A record of the very same ownership of {owner} stands in database {database} already, and this resource goes on with it. All is well \
                 when an earlier apply of this resource had no answer. When another resource declares the same, let only one do so: destroy the \
                 other one, which gives nothing back any more; or set `on_destroy = \"keep\"` here before you destroy this one."
            );
            cx.warn("Ownership may be declared twice", detail);
        }
        Vec::new()
    }

    /// The notes that it writes.
    pub(super) fn notebook(&self, prior: Option<&Self>, holders: Vec<Uuid>, found: Option<(u32, Note)>) -> Notebook {
        let (declared, before) = (Declaration::of(self), prior.map(Declaration::of));
        let blank = Note {
            creating: prior.is_none(),
            ..Note::blank(declared, before, holders)
        };
        Notebook::new(blank, found)
    }

    /// Whether another resource goes on with the record, so that nothing is to be given back.
    pub(super) fn stays_with_another(&self, opened: &Opened, cx: &Context) -> bool {
        let Self { owner, database, .. } = self;
        let stays = !opened.others().is_empty();
        if stays {
            let detail = format!(
                "Another resource declares the same for {owner} in database {database}, so everything stays with {owner}, and goes back when that \
                 one is destroyed with `restore`. When there is no such resource any more, create this one again and destroy it."
            );
            cx.warn("Nothing was given back", detail);
        }
        stays
    }

    /// Leaves the note to the other resources that go on with it; the last one takes it away.
    pub(super) async fn let_go(&self, server: &Postgresql<'_>, opened: &Opened) -> Result<(), Failure> {
        let (Some(note), others) = (&opened.note, opened.others()) else {
            return Ok(());
        };
        if others.is_empty() {
            notebook::erase(server, &self.database, note.0).await
        } else {
            notebook::leave(server, &self.database, note, others).await
        }
    }
}
