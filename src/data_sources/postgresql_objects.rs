//! `entradb_postgresql_objects`

use std::collections::{BTreeMap, HashMap};

use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, ReadTimeout, Record};
use crate::provider::context::Context;
use crate::provider::resource::DataSource;
use crate::provider::server::Server;
use crate::resources::postgresql::inventory::{Inventory, obstacle};
use crate::resources::postgresql::object_type::ObjectType;
use crate::sql::postgres::object::{Object, ObjectKind, Parent};
use crate::sql::statement::Name;

model! {
    /// Who owns what in a PostgreSQL database.
    ///
    /// Shows what `entradb_postgresql_ownership` would move before it is applied for the first time: every object with its owner, whether it
    /// can get another one, and why not. System schemas are left out.
    pub struct PostgresqlObjects {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer).
        pub server: Server,
        /// The name of the database.
        pub database: Name,
        /// Only the objects of this role. Its large objects are listed too.
        pub owner: Option<Name>,
        /// Only the objects in this schema, and the schema itself.
        pub schema: Option<Name>,
        /// Only objects of this kind. Large objects are listed when they are asked for here or by their owner.
        pub r#type: Option<ObjectType>,
        /// The objects, by kind, schema and name.
        pub objects: Computed<Vec<Record<OwnedObject>>>,
        /// How many of these objects each role owns.
        pub owners: Computed<BTreeMap<String, i64>>,
        pub timeouts: ReadTimeout,
    }
}

model! {
    /// An object and its owner.
    pub struct OwnedObject {
        /// The kind of object.
        pub r#type: String,
        /// The schema that it stands in; null for what stands in none.
        pub schema: Option<String>,
        /// The name of the object.
        pub name: String,
        /// The object as plans show it, such as `function public.total(integer, text)`.
        pub identity: String,
        /// The role that owns it.
        pub owner: String,
        /// Whether it can get another owner.
        pub movable: bool,
        /// Why it cannot, or which table it follows; null where there is nothing to say.
        pub reason: Option<String>,
    }
}

impl DataSource for PostgresqlObjects {
    const NAME: &'static str = "entradb_postgresql_objects";

    async fn read(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let large = ObjectType::of(ObjectKind::LargeObject);
        let asks = |role: &str| match (&self.owner, self.r#type) {
            (Some(owner), kind) => owner.as_str() == role && kind.is_none_or(|kind| kind == large),
            (None, kind) => kind == Some(large),
        };
        let Some(inventory) = Inventory::load(&server, &self.database, asks).await? else {
            let detail = format!(
                "There is no database {} on {}. Names are case-sensitive.",
                self.database, server.host
            );
            return Err(Diagnostic::error("Database not found", detail).at("database"));
        };
        let mut owners = BTreeMap::new();
        let mut objects = Vec::new();
        let relations = inventory
            .objects()
            .filter(|object| object.kind.catalog() == ObjectKind::Table.catalog());
        let relations: HashMap<u32, &Object> = relations.map(|object| (object.oid, object)).collect();
        for object in inventory.objects().filter(|object| self.asks_for(object, &inventory)) {
            let shown = shown(object, &inventory, &relations);
            *owners.entry(shown.owner.clone()).or_insert(0) += 1;
            objects.push(Record(shown));
        }
        Ok(Self {
            objects: Computed::known(objects),
            owners: Computed::known(owners),
            ..self
        })
    }
}

impl PostgresqlObjects {
    fn asks_for(&self, object: &Object, inventory: &Inventory) -> bool {
        let inside = |schema: &Name| match (&object.schema, object.kind) {
            (Some(found), _) => found == schema,
            (None, ObjectKind::Schema) => object.name == *schema,
            (None, _) => false,
        };
        self.schema.as_ref().is_none_or(inside)
            && self.r#type.is_none_or(|kind| kind == ObjectType::of(object.kind))
            && self
                .owner
                .as_ref()
                .is_none_or(|owner| inventory.role_name(object.owner) == Some(owner))
    }
}

fn shown(object: &Object, inventory: &Inventory, relations: &HashMap<u32, &Object>) -> OwnedObject {
    let reason = obstacle(object, inventory).map(str::to_owned);
    let movable = reason.is_none();
    let followed = match object.parent {
        Some(Parent::SequenceOf(table)) => relations.get(&table),
        _ => None,
    };
    OwnedObject {
        r#type: ObjectType::of(object.kind).to_string(),
        schema: object.schema.as_ref().map(ToString::to_string),
        name: object.name.to_string(),
        identity: object.to_string(),
        owner: inventory.called(object.owner),
        movable,
        reason: reason.or_else(|| followed.map(|table| format!("it follows {table}"))),
    }
}
