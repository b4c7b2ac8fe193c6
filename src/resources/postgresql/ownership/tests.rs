//! The pure parts against a small database that stands in memory.

mod membership;
mod noting;
mod recalling;
mod restoring;
mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expect_test::{Expect, expect};

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::object_type::ObjectType;
use crate::resources::postgresql::ownership::argument::PreviousOwnerAccess;
use crate::resources::postgresql::ownership::borrowing::Needs;
use crate::resources::postgresql::ownership::goal::{Goal, Handover};
use crate::resources::postgresql::ownership::moving::{Move, batch};
use crate::resources::postgresql::ownership::record::{Place, Record, place};
use crate::resources::postgresql::ownership::scope::{Scope, with_owner};
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::database_catalog::{Column, DatabaseCatalog};
use crate::sql::postgres::object::{Object, ObjectKind, Parent, Qualifier};
use crate::sql::postgres::server_catalog::{Database, Membership, Role, ServerCatalog};
use crate::sql::quote::Dialect;
use crate::sql::statement::Name;

const TERRAFORM: u32 = 20;
const PLATFORM: u32 = 21;
const OWNER: u32 = 30;
const OLD: u32 = 31;
const THIRD: u32 = 32;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn names(texts: &[&str]) -> BTreeSet<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn acl(entries: &[&str]) -> Option<Acl> {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    Some(Acl::parse(&entries).unwrap())
}

fn role(oid: u32, text: &str, superuser: bool) -> Role {
    Role {
        superuser,
        ..Role::plain(oid, text)
    }
}

fn membership(role: u32, member: u32) -> Membership {
    Membership {
        role,
        member,
        grantor: 10,
        admin: false,
        inherit: None,
        set: None,
    }
}

fn object(kind: ObjectKind, oid: u32, text: &str, owner: u32) -> Object {
    let placed = !matches!(
        kind,
        ObjectKind::Schema | ObjectKind::Publication | ObjectKind::Database
    );
    Object {
        kind,
        oid,
        schema: placed.then(|| name("s")),
        name: name(text),
        qualifier: Qualifier::None,
        owner,
        acl: None,
        extension: false,
        parent: None,
        locks: 1,
    }
}

/// A schema `s` with one thing of each sort.
fn objects() -> Vec<Object> {
    let table = Object {
        acl: acl(&["31=arwdDxt/31", "30=ar*/31"]),
        locks: 4,
        ..object(ObjectKind::Table, 101, "t", OLD)
    };
    let sequence = |oid, text, acl| Object {
        parent: Some(Parent::SequenceOf(101)),
        acl,
        ..object(ObjectKind::Sequence, oid, text, OLD)
    };
    let brought = Object {
        extension: true,
        ..object(ObjectKind::Type, 108, "brought", OLD)
    };
    vec![
        object(ObjectKind::Schema, 100, "s", OLD),
        table,
        sequence(102, "t_id_seq", acl(&["31=rwU/31", "30=U/31"])),
        object(ObjectKind::View, 103, "v", OLD),
        object(ObjectKind::Type, 104, "mood", THIRD),
        object(ObjectKind::Table, 105, "hers", OWNER),
        object(ObjectKind::Publication, 106, "news", OLD),
        object(ObjectKind::View, 107, "seen_by_azure", PLATFORM),
        brought,
    ]
}

