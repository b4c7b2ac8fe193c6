//! Snapshots of a real server's catalogues.

use crate::sql::postgres::acl::PUBLIC;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::{DatabaseCatalog, Used, large_objects};
use crate::sql::postgres::label::PrincipalKind;
use crate::sql::postgres::lock;
use crate::sql::postgres::object::{ObjectKind, Parent};
use crate::sql::postgres::server_catalog::{Dependency, DependencyKind, ServerCatalog};
use crate::sql::postgres::test_server::server;
use crate::sql::privilege::Privilege::*;
use crate::sql::privilege::Privileges;
use crate::sql::session::Session;
use crate::sql::statement::{Name, Part};
use expect_test::expect;

const EVERY_KIND: &str = include_str!("every_kind.sql");

#[tokio::test]
async fn every_kind_of_object_is_found_and_can_be_addressed() {
    let Some(server) = server() else { return };
    server.database("every_kind").await;
    server.run("postgres", "CREATE ROLE every_kind_owner SUPERUSER").await;
    server.run("every_kind", EVERY_KIND).await;
    let session = server.session("azuresu", "every_kind").await;
    let before = session.requests();
    let catalog = DatabaseCatalog::load(&session).await.unwrap();
    assert_eq!(session.requests() - before, 7);

    let schema = Name::new("we\"ird.s").unwrap();
    let shown: Vec<String> = catalog.within(&schema).map(ToString::to_string).collect();
    expect![[r#"
        table we"ird.s.child
        table we"ird.s.heir
        table we"ird.s.plain
        table we"ird.s.parent
        foreign table we"ird.s.distant
        view we"ird.s.view
        materialized view we"ird.s.totals
        sequence we"ird.s.free
        sequence we"ird.s.plain_gen_seq
        sequence we"ird.s.plain_id_seq
        function we"ird.s.f'x(integer, text[], "we""ird.s".mood, "we""ird.s".positive[])
        function we"ird.s.nothing()
        procedure we"ird.s.p(integer)
        aggregate we"ird.s.agg(integer)
        type we"ird.s.mood
        type we"ird.s.pair
        type we"ird.s.span
        domain we"ird.s.positive
        collation we"ird.s.coll
        conversion we"ird.s.conv
        operator we"ird.s.!!(NONE, integer)
        operator we"ird.s.===(integer, integer)
        operator class we"ird.s.cls using btree
        operator family we"ird.s.fam using btree
        text search configuration we"ird.s.conf
        text search dictionary we"ird.s.dict
        statistics we"ird.s.stats"#]]
    .assert_eq(&shown.join("\n"));

    let owner = Name::new("every_kind_owner").unwrap();
    move_all(&session, &catalog, &owner).await;
    let server_catalog = ServerCatalog::load(&session).await.unwrap();
    let owner = server_catalog.role("every_kind_owner").unwrap().oid;
    let moved = DatabaseCatalog::load(&session).await.unwrap();
    expect![[r#"
        language c
        language internal
        language plpgsql
        language sql
        extension plpgsql"#]]
    .assert_eq(&not_owned_by(owner, &moved));
    let database = server_catalog.database("every_kind").map(|database| database.oid);
    let owns =
        |found: &&Dependency| (found.role, found.kind, found.database) == (owner, DependencyKind::Owner, database);
    let owned: u64 = server_catalog
        .dependencies
        .iter()
        .filter(owns)
        .map(|found| found.count)
        .sum();
    assert!(owned > 30, "{owned}");
}

fn not_owned_by(owner: u32, catalog: &DatabaseCatalog) -> String {
    let others = catalog.objects.iter().filter(|object| object.owner != owner);
    others.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Grants everything on every object, and gives each to the new owner.
async fn move_all(session: &Session, catalog: &DatabaseCatalog, owner: &Name) {
    let mut kinds: Vec<ObjectKind> = Vec::new();
    let large = large_objects(session, 10).await.unwrap();
    for object in catalog.objects.iter().chain(&large) {
        kinds.push(object.kind);
        if object.extension || object.kind == ObjectKind::Extension || object.kind == ObjectKind::Language {
            continue;
        }
        if let Some(target) = object.grant_target() {
            let all = Part::list(object.kind.class().unwrap().all(catalog.version).keywords());
            session
                .execute(crate::sql!("GRANT {} ON {} TO {}", all, target, owner))
                .await
                .unwrap();
        }
        if matches!(object.parent, Some(Parent::SequenceOf(_))) {
            continue;
        }
        session
            .execute(crate::sql!("ALTER {} OWNER TO {}", object.address().unwrap(), owner))
            .await
            .unwrap();
    }
    let missing: Vec<_> = ObjectKind::all().filter(|kind| !kinds.contains(kind)).collect();
    assert_eq!(missing, [ObjectKind::Database]);
}

#[tokio::test]
async fn catalogues_have_the_numbers_that_we_know_them_by() {
    let Some(server) = server() else { return };
    let session = server.session("azuresu", "postgres").await;
    let known = "SELECT oid, relname FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::regnamespace";
    let rows = session.query(known, &[]).await.unwrap();
    let names: Vec<String> = ObjectKind::all()
        .map(|kind| {
            let row = rows.iter().find(|row| row.oid(0).unwrap() == kind.catalog()).unwrap();
            format!("{kind:?} {}", row.text(1).unwrap())
        })
        .collect();
    expect![[r#"
        Table pg_class
        PartitionedTable pg_class
        ForeignTable pg_class
        View pg_class
        MaterializedView pg_class
        Sequence pg_class
        Function pg_proc
        Procedure pg_proc
        Aggregate pg_proc
        Type pg_type
        Domain pg_type
        Collation pg_collation
        Conversion pg_conversion
        Operator pg_operator
        OperatorClass pg_opclass
        OperatorFamily pg_opfamily
        TextSearchConfiguration pg_ts_config
        TextSearchDictionary pg_ts_dict
        Statistics pg_statistic_ext
        Publication pg_publication
        ForeignDataWrapper pg_foreign_data_wrapper
        ForeignServer pg_foreign_server
        Language pg_language
        LargeObject pg_largeobject
        Extension pg_extension
        Schema pg_namespace
        Database pg_database"#]]
    .assert_eq(&names.join("\n"));
}

#[tokio::test]
async fn locks_and_parents_are_those_of_the_server() {
    let Some(server) = server() else { return };
    server.database("parents").await;
    server.run("parents", EVERY_KIND).await;
    let catalog = DatabaseCatalog::load(&server.session("azuresu", "parents").await)
        .await
        .unwrap();
    let object = |name: &str| {
        catalog
            .objects
            .iter()
            .find(|object| object.name.as_str() == name)
            .unwrap()
    };
    assert_eq!(
        object("plain").locks,
        5,
        "the table, two indexes, the toast table and its index"
    );
    assert_eq!(
        object("plain_id_seq").parent,
        Some(Parent::SequenceOf(object("plain").oid))
    );
    assert_eq!(
        object("plain_gen_seq").parent,
        Some(Parent::SequenceOf(object("plain").oid))
    );
    assert_eq!(object("free").parent, None);
    assert_eq!(object("child").parent, Some(Parent::PartitionOf(object("parent").oid)));
    assert_eq!(object("heir").parent, Some(Parent::InheritsFrom(object("plain").oid)));
    assert!(object("plpgsql").kind == ObjectKind::Extension || object("plpgsql").extension);
}

const LISTS: &str = r#"CREATE ROLE "li=st/1"; CREATE ROLE lister; CREATE SCHEMA s; CREATE TABLE s.t (a int, b int);
            CREATE TABLE s.bare (); REVOKE ALL ON s.bare FROM azuresu;
            GRANT SELECT ON s.t TO PUBLIC; GRANT INSERT, UPDATE ON s.t TO "li=st/1" WITH GRANT OPTION;
            GRANT UPDATE (b) ON s.t TO lister; SET LOCAL ROLE "li=st/1"; RESET ROLE;
            ALTER DEFAULT PRIVILEGES FOR ROLE lister GRANT SELECT ON TABLES TO "li=st/1";
            ALTER DEFAULT PRIVILEGES FOR ROLE lister IN SCHEMA s GRANT EXECUTE ON FUNCTIONS TO "li=st/1""#;

#[tokio::test]
async fn access_lists_are_read_by_number() {
    let Some(server) = server() else { return };
    server.database("lists").await;
    server.run("lists", LISTS).await;
    let session = server.session("azuresu", "lists").await;
    let roles = ServerCatalog::load(&session).await.unwrap();
    let catalog = DatabaseCatalog::load(&session).await.unwrap();
    let (hostile, lister) = (roles.role("li=st/1").unwrap().oid, roles.role("lister").unwrap().oid);
    let table = catalog
        .objects
        .iter()
        .find(|object| object.name.as_str() == "t")
        .unwrap();
    let acl = table.effective_acl(catalog.version).unwrap();
    assert_eq!(acl.granted(hostile), Privileges::of(&[Insert, Update]));
    assert_eq!(acl.granted(PUBLIC), Privileges::of(&[Select]));
    assert_eq!(
        acl.effective(&roles.inherited_by(hostile)),
        Privileges::of(&[Select, Insert, Update])
    );
    let held = acl.0.iter().find(|grant| grant.grantee == hostile).unwrap();
    assert_eq!((held.grantable, held.grantor), (Privileges::of(&[Insert, Update]), 10));
    let bare = catalog
        .objects
        .iter()
        .find(|object| object.name.as_str() == "bare")
        .unwrap();
    assert_eq!(
        bare.acl.as_ref().unwrap().0.len(),
        0,
        "everything revoked differs from nothing granted"
    );
    assert_eq!(catalog.columns.len(), 1);
    assert_eq!(catalog.columns[0].acl.granted(lister), Privileges::of(&[Update]));

    let [everywhere, schema] = &catalog.default_privileges[..] else {
        panic!("{:?}", catalog.default_privileges)
    };
    let (schema, everywhere) = if schema.schema.is_some() {
        (schema, everywhere)
    } else {
        (everywhere, schema)
    };
    assert_eq!((everywhere.creator, everywhere.class), (lister, Class::Table));
    assert_eq!(everywhere.acl.granted(lister), Class::Table.all(catalog.version));
    assert_eq!(everywhere.acl.granted(hostile), Privileges::of(&[Select]));
    assert_eq!(
        (schema.class, schema.schema.as_ref().unwrap().as_str()),
        (Class::Routine, "s")
    );
    assert_eq!(schema.acl.0.len(), 1);
}

#[tokio::test]
async fn what_runs_in_its_owners_name_is_known_with_what_it_uses() {
    let Some(server) = server() else { return };
    server.database("uses").await;
    let statements = "SET search_path = public; CREATE TABLE a (id int, \"we:ird\" text, rest int); GRANT SELECT (rest) ON a TO PUBLIC; CREATE TABLE b (x int);
        CREATE VIEW v AS SELECT id, \"we:ird\" FROM a, b; CREATE VIEW system AS SELECT relname FROM pg_class;
        CREATE RULE r AS ON INSERT TO b DO ALSO INSERT INTO a SELECT count(*) FROM v;
        CREATE FUNCTION definer() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE FUNCTION invoker() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    server.run("uses", statements).await;
    let catalog = DatabaseCatalog::load(&server.session("azuresu", "uses").await)
        .await
        .unwrap();
    let called = |oid: u32| {
        catalog
            .objects
            .iter()
            .find(|object| object.oid == oid)
            .unwrap()
            .to_string()
    };
    let columns = |used: &Used| used.columns.iter().map(ToString::to_string).collect::<Vec<_>>();
    let each = catalog.used.iter().flat_map(|(oid, used)| {
        used.iter()
            .map(|used| format!("{} uses {} {:?}", called(*oid), called(used.relation), columns(used)))
    });
    let mut lines: Vec<String> = each.chain(catalog.definers.iter().map(|oid| called(*oid))).collect();
    lines.sort();
    expect![[r#"
        function public.definer()
        table public.b uses table public.a ["id"]
        table public.b uses view public.v []
        view public.v uses table public.a ["id", "we:ird"]
        view public.v uses table public.b []"#]]
    .assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn roles_come_with_settings_memberships_and_comments() {
    let Some(server) = server() else { return };
    server.database("roles").await;
    server
        .run(
            "roles",
            "CREATE ROLE r_top CREATEROLE CONNECTION LIMIT 5; CREATE ROLE r_mid NOINHERIT; CREATE ROLE r_low LOGIN;
            GRANT r_top TO r_mid; GRANT r_mid TO r_low WITH ADMIN OPTION;
            COMMENT ON ROLE r_top IS 'it''s'; ALTER ROLE r_low SET search_path = a, b;
            ALTER ROLE r_low IN DATABASE roles SET work_mem = '8MB'",
        )
        .await;
    let session = server.session("azuresu", "roles").await;
    let catalog = ServerCatalog::load(&session).await.unwrap();
    assert_eq!(session.requests(), 4);
    let role = |name: &str| catalog.role(name).unwrap();
    let (top, mid, low) = (role("r_top"), role("r_mid"), role("r_low"));
    assert!(top.create_role && !top.login && low.login && !mid.inherit);
    assert_eq!((top.connection_limit, low.connection_limit), (Some(5), None));
    assert_eq!(top.comment.as_deref(), Some("it's"));
    assert_eq!(low.settings.get("search_path").map(String::as_str), Some("a, b"));
    let database = catalog.database("roles").unwrap();
    assert_eq!(low.database_settings[&database.oid]["work_mem"], "8MB");
    assert_eq!(catalog.assumable_by(low.oid), [top.oid, mid.oid, low.oid].into());
    if catalog.version < 16 {
        assert_eq!(catalog.inherited_by(low.oid), [mid.oid, low.oid].into());
    }
    let admin = catalog
        .memberships
        .iter()
        .find(|found| found.member == low.oid)
        .unwrap();
    assert!(admin.admin && admin.role == mid.oid);
    assert_eq!(catalog.role_name(catalog.current_role).unwrap().as_str(), "azuresu");
    assert!(database.allows_connections && database.acl.is_none() && database.owner == 10);
}

#[tokio::test]
async fn an_ordinary_role_may_read_everything() {
    let Some(server) = server() else { return };
    server.database("ordinary").await;
    server.run("ordinary", EVERY_KIND).await;
    server
        .run("postgres", "CREATE ROLE ordinary LOGIN PASSWORD 'a-token'")
        .await;
    let mut session = server.session("ordinary", "ordinary").await;
    // The other tests of this server make and drop roles meanwhile: everything here is read at one moment.
    let one_moment = crate::sql!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    let questions = [&ServerCatalog::QUESTIONS[..], &DatabaseCatalog::QUESTIONS[..]].concat();
    let before = session.requests();
    let (transaction, answers) = session.begin_and_ask(&[one_moment], &questions).await.unwrap();
    assert_eq!(transaction.requests() - before, 1);
    let roles = ServerCatalog::load(&transaction).await.unwrap();
    assert_eq!(roles.role_name(roles.current_role).unwrap().as_str(), "ordinary");
    let catalog = DatabaseCatalog::load(&transaction).await.unwrap();
    assert!(catalog.objects.len() > 30);
    assert_eq!(large_objects(&transaction, 10).await.unwrap().len(), 1);
    // Asked together with a statement, the answers come as text and mean the same.
    let asked = DatabaseCatalog::of(transaction.version(), &answers[4..]).unwrap();
    assert_eq!(asked.objects, catalog.objects);
    assert_eq!(
        (asked.columns, asked.default_privileges),
        (catalog.columns, catalog.default_privileges)
    );
    assert_eq!((asked.used, asked.definers), (catalog.used, catalog.definers));
    let asked = ServerCatalog::of(transaction.version(), &answers[..4]).unwrap();
    assert_eq!(
        (asked.current_role, asked.memberships),
        (roles.current_role, roles.memberships)
    );
    assert_eq!(
        (asked.roles, asked.dependencies.is_empty()),
        (roles.roles, roles.dependencies.is_empty())
    );
    assert_eq!(asked.databases.len(), roles.databases.len());
    transaction.rollback().await.unwrap();
    assert!(lock::budget(&session).await.unwrap() >= 6400);
}

#[tokio::test]
async fn labels_of_the_right_provider_are_bindings() {
    let Some(server) = server() else { return };
    server
        .run(
            "postgres",
            "SET LOCAL allow_system_table_mods = on; CREATE ROLE bound; CREATE ROLE unbound;
            INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'pgaadauth',
                'aadauth,oid=6f1a2b3c-0000-4000-8000-0123456789ab,type=service' FROM pg_roles WHERE rolname = 'bound';
            INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'pgaadauth-int',
                'type=service,oid=x,tenant_id=y' FROM pg_roles WHERE rolname IN ('bound', 'unbound')",
        )
        .await;
    let session = server.session("azuresu", "postgres").await;
    let catalog = ServerCatalog::load(&session).await.unwrap();
    let label = catalog.role("bound").unwrap().binding().unwrap();
    assert_eq!(label.kind, Some(PrincipalKind::Service));
    assert_eq!(catalog.role("unbound").unwrap().label, None);
}
