//! The steps of giving back, in the order in which nothing breaks in between; and of leaving everything as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::protocol::diagnostic::Result;
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::abandoned::unfinished;
use crate::resources::postgresql::ownership::carrying::Carrier;
use crate::resources::postgresql::ownership::goal::Restoration;
use crate::resources::postgresql::ownership::note::Declaration;
use crate::resources::postgresql::ownership::recall::{Opened, open};
use crate::resources::postgresql::ownership::record::Record;
use crate::resources::postgresql::ownership::steps::{end_members, list, warn_of_refused};
use crate::sql;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::statement::{Name, Statement};

/// How long a database is waited for when all that is left to do there is to remove a note.
const NOT_LONG: Duration = Duration::from_secs(20);

impl PostgresqlOwnership {
    /// Gives everything back, then ends what came with it. The record goes last.
    pub(super) async fn restore(self, cx: &Context) -> Result<()> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        let only = self
            .previous_owners
            .as_ref()
            .filter(|owners| owners.len() == 1)
            .and_then(|owners| owners.first());
        let _turn = self.turn(&server.host.to_string(), cx).await?;
        let found = Inventory::load(&server, &self.database, |_| false).await?;
        let Some(inventory) = found else { return Ok(()) };
        let opened = self.open(cx, &server, &inventory).await?;
        if self.stays_with_another(&opened, cx) {
            return Ok(self.let_go(&server, &opened).await?);
        }
        let record = opened.record.clone().unwrap_or_default();
        let owner = inventory.server.role(self.owner.as_str()).map(|role| role.oid);
        let next = record.other_owner(&inventory.server, owner.unwrap_or_default());
        let goal = Restoration {
            scope: self.scope(),
            owner: &self.owner,
            next: next.as_ref(),
            restore_to: self.restore_to.as_ref().or(only),
            said: self.restore_to.is_some(),
        };
        let mut carrier = Carrier::new(cx, server, &self.database);
        carrier.remember(record, None);
        let inventory = carrier.carry(&goal, None).await?;

        let record = carrier.record().clone();
        let stranded = goal.stranded(&inventory, &record);
        if !stranded.is_empty() {
            let detail = format!(
                "It is not known whose these were, and `restore_to` does not say who gets them, so they stay with {}: {}.",
                self.owner,
                list(stranded.iter().map(ToString::to_string))
            );
            cx.warn("Some objects stay with the owner", detail);
        }
        warn_of_refused(&record, &inventory, cx);
        end_members(&carrier, &inventory, 0, &BTreeSet::new()).await?;
        self.shut_out(&carrier, &inventory, &record).await?;
        Ok(self.let_go(&carrier.server, &opened).await?)
    }

    /// Takes back what `let_in` gave. What an owner has as the schema's own is nobody's gift.
    async fn shut_out(&self, carrier: &Carrier<'_>, inventory: &Inventory, record: &Record) -> Result<(), Failure> {
        let given = record.usage.iter().filter_map(|usage| {
            let mut schemas = inventory.catalog.objects.iter();
            let schema = schemas.find(|object| object.kind == ObjectKind::Schema && object.oid == usage.schema)?;
            let role = inventory.role_name(usage.role)?;
            (schema.owner != usage.role).then_some((schema, role))
        });
        let given: Vec<(&Object, &Name)> = given.collect();
        if given.is_empty() {
            return Ok(());
        }
        let revoke = |(schema, role): &(&Object, &Name)| sql!("REVOKE USAGE ON SCHEMA {} FROM {}", &schema.name, *role);
        let statements: Vec<Statement> = given.iter().map(revoke).collect();
        let owners = given.iter().map(|(schema, _)| schema.owner).collect();
        carrier.act(owners, inventory, statements).await
    }

    /// Leaves everything with the owner, and no note of whose it was; unless a creation may have to go on with it.
    pub(super) async fn keep(self, cx: &Context) -> Result<()> {
        if let Err(error) = self.end_note(cx).await {
            let detail = format!(
                "Everything stays with {}, but what is noted in database {} of who owned it before could not be removed: it is the comment of a \
                 large object, which you may drop. {}",
                self.owner, self.database, error.detail
            );
            cx.warn("A note stays in the database", detail);
        }
        Ok(())
    }

    async fn end_note(&self, cx: &Context) -> Result<()> {
        let Some(mut server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        server.patience = server.patience.at_most(NOT_LONG);
        let Some(inventory) = Inventory::load(&server, &self.database, |_| false).await? else {
            return Ok(());
        };
        let opened = self.open(cx, &server, &inventory).await?;
        match unfinished(&opened, &inventory) {
            Some(note) => Ok(self.abandon(&server, note, cx).await?),
            None => Ok(self.let_go(&server, &opened).await?),
        }
    }

    /// The record of what is declared now.
    pub(super) async fn open(&self, cx: &Context, server: &Postgresql<'_>, inventory: &Inventory) -> Result<Opened> {
        let declared = Declaration::of(self);
        let place = (server, &self.database);
        Ok(open(cx, place, inventory, (&[&declared], Some(&declared))).await?)
    }
}
