//! In whose name something is taken back.

use expect_test::expect;

use super::*;

#[tokio::test]
async fn what_the_owner_granted_is_revoked_in_its_name_where_another_may_be_taken_for_it() {
    let world = |version| {
        World::new(version)
            .schema_acl(&["200=UC/200"])
            .table("orders", OWNER, &["200=arwdDxt/200", "100=r*/200", "300=r/200"])
            .table("items", OWNER, &["200=arwdDxt/200", "300=r/200"])
    };
    world(15)
        .runs(
            None,
            Some(&level("read")),
            expect![[r#"
        GRANT "app_owner" TO CURRENT_USER
        SET LOCAL lock_timeout = 300
        LOCK TABLE ONLY "sales"."orders", ONLY "sales"."items" IN ROW EXCLUSIVE MODE
        REVOKE SELECT ON TABLE "sales"."items" FROM "app"
        SET LOCAL ROLE "app_owner"
        REVOKE SELECT ON TABLE "sales"."orders" FROM "app"
        SET LOCAL ROLE NONE
        REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
    // Grant options on the table are good for its columns.
    let column = world(15).column(21000, "price", &["300=r/200"]);
    column
        .runs(
            Some(&exclusive("read")),
            Some(&exclusive("read")),
            expect![[r#"
            GRANT "app_owner" TO CURRENT_USER
            SET LOCAL lock_timeout = 300
            LOCK TABLE ONLY "sales"."orders" IN ROW EXCLUSIVE MODE
            GRANT USAGE ON SCHEMA "sales" TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT ON TABLES TO "app"
            ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "sales" GRANT SELECT ON SEQUENCES TO "app"
            SET LOCAL ROLE "app_owner"
            REVOKE SELECT ("price") ON TABLE "sales"."orders" FROM "app"
            SET LOCAL ROLE NONE
            REVOKE "app_owner" FROM CURRENT_USER"#]],
        )
        .await;
    // We have the owner's privileges and cannot become it: what cannot be taken back stays.
    let mut without_set = world(16);
    without_set.memberships = vec![with_options(OWNER, ADMIN, [false, true, false])];
    without_set
        .runs(
            None,
            Some(&level("read")),
            expect![[r#"
        SET LOCAL lock_timeout = 300
        LOCK TABLE ONLY "sales"."items" IN ROW EXCLUSIVE MODE
        REVOKE SELECT ON TABLE "sales"."items" FROM "app""#]],
        )
        .await;
}

#[tokio::test]
async fn columns_that_another_granted_are_granted_again_in_its_name() {
    let world = World::new(15)
        .schema_acl(&["200=UC/200", "201=U/200", "300=U/200"])
        .table("orders", OWNER, &["200=arwdDxt/200", "201=w*/200", "300=w/201"])
        .column(21000, "price", &["300=w/201"]);
    let before = declared(
        &[],
        &[&[
            ("name", Value::from("sales")),
            ("tables", Value::from(["UPDATE"])),
            ("future_objects_of", Value::List(Vec::new())),
        ]],
    );
    world
        .runs(
            None,
            Some(&before),
            expect![[r#"
        GRANT "app_owner", "etl" TO CURRENT_USER
        SET LOCAL ROLE "etl"
        REVOKE UPDATE ON ALL TABLES IN SCHEMA "sales" FROM "app"
        GRANT UPDATE ("price") ON TABLE "sales"."orders" TO "app"
        SET LOCAL ROLE NONE
        REVOKE "app_owner", "etl" FROM CURRENT_USER"#]],
        )
        .await;
}
