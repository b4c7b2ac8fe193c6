//! What is taken back and what is lent, without a server.

use expect_test::{Expect, expect};

use crate::resources::postgresql::departure::entry::Entry;
use crate::resources::postgresql::departure::taking_back::TakingBack;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::{Column, DatabaseCatalog, DefaultPrivileges};
use crate::sql::postgres::object::{Object, ObjectKind, Qualifier};
use crate::sql::postgres::server_catalog::{Database, Role, ServerCatalog};
use crate::sql::quote::Dialect;
use crate::sql::statement::{Name, Statement};

const US: u32 = 1;
const LEAVER: u32 = 2;
const OWNER: u32 = 3;
const HEIR: u32 = 4;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn role(oid: u32, text: &str) -> Role {
    Role {
        login: false,
        ..Role::plain(oid, text)
    }
}

fn acl(entries: &[&str]) -> Acl {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    Acl::parse(&entries).unwrap()
}

fn server() -> ServerCatalog {
    let roles = [
        role(US, "terraform"),
        role(LEAVER, "lea\"ver"),
        role(OWNER, "owner"),
        role(HEIR, "heir"),
    ];
    let database = Database {
        oid: 5,
        name: name("app"),
        owner: OWNER,
        allows_connections: true,
        template: false,
        acl: Some(acl(&["0=c/3", "2=cC*/3", "4=c/2"])),
    };
    let fill = |mut catalog: ServerCatalog| {
        (catalog.version, catalog.current_role) = (15, US);
        catalog.roles = roles.into_iter().map(|role| (role.oid, role)).collect();
        catalog.databases = [(5, database)].into();
        catalog
    };
    fill(ServerCatalog::default())
}

fn catalog(objects: Vec<Object>, columns: Vec<Column>, entries: Vec<DefaultPrivileges>) -> DatabaseCatalog {
    let fill = |mut catalog: DatabaseCatalog| {
        catalog.version = 15;
        (catalog.objects, catalog.columns, catalog.default_privileges) = (objects, columns, entries);
        catalog
    };
    fill(DatabaseCatalog::default())
}

fn object(kind: ObjectKind, oid: u32, text: &str, owner: u32, entries: &[&str]) -> Object {
    Object {
        kind,
        oid,
        schema: (kind != ObjectKind::Schema).then(|| name("s")),
        name: name(text),
        qualifier: Qualifier::None,
        owner,
        acl: Some(acl(entries)),
        extension: false,
        parent: None,
        locks: 1,
    }
}

fn entry(creator: u32, schema: Option<&str>, class: Class, entries: &[&str]) -> DefaultPrivileges {
    DefaultPrivileges {
        creator,
        schema: schema.map(name),
        class,
        acl: acl(entries),
    }
}

fn check(statements: &[Statement], expected: &Expect) {
    let text: Vec<String> = statements.iter().map(|one| one.render(Dialect::PostgreSql)).collect();
    expected.assert_eq(&text.join("\n"));
}

