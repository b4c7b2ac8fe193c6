//! `entradb_postgresql_access`

mod acting;
mod apply;
mod declaration;
mod difference;
mod found;
pub mod locking;
mod scene;
mod statement;
#[cfg(test)]
mod tests;
mod word;
mod work;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Blocks, Computed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::provider::resource::Resource;
use crate::provider::server::Server;
use crate::resources::postgresql::access::apply::Outcome;
use crate::resources::postgresql::access::difference::Difference;
use crate::resources::postgresql::access::scene::Scene;
use crate::resources::postgresql::access::word::{
    AccessLevel, Grantee, OnDatabase, OnFunctions, OnSchema, OnSequences, OnTables, Words,
};
use crate::resources::postgresql::access::work::Job;
use crate::sql::error::Kind;
use crate::sql::statement::Name;

model! {
    /// What a role may do in a database: on the database itself, on schemas, and on everything in them, both what is there and what will be
    /// made later.
    ///
    /// Default `PUBLIC` privileges on new functions and types cannot be revoked in advance for a single schema, because PostgreSQL has that only
    /// for each creator in the whole database (`ALTER DEFAULT PRIVILEGES FOR ROLE … REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`): a function that is made
    /// later shows in `unexpected` of an exclusive declaration for `PUBLIC`, and the next apply revokes it.
    ///
    /// | `level` | Schema | Tables, views | Sequences | Functions | Types |
    /// |---|---|---|---|---|---|
    /// | `read` | `USAGE` | `SELECT` | `SELECT` | | |
    /// | `write` | `USAGE` | `SELECT`, `INSERT`, `UPDATE`, `DELETE` | `SELECT`, `USAGE`, `UPDATE` | `EXECUTE` | |
    /// | `all` | `USAGE`, `CREATE` | all, with `MAINTAIN` from PostgreSQL 17 on | all | `EXECUTE` | `USAGE` |
    ///
    /// Changes are applied as a difference in one transaction, so a running application never loses a privilege that it keeps. What else the
    /// role holds is left alone unless `exclusive` is set. What the grantee passed on to others with a grant option is never taken from them along
    /// with it, also when `exclusive` is set: that is an error that names them, and nothing is changed.
    ///
    /// What the grantee had been granted before and is declared here is taken over, with a warning where it is everything: destroying this resource revokes
    /// all that is declared.
    ///
    /// An application may migrate meanwhile. PostgreSQL itself takes no lock on what it grants on, and an `ALTER TABLE` that comes at the same
    /// time fails with `tuple concurrently updated`; so tables, views, materialized views and sequences are locked first, in a way that lets
    /// reads and writes through: a statement that alters one waits until the transaction ends, and where the application holds the lock, the transaction
    /// gives way and tries again. It locks as many as fill a quarter of the server's lock table (1,600 at `max_locks_per_transaction = 64` and 100
    /// connections) and goes on without locks for the rest. There is no such lock on functions and types, and changes of storage parameters pass it: let no
    /// `CREATE OR REPLACE FUNCTION` run at the same moment, or repeat it when it fails.
    pub struct PostgresqlAccess {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer).
        #[replace]
        pub server: Server,
        /// The name of the database.
        #[replace]
        pub database: Name,
        /// The role that holds the privileges, or `PUBLIC` for everybody. When it changes, the new role gets them before the former one
        /// loses them; when nobody has the former name any more, or another role has it, it was a rename.
        pub grantee: Grantee,
        /// The privileges on the database itself. If omitted, they are not managed.
        pub database_privileges: Option<Words<OnDatabase>>,
        /// Whether the grantee shall have nothing else in this database: whatever is not declared is listed in `unexpected` and revoked,
        /// grants on columns and default privileges included. What the grantee owns, and what it has as a member of other roles, stays.
        /// Of `PUBLIC`, only what the declaration names is looked at: an empty set takes away everything of that kind.
        #[default(false)]
        pub exclusive: bool,
        /// A schema, and what the grantee may do in it.
        pub schema: Blocks<SchemaAccess>,
        /// What the grantee lacks, thing by thing: the first 200. What it can do as an owner, as a member of another role or because
        /// everybody can is not lacking.
        #[drift]
        pub missing: Computed<Vec<String>>,
        /// How many things the grantee lacks.
        #[drift]
        pub missing_count: Computed<i64>,
        /// What was granted to the grantee and is not declared, thing by thing: the first 200. Without `exclusive`, only kinds of things
        /// that the declaration names are looked at, and nothing is revoked.
        #[drift]
        pub unexpected: Computed<Vec<String>>,
        /// How many things were granted and are not declared.
        #[drift]
        pub unexpected_count: Computed<i64>,
        /// What differs and stays so, and why: it belongs to a role, or was granted by one, for which the signed-in principal cannot act. The
        /// first 200, sorted. It makes no difference in a plan.
        pub out_of_reach: Computed<Vec<String>>,
        /// The ARM ID of the server, where `server` is one.
        #[stable]
        pub server_id: Computed<Option<ResourceId>>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        pub timeouts: Timeouts,
    }
}