fn inventory(version: u32, objects: Vec<Object>) -> Inventory {
    let roles = [
        role(10, "azuresu", true),
        role(TERRAFORM, "terraform", false),
        role(PLATFORM, "azure_pg_admin", false),
        role(OWNER, "owner", false),
        role(OLD, "old", false),
        role(THIRD, "third", false),
    ];
    let database = Database {
        oid: 5,
        name: name("app"),
        owner: TERRAFORM,
        allows_connections: true,
        template: false,
        acl: None,
    };
    let itself = object(ObjectKind::Database, 5, "app", TERRAFORM);
    let server = ServerCatalog {
        version,
        current_role: TERRAFORM,
        memberships: vec![membership(PLATFORM, TERRAFORM)],
        databases: BTreeMap::from([(5, database)]),
        dependencies: Vec::new(),
        role_numbers: roles.iter().map(|role| (role.name.to_string(), role.oid)).collect(),
        roles: roles.into_iter().map(|role| (role.oid, role)).collect(),
    };
    let schemas = objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.kind == ObjectKind::Schema);
    let catalog = DatabaseCatalog {
        version,
        default_privileges: Vec::new(),
        columns: vec![Column {
            table: 101,
            name: name("secret"),
            acl: acl(&["30=w/31"]).unwrap(),
        }],
        schema_numbers: schemas.map(|(index, object)| (object.name.clone(), index)).collect(),
        objects,
        ..DatabaseCatalog::default()
    };
    Inventory {
        server: Arc::new(server),
        catalog: Arc::new(catalog),
        others: vec![itself],
        ..Inventory::default()
    }
}

fn everything() -> Scope<'static> {
    Scope {
        schemas: None,
        previous_owners: None,
        object_types: None,
        include_database: false,
    }
}

fn handover<'a>(scope: Scope<'a>, owner: &'a Name) -> Handover<'a> {
    Handover {
        scope,
        owner,
        former: BTreeSet::new(),
        access: PreviousOwnerAccess::Membership,
    }
}

fn check_pending(scope: Scope<'_>, expected: Expect) {
    let inventory = inventory(15, objects());
    let selection = scope.select(&inventory, OWNER, &Record::default());
    let pending: Vec<String> = selection
        .pending
        .iter()
        .map(|object| with_owner(object, &inventory))
        .collect();
    expected.assert_eq(&format!(
        "{}\n-\n{}",
        pending.join("\n"),
        selection.not_movable.join("\n")
    ));
}