#[test]
fn what_was_granted_is_taken_back_in_the_name_of_who_granted_it() {
    let catalog = catalog(
        vec![
            object(ObjectKind::Schema, 10, "s", OWNER, &["3=UC/3", "2=U/3"]),
            object(ObjectKind::Table, 11, "mine", LEAVER, &["2=r/2", "4=r/2"]),
            object(ObjectKind::Table, 12, "theirs", OWNER, &["2=r*/3", "4=r/2", "2=w/4"]),
            object(ObjectKind::Sequence, 13, "ours too", OWNER, &["1=U*/3", "2=U/3"]),
            object(ObjectKind::View, 14, "untouched", OWNER, &["4=r/3"]),
        ],
        vec![Column {
            table: 12,
            name: name("c"),
            acl: acl(&["2=a/3"]),
        }],
        Vec::new(),
    );
    let server = server();
    let taking = TakingBack::of(&server, &catalog, &[], LEAVER);
    assert_eq!(taking.passed_on, ["SELECT on table s.theirs to heir"]);
    assert_eq!(taking.lenders, [OWNER, HEIR].into());
    let expected = expect![[r#"
        REVOKE ALL PRIVILEGES ON SCHEMA "s" FROM "lea""ver" CASCADE
        REVOKE ALL PRIVILEGES ON TABLE "s"."theirs" FROM "lea""ver" CASCADE
        SET LOCAL ROLE "owner"
        REVOKE ALL PRIVILEGES ON SEQUENCE "s"."ours too" FROM "lea""ver" CASCADE
        RESET ROLE
        SET LOCAL ROLE "heir"
        REVOKE ALL PRIVILEGES ON TABLE "s"."theirs" FROM "lea""ver" CASCADE
        RESET ROLE"#]];
    check(&taking.statements(&server), &expected);
}

/// Numbers are unique within one catalogue: a schema, a type and a function may have that of a table.
#[test]
fn a_column_is_its_tables_whatever_else_has_the_number_of_the_table() {
    let catalog = catalog(
        vec![
            object(ObjectKind::Schema, 12, "s", HEIR, &[]),
            object(ObjectKind::Function, 12, "f", HEIR, &[]),
            object(ObjectKind::Type, 12, "t", HEIR, &[]),
            object(ObjectKind::Table, 12, "theirs", OWNER, &[]),
        ],
        vec![Column {
            table: 12,
            name: name("c"),
            acl: acl(&["2=a*/3", "4=a/2"]),
        }],
        Vec::new(),
    );
    let server = server();
    let taking = TakingBack::of(&server, &catalog, &[], LEAVER);
    assert_eq!(taking.passed_on, ["INSERT on table s.theirs to heir"]);
    assert_eq!(taking.lenders, [OWNER].into());
    let expected = expect![[r#"REVOKE ALL PRIVILEGES ON TABLE "s"."theirs" FROM "lea""ver" CASCADE"#]];
    check(&taking.statements(&server), &expected);
}

#[test]
fn default_privileges_go_back_to_what_the_server_starts_with() {
    let catalog = catalog(
        Vec::new(),
        Vec::new(),
        vec![
            entry(OWNER, Some("s"), Class::Table, &["2=r/3", "4=r/3"]),
            entry(OWNER, None, Class::Type, &["4=U/3"]),
            entry(LEAVER, None, Class::Routine, &["4=X/2"]),
            entry(LEAVER, Some("s"), Class::Sequence, &["0=U/2", "2=U/2"]),
        ],
    );
    let server = server();
    let expected = expect![[r#"
        ALTER DEFAULT PRIVILEGES FOR ROLE "owner" IN SCHEMA "s" REVOKE ALL PRIVILEGES ON TABLES FROM "lea""ver"
        ALTER DEFAULT PRIVILEGES FOR ROLE "lea""ver" REVOKE ALL PRIVILEGES ON FUNCTIONS FROM "heir"
        ALTER DEFAULT PRIVILEGES FOR ROLE "lea""ver" GRANT ALL PRIVILEGES ON FUNCTIONS TO "lea""ver"
        ALTER DEFAULT PRIVILEGES FOR ROLE "lea""ver" GRANT EXECUTE ON FUNCTIONS TO PUBLIC
        ALTER DEFAULT PRIVILEGES FOR ROLE "lea""ver" IN SCHEMA "s" REVOKE ALL PRIVILEGES ON SEQUENCES FROM PUBLIC
        ALTER DEFAULT PRIVILEGES FOR ROLE "lea""ver" IN SCHEMA "s" REVOKE ALL PRIVILEGES ON SEQUENCES FROM "lea""ver""#]];
    check(
        &TakingBack::of(&server, &catalog, &[], LEAVER).statements(&server),
        &expected,
    );
}

#[test]
fn databases_are_taken_back_from_too() {
    let server = server();
    let taking = TakingBack::of_databases(&server, LEAVER);
    assert_eq!(taking.passed_on, ["CONNECT on database app to heir"]);
    let expected = expect![[r#"REVOKE ALL PRIVILEGES ON DATABASE "app" FROM "lea""ver" CASCADE"#]];
    check(&taking.statements(&server), &expected);
}

#[test]
fn a_new_owner_is_lent_only_what_it_lacks() {
    let server = server();
    let within = |schema: &str, object: Object| Object {
        schema: Some(name(schema)),
        ..object
    };
    let objects = catalog(
        vec![
            object(ObjectKind::Schema, 10, "own", LEAVER, &["2=UC/2"]),
            object(ObjectKind::Schema, 11, "open", OWNER, &["4=UC/3"]),
            object(ObjectKind::Schema, 12, "closed", OWNER, &["4=U/3"]),
            object(ObjectKind::Schema, 13, "empty", OWNER, &[]),
            within("own", object(ObjectKind::Table, 20, "a", LEAVER, &[])),
            within("open", object(ObjectKind::Table, 21, "b", LEAVER, &[])),
            within("closed", object(ObjectKind::Table, 22, "c", LEAVER, &[])),
            within("empty", object(ObjectKind::Table, 23, "d", OWNER, &[])),
        ],
        Vec::new(),
        Vec::new(),
    );
    let entry = Entry::of(&server, "app", &objects, &server.roles[&LEAVER], &server.roles[&HEIR]);
    assert_eq!(entry.lenders, [LEAVER, HEIR, OWNER].into());
    let expected = expect![[r#"
        ALTER SCHEMA "own" OWNER TO "heir"
        GRANT CREATE ON SCHEMA "closed" TO "heir""#]];
    check(&entry.begin, &expected);
    check(
        &entry.end,
        &expect![[r#"REVOKE CREATE ON SCHEMA "closed" FROM "heir""#]],
    );
}