model! {
    /// A schema, and what the grantee may do in it.
    pub struct SchemaAccess {
        /// The name of the schema.
        pub name: Name,
        /// How much the grantee may do, existing and future objects alike: reading, changing rows too, or everything. The table above says which
        /// privileges these are.
        pub level: Option<AccessLevel>,
        /// The privileges on the schema itself. A `level` contains `USAGE`, and `CREATE` where it is `all`.
        pub privileges: Option<Words<OnSchema>>,
        /// The privileges on tables, views and materialized views. If omitted, they are not managed.
        pub tables: Option<Words<OnTables>>,
        /// The privileges on sequences. If omitted, they are not managed.
        pub sequences: Option<Words<OnSequences>>,
        /// The privileges on functions, procedures and aggregates. If omitted, they are not managed.
        pub functions: Option<Words<OnFunctions>>,
        /// The roles whose future objects are covered, by default privileges. By default these are all roles that own something in the schema,
        /// and the owners of schema and database, without the grantee and the roles of the platform. An empty set covers none.
        pub future_objects_of: Option<BTreeSet<Name>>,
    }
    rules: Rule::AtMostOneOf(&["level", "tables"]), Rule::AtMostOneOf(&["level", "sequences"]), Rule::AtMostOneOf(&["level", "functions"]),
        Rule::AtLeastOneOf(&["level", "privileges", "tables", "sequences", "functions"])
}

/// What is kept beside the state.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The roles for which the server did not let us act: what is theirs is no difference.
    refused: BTreeSet<String>,
    /// The grantee's number: another role may have its name one day.
    #[serde(default)]
    grantee: Option<u32>,
}