#[test]
fn everything_of_previous_owners_moves_wherever_it_is() {
    let owners = names(&["old"]);
    check_pending(
        Scope {
            previous_owners: Some(&owners),
            ..everything()
        },
        expect![[r#"
            schema s (owner old)
            table s.t (owner old)
            view s.v (owner old)
            publication news (owner old)
            -
            1 object of extensions: what an extension brought stays with it"#]],
    );
}

#[test]
fn everything_in_a_schema_moves_whoever_owns_it() {
    let schemas = names(&["s"]);
    check_pending(
        Scope {
            schemas: Some(&schemas),
            include_database: true,
            ..everything()
        },
        expect![[r#"
            schema s (owner old)
            table s.t (owner old)
            view s.v (owner old)
            type s.mood (owner third)
            database app (owner terraform)
            -
            1 object of extensions: what an extension brought stays with it
            view s.seen_by_azure (owner azure_pg_admin): it belongs to a role of the platform"#]],
    );
}

#[test]
fn schemas_owners_and_kinds_together_narrow_the_scope() {
    let (schemas, owners) = (names(&["s"]), names(&["old", "third"]));
    let kinds = BTreeSet::from([ObjectType::of(ObjectKind::Table), ObjectType::of(ObjectKind::Type)]);
    check_pending(
        Scope {
            schemas: Some(&schemas),
            previous_owners: Some(&owners),
            object_types: Some(&kinds),
            include_database: false,
        },
        expect![[r#"
            table s.t (owner old)
            type s.mood (owner third)
            -
            1 object of extensions: what an extension brought stays with it"#]],
    );
}

/// What a look behind the locks finds once some things have moved.
fn after(inventory: &Inventory, owners: &BTreeMap<Place, u32>) -> Inventory {
    let mut catalog = (*inventory.catalog).clone();
    for object in &mut catalog.objects {
        object.owner = owners.get(&place(object)).copied().unwrap_or(object.owner);
    }
    Inventory {
        catalog: Arc::new(catalog),
        ..inventory.clone()
    }
}

/// Every transaction of a goal, if nothing goes wrong.
fn transactions(moves: &[Move<'_>], inventory: &Inventory) -> String {
    let (mut rest, mut text) = (moves, String::new());
    let mut owners = BTreeMap::new();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(batch(rest, 100, 10));
        let present = after(inventory, &owners);
        let loan = Needs::of(now, &present).borrow(&present).unwrap();
        let moved = now.iter().flat_map(|next| next.statements(inventory));
        for statement in loan.begin.into_iter().chain(moved).chain(loan.end) {
            text.push_str(&statement.render(Dialect::PostgreSql));
            text.push('\n');
        }
        text.push_str("-\n");
        owners.extend(now.iter().map(|next| (place(next.object), next.to)));
        rest = later;
    }
    text
}

#[test]
fn what_is_borrowed_is_given_back_in_the_same_transaction() {
    let (owners, owner) = (names(&["old"]), name("owner"));
    let goal = handover(
        Scope {
            previous_owners: Some(&owners),
            ..everything()
        },
        &owner,
    );
    let inventory = inventory(15, objects());
    let moves = goal.moves(&inventory, &Record::default()).unwrap();
    expect![[r#"
        GRANT "owner", "old" TO CURRENT_USER
        GRANT CREATE ON DATABASE "app" TO "owner"
        ALTER SCHEMA "s" OWNER TO "owner"
        REVOKE CREATE ON DATABASE "app" FROM "owner"
        REVOKE "owner", "old" FROM CURRENT_USER
        -
        GRANT "owner", "old" TO CURRENT_USER
        GRANT CREATE ON DATABASE "app" TO "owner"
        ALTER TABLE "s"."t" OWNER TO "owner"
        ALTER PUBLICATION "news" OWNER TO "owner"
        ALTER VIEW "s"."v" OWNER TO "owner"
        REVOKE CREATE ON DATABASE "app" FROM "owner"
        REVOKE "owner", "old" FROM CURRENT_USER
        -
    "#]]
    .assert_eq(&transactions(&moves, &inventory));
}

#[test]
fn privileges_are_left_on_what_follows_too() {
    let (owners, owner) = (names(&["old"]), name("owner"));
    let kinds = BTreeSet::from([ObjectType::of(ObjectKind::Table)]);
    let scope = Scope {
        previous_owners: Some(&owners),
        object_types: Some(&kinds),
        ..everything()
    };
    let goal = Handover {
        access: PreviousOwnerAccess::Privileges,
        ..handover(scope, &owner)
    };
    let inventory = inventory(16, objects());
    let moves = goal.moves(&inventory, &Record::default()).unwrap();
    expect![[r#"
        GRANT "owner", "old" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE
        GRANT CREATE ON SCHEMA "s" TO "owner"
        ALTER TABLE "s"."t" OWNER TO "owner"
        GRANT ALL ON TABLE "s"."t" TO "old"
        GRANT ALL ON SEQUENCE "s"."t_id_seq" TO "old"
        REVOKE CREATE ON SCHEMA "s" FROM "owner"
        REVOKE "owner", "old" FROM CURRENT_USER
        -
    "#]]
    .assert_eq(&transactions(&moves, &inventory));
    let remembered: Vec<_> = moves[0]
        .remember
        .iter()
        .map(|(_, taken)| (taken.name.as_str(), taken.granted.object.as_str(), taken.left))
        .collect();
    assert_eq!(
        remembered,
        [("table s.t", "r*a", true), ("sequence s.t_id_seq", "U", true)]
    );
    assert_eq!(
        moves[0].remember[0].1.granted.columns,
        BTreeMap::from([("secret".to_owned(), "w".to_owned())])
    );
}

#[test]
fn batches_keep_to_the_budget_and_to_their_phase() {
    let found = inventory(15, objects());
    let (owners, owner) = (names(&["old"]), name("owner"));
    let moves = handover(
        Scope {
            previous_owners: Some(&owners),
            ..everything()
        },
        &owner,
    )
    .moves(&found, &Record::default())
    .unwrap();
    assert_eq!(moves[1].locks(), 5, "its indexes, its toast table, its sequence");
    assert_eq!(batch(&moves, 100, 10), 1, "a schema moves alone");
    assert_eq!(batch(&moves[1..], 100, 10), 3);
    assert_eq!(batch(&moves[1..], 6, 10), 2);
    assert_eq!(batch(&moves[1..], 1, 10), 1, "one always fits");
    assert_eq!(batch(&moves[1..], 100, 2), 2);
}
