//! What Read says about a declaration.

use expect_test::expect;

use super::*;

#[tokio::test]
async fn everything_is_missing_where_nothing_was_granted() {
    let world = World::new(16)
        .table("orders", OWNER, &[])
        .relation("S", "orders_id_seq", OWNER, &[])
        .function("total", OWNER, &[]);
    world
        .reads(
            &level("read"),
            expect![[r#"
        future sequences of app_owner in schema sales lack SELECT
        future tables of app_owner in schema sales lack SELECT
        schema sales lacks USAGE
        sequence sales.orders_id_seq lacks SELECT
        table sales.orders lacks SELECT"#]],
        )
        .await;
}

#[tokio::test]
async fn what_everybody_may_is_not_missing() {
    let world = World::new(16).function("total", OWNER, &[]).r#type("mood", OWNER);
    world
        .reads(
            &level("all"),
            expect![[r#"
        future sequences of app_owner in schema sales lack SELECT, UPDATE, USAGE
        future tables of app_owner in schema sales lack SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
        schema sales lacks USAGE, CREATE"#]],
        )
        .await;
    let closed = World::new(16).function("total", OWNER, &["200=X/200"]);
    closed
        .reads(
            &level("write"),
            expect![[r#"
        function sales.total(integer) lacks EXECUTE
        future sequences of app_owner in schema sales lack SELECT, UPDATE, USAGE
        future tables of app_owner in schema sales lack SELECT, INSERT, UPDATE, DELETE
        schema sales lacks USAGE"#]],
        )
        .await;
}

#[tokio::test]
async fn an_owner_and_who_inherits_from_one_lack_nothing() {
    let world = World::new(16)
        .table("own", APP, &[])
        .table("inherited", OWNER, &[])
        .table("foreign", OTHER, &["201=arwdDxt/201"])
        .member(OWNER, APP, false);
    world
        .reads(
            &level("all"),
            expect![[r#"
        future sequences of etl in schema sales lack SELECT, UPDATE, USAGE
        future tables of etl in schema sales lack SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
        table sales.foreign lacks SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"#]],
        )
        .await;
}

#[tokio::test]
async fn all_is_all_of_the_version() {
    let world = |version| World::new(version).table("orders", OWNER, &["200=arwdDxtm/200", "300=arwdDxt/200"]);
    let all = declared(
        &[],
        &[&[
            ("name", Value::from("sales")),
            ("tables", Value::from(["ALL"])),
            ("future_objects_of", Value::List(Vec::new())),
        ]],
    );
    world(16).reads(&all, expect![[r""]]).await;
    world(17)
        .reads(&all, expect!["table sales.orders lacks MAINTAIN"])
        .await;
}

#[tokio::test]
async fn a_grant_on_columns_is_no_grant_on_the_table() {
    let world = || {
        World::new(16)
            .table("orders", OWNER, &[])
            .column(21000, "price", &["300=rw/200"])
    };
    world()
        .reads(
            &level("read"),
            expect![[r#"
        future sequences of app_owner in schema sales lack SELECT
        future tables of app_owner in schema sales lack SELECT
        schema sales lacks USAGE
        table sales.orders lacks SELECT
        unexpected: column price of table sales.orders has SELECT, UPDATE"#]],
        )
        .await;
    world()
        .reads(
            &exclusive("read"),
            expect![[r#"
        future sequences of app_owner in schema sales lack SELECT
        future tables of app_owner in schema sales lack SELECT
        schema sales lacks USAGE
        table sales.orders lacks SELECT
        unexpected: column price of table sales.orders has SELECT, UPDATE"#]],
        )
        .await;
}

#[tokio::test]
async fn default_privileges_cover_what_is_made_later() {
    let covered = || {
        World::new(16)
            .schema_acl(&["200=UC/200", "300=U/200"])
            .table("orders", OWNER, &["300=r/200"])
            .default(OWNER, "sales", "r", &["300=r/200"])
    };
    covered()
        .default(OWNER, "sales", "S", &["300=r/200"])
        .reads(&level("read"), expect![[r""]])
        .await;
    // Everywhere counts for the schema, unless there shall be nothing else.
    let everywhere = || covered().default(OWNER, "", "S", &["200=rwU/200", "300=r/200"]);
    everywhere().reads(&level("read"), expect![[r""]]).await;
    everywhere()
        .reads(
            &exclusive("read"),
            expect!["unexpected: future sequences of app_owner in any schema have SELECT"],
        )
        .await;
}

#[tokio::test]
async fn everybody_loses_the_execution_of_new_functions_only_everywhere() {
    let world = World::new(16)
        .schema_acl(&["200=UC/200", "300=U/200"])
        .default(OWNER, "", "f", &["200=X/200"]);
    world
        .reads(
            &level("write"),
            expect![[r#"
        future functions of app_owner in schema sales lack EXECUTE
        future sequences of app_owner in schema sales lack SELECT, UPDATE, USAGE
        future tables of app_owner in schema sales lack SELECT, INSERT, UPDATE, DELETE"#]],
        )
        .await;
}

#[tokio::test]
async fn what_belongs_to_the_platform_is_no_difference() {
    let world = World::new(16)
        .schema_acl(&["200=UC/200", "300=U/200"])
        .default(OWNER, "sales", "r", &["300=r/200"])
        .default(OWNER, "sales", "S", &["300=r/200"])
        .table("statements", 10, &["10=arwdDxt/10"])
        .table("shown_to_all", 10, &["10=arwdDxt/10", "0=r/10"]);
    world
        .reads(&level("read"), expect!["beyond: table sales.statements lacks SELECT"])
        .await;
}

#[tokio::test]
async fn from_16_on_administration_decides_for_whom_we_act() {
    let world = |version| World::new(version).table("loaded", OTHER, &[]);
    let read = declared(
        &[],
        &[&[
            ("name", Value::from("sales")),
            ("tables", Value::from(["SELECT"])),
            ("future_objects_of", Value::List(Vec::new())),
        ]],
    );
    // Azure's administrators manage every ordinary role, so it is tried.
    world(16).reads(&read, expect!["table sales.loaded lacks SELECT"]).await;
    let mut outsider = world(16);
    outsider.memberships.clear();
    outsider
        .reads(&read, expect!["beyond: table sales.loaded lacks SELECT"])
        .await;
    let mut outsider = world(15);
    outsider.memberships.clear();
    outsider.reads(&read, expect!["table sales.loaded lacks SELECT"]).await;
    let mut manager = world(16).member(OTHER, ADMIN, true);
    manager.memberships.remove(0);
    manager.reads(&read, expect!["table sales.loaded lacks SELECT"]).await;
    // What a role administers of which we are a member and do not inherit, the server does not let us grant.
    let mut indirect = world(16);
    indirect.memberships = vec![
        with_options(NEXT, ADMIN, [false, false, true]),
        with_options(OTHER, NEXT, [true, false, false]),
    ];
    indirect
        .reads(&read, expect!["beyond: table sales.loaded lacks SELECT"])
        .await;
    // A role cannot become a member of its own member, unless that is none meanwhile.
    for (version, found) in [
        (16, expect!["beyond: table sales.loaded lacks SELECT"]),
        (15, expect!["table sales.loaded lacks SELECT"]),
    ] {
        world(version).member(ADMIN, OTHER, false).reads(&read, found).await;
    }
}

#[tokio::test]
async fn a_schema_that_is_gone_is_named() {
    let declared = declared(
        &[("database_privileges", Value::from(["CONNECT", "CREATE"]))],
        &[&[("name", Value::from("gone")), ("level", Value::from("all"))]],
    );
    World::new(16)
        .reads(
            &declared,
            expect![[r#"
        database app lacks CREATE
        schema gone does not exist"#]],
        )
        .await;
}

#[tokio::test]
async fn without_exclusive_only_what_is_declared_is_looked_at() {
    let world = || {
        World::new(16)
            .schema_acl(&["200=UC/200", "300=UC/200"])
            .table("orders", OWNER, &["300=rwd/200"])
            .relation("S", "orders_id_seq", OWNER, &["300=U/200"])
            .default(OWNER, "sales", "r", &["300=rd/200"])
            .default(OWNER, "", "f", &["300=X/200"])
    };
    let read = declared(
        &[],
        &[&[("name", Value::from("sales")), ("tables", Value::from(["SELECT"]))]],
    );
    world()
        .reads(
            &read,
            expect![[r#"
        unexpected: future tables of app_owner in schema sales have DELETE
        unexpected: table sales.orders has UPDATE, DELETE"#]],
        )
        .await;
    let read = PostgresqlAccess {
        exclusive: true,
        ..read
    };
    world()
        .reads(
            &read,
            expect![[r#"
        unexpected: future functions of app_owner in any schema have EXECUTE
        unexpected: future tables of app_owner in schema sales have DELETE
        unexpected: schema sales has USAGE, CREATE
        unexpected: sequence sales.orders_id_seq has USAGE
        unexpected: table sales.orders has UPDATE, DELETE"#]],
        )
        .await;
}

#[tokio::test]
async fn an_import_declares_no_more_than_is_held_on_everything() {
    let world = || {
        World::new(16)
            .schema_acl(&["200=UC/200", "300=U/200"])
            .table("orders", OWNER, &["300=r/200"])
            .default(OWNER, "sales", "r", &["300=r/200"])
            .default(OWNER, "sales", "S", &["300=r/200"])
    };
    world().imports(expect!["level=read name=sales"]).await;
    world()
        .relation("v", "totals", OWNER, &["300=ra/200"])
        .imports(expect!["level=read name=sales"])
        .await;
    world()
        .table("secret", OWNER, &[])
        .imports(expect!["name=sales privileges=[USAGE] sequences=[SELECT]"])
        .await;
    world()
        .table("loaded", OTHER, &["300=r/201"])
        .imports(expect![
            "future_objects_of=[app_owner] name=sales privileges=[USAGE] tables=[SELECT]"
        ])
        .await;
    World::new(16).imports(expect![[r""]]).await;
    // Without sequences and without default privileges for them, it is not the level.
    let tables = World::new(16)
        .schema_acl(&["200=UC/200", "300=U/200"])
        .default(OWNER, "sales", "r", &["300=r/200"]);
    tables
        .imports(expect!["name=sales privileges=[USAGE] tables=[SELECT]"])
        .await;
}

#[tokio::test]
async fn an_import_finds_the_level_that_was_applied() {
    let world = World::new(17)
        .schema_acl(&["200=UC/200", "300=UC/200"])
        .table("orders", OWNER, &["300=arwdDxtm/200"])
        .default(OWNER, "sales", "r", &["300=arwdDxtm/200"])
        .default(OWNER, "sales", "S", &["300=rwU/200"])
        .default(OWNER, "sales", "f", &["300=X/200"])
        .default(OWNER, "sales", "T", &["300=U/200"]);
    world.imports(expect!["level=all name=sales"]).await;
}