impl Resource for PostgresqlAccess {
    const NAME: &'static str = "entradb_postgresql_access";
    const IDENTITY: &'static [&'static str] = &["server", "database", "grantee"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let mut names = BTreeSet::new();
        let blocks = config.get("schema").and_then(Value::as_list).unwrap_or_default().iter();
        let mut mistakes = Vec::new();
        for name in blocks.filter_map(|block| block.as_object()?.get("name")?.as_str()) {
            if name.starts_with("pg_") || name == "information_schema" {
                let detail = format!("`{name}` is one of PostgreSQL's own schemas; privileges there are not managed.");
                mistakes.push(Diagnostic::error("Invalid schema", detail).at("schema"));
            } else if !names.insert(name) {
                let detail = format!(
                    "There are two blocks for the schema `{name}`. Put everything about a schema in one block."
                );
                mistakes.push(Diagnostic::error("Schema given twice", detail).at("schema"));
            }
        }
        mistakes
    }

    async fn plan(plan: &mut Plan, _cx: &Context) -> Result<()> {
        Server::plan(plan);
        if plan.is_create() || plan.planned("exclusive") == &Value::Bool(true) {
            return Ok(());
        }
        let others = [
            "server",
            "database",
            "grantee",
            "database_privileges",
            "exclusive",
            "schema",
            "missing",
            "missing_count",
            "timeouts",
        ];
        let changes = others.into_iter().any(|name| plan.changes(name));
        for list in ["unexpected", "unexpected_count"] {
            // What else somebody holds is only told: it makes no change of its own.
            if changes { plan.unknown(list) } else { plan.keep(list) }
        }
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let outcome = apply::run(
            &server,
            cx,
            &self.database,
            Job {
                now: Some(&self),
                before: None,
                former: None,
            },
        )
        .await?;
        if !outcome.changed && matches!(self.grantee, Grantee::Role(_)) {
            let detail = format!(
                "{} held everything that is declared in the database {} already; Terraform manages it from now on.",
                self.grantee, self.database
            );
            cx.warn("Found already", detail);
        }
        Ok(self.applied(&outcome, &server, cx))
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(None);
        };
        let Some(catalog) = server.database(self.database.as_str()).await? else {
            return Ok(None);
        };
        let record = cx.record::<Record>().unwrap_or_default();
        let roles = server.catalog().await?;
        let Some(scene) = Scene::new(&roles, &self.database, &catalog, &record.refused) else {
            return Ok(None);
        };
        let Some(grantee) = scene.number(&self.grantee) else {
            return Ok(None);
        };
        // Imported, or made anew: whoever has the name is the grantee from now on. A role that was renamed is still known.
        if record.grantee.is_none_or(|known| !roles.roles.contains_key(&known)) {
            cx.keep_record(&Record {
                refused: record.refused.clone(),
                grantee: Some(grantee),
            });
        }
        let declaration = self.declaration(roles.version);
        let difference = Difference::new(&declaration, &scene, grantee);
        let (missing, unexpected) = (difference.missing(&declaration, &scene), difference.unexpected(&scene));
        let found = Self {
            missing: missing.shown.into(),
            missing_count: missing.count.into(),
            unexpected: unexpected.shown.into(),
            unexpected_count: unexpected.count.into(),
            out_of_reach: difference.out_of_reach(&scene).shown.into(),
            ..self
        };
        Ok(Some(found.at(&server)))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let outcome = apply::run(
            &server,
            cx,
            &self.database,
            Job {
                now: Some(&self),
                before: Some(&prior),
                former: known_grantee(cx),
            },
        )
        .await?;
        Ok(self.applied(&outcome, &server, cx))
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        match apply::run(
            &server,
            cx,
            &self.database,
            Job {
                now: None,
                before: Some(&self),
                former: known_grantee(cx),
            },
        )
        .await
        {
            Err(Failure::Sql(error)) if error.kind == Kind::DatabaseGone => Ok(()),
            outcome => {
                apply::tell(&outcome?, cx);
                Ok(())
            }
        }
    }

    async fn import(parts: &Parts, cx: &Context) -> Result<Self> {
        let empty = Self {
            server: parts.parse("server")?,
            database: parts.parse("database")?,
            grantee: parts.parse("grantee")?,
            database_privileges: None,
            exclusive: false,
            schema: Blocks(Vec::new()),
            missing: Computed::UNKNOWN,
            missing_count: Computed::UNKNOWN,
            unexpected: Computed::UNKNOWN,
            unexpected_count: Computed::UNKNOWN,
            out_of_reach: Computed::UNKNOWN,
            server_id: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        };
        let server = cx.existing_postgresql(&empty.server).await?;
        // Whatever is missing here, Read finds to be gone.
        let Some(catalog) = server.database(empty.database.as_str()).await? else {
            return Ok(empty);
        };
        let (roles, refused) = (server.catalog().await?, BTreeSet::new());
        let Some(scene) = Scene::new(&roles, &empty.database, &catalog, &refused) else {
            return Ok(empty);
        };
        let Some(grantee) = scene.number(&empty.grantee) else {
            return Ok(empty);
        };
        Ok(Self {
            database_privileges: found::on_database(&scene, grantee),
            schema: Blocks(found::in_schemas(&scene, grantee)),
            ..empty
        })
    }
}

/// The number of the role that was last seen as the grantee.
fn known_grantee(cx: &Context) -> Option<u32> {
    cx.record::<Record>()?.grantee
}

impl PostgresqlAccess {
    /// The state after an apply: nothing is missing, and what is unexpected is gone or only told.
    fn applied(self, outcome: &Outcome, server: &Postgresql<'_>, cx: &Context) -> Self {
        apply::tell(outcome, cx);
        cx.keep_record(&Record {
            refused: outcome.refused.clone(),
            grantee: outcome.grantee,
        });
        let told = !self.exclusive;
        Self {
            missing: Vec::new().into(),
            missing_count: 0.into(),
            unexpected: if told {
                outcome.unexpected.shown.clone()
            } else {
                Vec::new()
            }
            .into(),
            unexpected_count: if told { outcome.unexpected.count } else { 0 }.into(),
            out_of_reach: outcome.out_of_reach.shown.clone().into(),
            ..self
        }
        .at(server)
    }

    fn at(self, server: &Postgresql<'_>) -> Self {
        Self {
            server_id: server.id.clone().into(),
            host: server.host.to_string().into(),
            ..self
        }
    }
}
