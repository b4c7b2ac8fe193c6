//! What an apply runs.

use expect_test::expect;

use super::*;

fn small(version: u32) -> World {
    World::new(version)
        .table("orders", OWNER, &[])
        .table("items", OWNER, &[])
        .function("total", OWNER, &[])
        .r#type("mood", OWNER)
}

#[tokio::test]
async fn all_is_a_few_statements() {
    small(15).runs(Some(&level("all")), None, expect![[r#"
        GRANT "app_owner" TO CURRENT_USER
        SET LOCAL lock_timeout = 300
        LOCK TABLE ONLY "sales"."orders", ONLY "sales"."items" IN ROW EXCLUSIVE MODE
        GRANT USAGE, CREATE ON SCHEMA "sales" TO "app"
        GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA "sales" TO "app"
        GRANT EXECUTE ON ALL ROUTINES IN SCHEMA "sales" TO "app"
        GRANT USAGE ON TYPE "sales"."mood" TO "app"
        ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON TABLES TO "app"
        ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT, UPDATE, USAGE ON SEQUENCES TO "app"
        ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT EXECUTE ON ROUTINES TO "app"
        ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT USAGE ON TYPES TO "app"
        REVOKE "app_owner" FROM CURRENT_USER"#]]).await;
    small(17)
        .member(OWNER, ADMIN, true)
        .runs(Some(&level("all")), None, expect![[r#"
            SET LOCAL lock_timeout = 300
            LOCK TABLE ONLY "sales"."orders", ONLY "sales"."items" IN ROW EXCLUSIVE MODE
            GRANT USAGE, CREATE ON SCHEMA "sales" TO "app"
            GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN ON ALL TABLES IN SCHEMA "sales" TO "app"
            GRANT EXECUTE ON ALL ROUTINES IN SCHEMA "sales" TO "app"
            GRANT USAGE ON TYPE "sales"."mood" TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN ON TABLES TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT, UPDATE, USAGE ON SEQUENCES TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT EXECUTE ON ROUTINES TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT USAGE ON TYPES TO "app""#]])
        .await;
}

#[tokio::test]
async fn only_what_lacks_is_named() {
    let world = small(15)
        .table("lines", OWNER, &["300=r/200"])
        .table("loaded", OTHER, &[])
        .table("own", APP, &[])
        .schema_acl(&["200=UC/200", "300=U/200"]);
    world
        .runs(
            Some(&level("read")),
            None,
            expect![[r#"
                GRANT "app_owner", "etl" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                LOCK TABLE ONLY "sales"."orders", ONLY "sales"."items", ONLY "sales"."loaded" IN ROW EXCLUSIVE MODE
                GRANT SELECT ON TABLE "sales"."items", "sales"."loaded", "sales"."orders" TO "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner", "etl" IN SCHEMA "sales" GRANT SELECT ON TABLES TO "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner", "etl" IN SCHEMA "sales" GRANT SELECT ON SEQUENCES TO "app"
                REVOKE "app_owner", "etl" FROM CURRENT_USER"#]],
        )
        .await;
}

#[tokio::test]
async fn a_lower_level_revokes_the_difference_and_nothing_else() {
    let world = World::new(15)
        .schema_acl(&["200=UC/200", "300=UC/200"])
        .table("orders", OWNER, &["300=arwdDxt/200"])
        .table("items", OWNER, &["300=arwdDxt/200"])
        .table("own", APP, &["300=arwdDxt/300"])
        .default(OWNER, "sales", "r", &["300=arwdDxt/200"])
        .default(OWNER, "sales", "S", &["300=rwU/200"])
        .default(OWNER, "sales", "f", &["300=X/200"])
        .default(OWNER, "sales", "T", &["300=U/200"]);
    world
        .runs(Some(&level("write")), Some(&level("all")), expect![[r#"
            GRANT "app_owner" TO CURRENT_USER
            SET LOCAL lock_timeout = 300
            PREPARE entradb_lock AS SELECT FROM "sales"."orders", "sales"."items" FOR KEY SHARE
            DEALLOCATE entradb_lock
            REVOKE CREATE ON SCHEMA "sales" FROM "app"
            REVOKE TRUNCATE, REFERENCES, TRIGGER ON TABLE "sales"."items", "sales"."orders" FROM "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" REVOKE TRUNCATE, REFERENCES, TRIGGER ON TABLES FROM "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" REVOKE USAGE ON TYPES FROM "app"
            REVOKE "app_owner" FROM CURRENT_USER"#]])
        .await;
}

#[tokio::test]
async fn grants_of_others_on_columns_survive_a_revoke_from_the_table() {
    let world = || {
        World::new(15)
            .schema_acl(&["200=UC/200", "300=U/200"])
            .table("orders", OWNER, &["300=raw/200"])
            .column(21000, "price", &["300=rw*/200"])
    };
    let tables = |words: &[&str]| {
        let words: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
        let block = [
            ("name", Value::from("sales")),
            ("tables", Value::List(words)),
            ("future_objects_of", Value::List(Vec::new())),
        ];
        declared(&[], &[&block])
    };
    let (now, before) = (tables(&["SELECT"]), tables(&["SELECT", "INSERT", "UPDATE"]));
    world()
        .runs(
            Some(&now),
            Some(&before),
            expect![[r#"
                GRANT "app_owner" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                PREPARE entradb_lock AS SELECT FROM "sales"."orders" FOR KEY SHARE
                DEALLOCATE entradb_lock
                SET LOCAL ROLE "app_owner"
                REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA "sales" FROM "app"
                GRANT UPDATE ("price") ON TABLE "sales"."orders" TO "app" WITH GRANT OPTION
                SET LOCAL ROLE NONE
                REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
    let now = PostgresqlAccess { exclusive: true, ..now };
    world()
        .runs(
            Some(&now),
            Some(&before),
            expect![[r#"
                GRANT "app_owner" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                PREPARE entradb_lock AS SELECT FROM "sales"."orders" FOR KEY SHARE
                DEALLOCATE entradb_lock
                REVOKE USAGE ON SCHEMA "sales" FROM "app"
                SET LOCAL ROLE "app_owner"
                REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA "sales" FROM "app"
                REVOKE SELECT ("price"), UPDATE ("price") ON TABLE "sales"."orders" FROM "app"
                SET LOCAL ROLE NONE
                REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
}

#[tokio::test]
async fn the_new_grantee_gets_it_before_the_old_one_loses_it() {
    let world = || {
        World::new(15)
            .schema_acl(&["200=UC/200", "300=U/200"])
            .table("orders", OWNER, &["300=r/200"])
            .default(OWNER, "sales", "r", &["300=r/200"])
    };
    let now = grantee("app2", level("read"));
    world()
        .runs(
            Some(&now),
            Some(&level("read")),
            expect![[r#"
                GRANT "app_owner" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                PREPARE entradb_lock AS SELECT FROM "sales"."orders" FOR KEY SHARE
                DEALLOCATE entradb_lock
                GRANT USAGE ON SCHEMA "sales" TO "app2"
                GRANT SELECT ON ALL TABLES IN SCHEMA "sales" TO "app2"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT ON TABLES TO "app2"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT ON SEQUENCES TO "app2"
                REVOKE USAGE ON SCHEMA "sales" FROM "app"
                REVOKE SELECT ON ALL TABLES IN SCHEMA "sales" FROM "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" REVOKE SELECT ON TABLES FROM "app"
                REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
    // The former name is gone: it was a rename.
    world()
        .runs(
            Some(&level("read")),
            Some(&grantee("former", level("read"))),
            expect![[r#"
            GRANT "app_owner" TO CURRENT_USER
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT ON SEQUENCES TO "app"
            REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
}

#[tokio::test]
async fn exclusive_takes_the_rest_and_never_from_an_owner() {
    let world = World::new(15)
        .schema_acl(&["200=UC/200", "300=UC/200"])
        .table("orders", OWNER, &["300=rd/200"])
        .table("granted_on", OTHER, &["300=r*/201", "300=a/200"])
        .table("own", APP, &["300=arwdDxt/300"])
        .default(OWNER, "", "f", &["300=X/200"])
        .default(OWNER, "sales", "r", &["300=r/200"])
        .default(OWNER, "sales", "S", &["300=r/200"])
        .default(OTHER, "sales", "r", &["300=rw/201"])
        .default(OTHER, "sales", "S", &["300=r/201"]);
    world
        .runs(
            Some(&exclusive("read")),
            None,
            expect![[r#"
                GRANT "app_owner", "etl" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                PREPARE entradb_lock AS SELECT FROM "sales"."orders" FOR KEY SHARE
                DEALLOCATE entradb_lock
                REVOKE CREATE ON SCHEMA "sales" FROM "app"
                REVOKE DELETE ON TABLE "sales"."orders" FROM "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "etl" IN SCHEMA "sales" REVOKE UPDATE ON TABLES FROM "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" REVOKE EXECUTE ON ROUTINES FROM "app"
                SET LOCAL ROLE "app_owner"
                REVOKE INSERT ON TABLE "sales"."granted_on" FROM "app"
                SET LOCAL ROLE NONE
                REVOKE "app_owner", "etl" FROM CURRENT_USER"#]],
        )
        .await;
}

#[tokio::test]
async fn everybody_can_lose_what_postgresql_gives() {
    let nothing = || Value::List(Vec::new());
    let declared = declared(
        &[
            ("grantee", Value::from("PUBLIC")),
            ("exclusive", Value::Bool(true)),
            ("database_privileges", Value::from(["CONNECT"])),
        ],
        &[&[("name", Value::from("sales")), ("functions", nothing())]],
    );
    small(15)
        .runs(
            Some(&declared),
            None,
            expect![[r#"
        GRANT "app_owner" TO CURRENT_USER
        REVOKE TEMPORARY ON DATABASE "app" FROM PUBLIC
        REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA "sales" FROM PUBLIC
        REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
    // And keeps it when the declaration goes.
    small(15).runs(None, Some(&declared), expect![[r""]]).await;
}

#[tokio::test]
async fn destroying_takes_what_was_declared() {
    let declared = declared(
        &[("database_privileges", Value::from(["ALL"]))],
        &[&[("name", Value::from("sales")), ("level", Value::from("read"))]],
    );
    let mut world = World::new(15)
        .schema_acl(&["200=UC/200", "300=UC/200"])
        .table("orders", OWNER, &["300=rd/200"])
        .table("own", APP, &["300=arwdDxt/300"])
        .default(OWNER, "sales", "r", &["300=r/200"])
        // Owns nothing any more, but was covered.
        .default(OTHER, "sales", "r", &["300=r/201"]);
    world.database_acl = acl(&["0=Tc/200", "200=CTc/200", "300=Tc/200"]);
    world
        .runs(
            None,
            Some(&declared),
            expect![[r#"
                GRANT "app_owner", "etl" TO CURRENT_USER
                SET LOCAL lock_timeout = 300
                PREPARE entradb_lock AS SELECT FROM "sales"."orders" FOR KEY SHARE
                DEALLOCATE entradb_lock
                REVOKE CONNECT, TEMPORARY ON DATABASE "app" FROM "app"
                REVOKE USAGE ON SCHEMA "sales" FROM "app"
                REVOKE SELECT ON TABLE "sales"."orders" FROM "app"
                ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner", "etl" IN SCHEMA "sales" REVOKE SELECT ON TABLES FROM "app"
                REVOKE "app_owner", "etl" FROM CURRENT_USER"#]],
        )
        .await;
}

#[tokio::test]
async fn hostile_names_are_names() {
    let mut world = World::new(15)
        .table("a\"; DROP TABLE x; --", OWNER, &[])
        .table("loaded", OTHER, &["300=r/201"]);
    world.roles.push(role(400, "o\"wner", false));
    world.roles.push(role(401, "{}", false));
    let world = world.table("b", 400, &[]);
    world
        .runs(Some(&grantee("{}", level("read"))), None, expect![[r#"
            GRANT "app_owner", "etl", "o""wner" TO CURRENT_USER
            SET LOCAL lock_timeout = 300
            LOCK TABLE ONLY "sales"."a""; DROP TABLE x; --", ONLY "sales"."b" IN ROW EXCLUSIVE MODE
            PREPARE entradb_lock AS SELECT FROM "sales"."loaded" FOR KEY SHARE
            DEALLOCATE entradb_lock
            GRANT USAGE ON SCHEMA "sales" TO "{}"
            GRANT SELECT ON ALL TABLES IN SCHEMA "sales" TO "{}"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner", "etl", "o""wner" IN SCHEMA "sales" GRANT SELECT ON TABLES TO "{}"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner", "etl", "o""wner" IN SCHEMA "sales" GRANT SELECT ON SEQUENCES TO "{}"
            REVOKE "app_owner", "etl", "o""wner" FROM CURRENT_USER"#]])
        .await;
}

#[tokio::test]
async fn what_does_not_exist_is_told_with_its_place() {
    let nobody = grantee("nobody", level("read"));
    World::new(15).runs(Some(&nobody), None, expect!["Role not found at grantee: There is no role nobody on the server. Create it first, for example with `entradb_postgresql_user`, and refer to that resource's `name` here."]).await;
    let nowhere = declared(
        &[],
        &[&[("name", Value::from("nowhere")), ("level", Value::from("all"))]],
    );
    World::new(15).runs(Some(&nowhere), None, expect!["Schema not found at schema: The database app has no schema nowhere. Create it first; if another resource creates it, name that one in `depends_on`."]).await;
    let creators = [
        ("name", Value::from("sales")),
        ("level", Value::from("all")),
        ("future_objects_of", Value::from(["ghost"])),
    ];
    World::new(15)
        .runs(
            Some(&declared(&[], &[&creators])),
            None,
            expect!["Role not found at schema: `future_objects_of` names ghost, which is no role of the server."],
        )
        .await;
    let maintain = [("name", Value::from("sales")), ("tables", Value::from(["MAINTAIN"]))];
    World::new(16)
        .runs(Some(&declared(&[], &[&maintain])), None, expect!["Privilege not known to the server at schema: In the schema sales, a table of PostgreSQL 16 has no privilege MAINTAIN, it has SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER."])
        .await;
}

#[tokio::test]
async fn a_membership_of_ours_is_left_as_it_was() {
    let mut world = small(16);
    world.memberships.push(with_options(OWNER, ADMIN, [true, false, true]));
    let usage = declared(
        &[],
        &[&[("name", Value::from("sales")), ("privileges", Value::from(["USAGE"]))]],
    );
    world
        .runs(
            Some(&usage),
            None,
            expect![[r#"
        GRANT "app_owner" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE
        GRANT USAGE ON SCHEMA "sales" TO "app"
        GRANT "app_owner" TO CURRENT_USER WITH INHERIT FALSE, SET TRUE"#]],
        )
        .await;
}
