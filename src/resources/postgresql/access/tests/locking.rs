//! What is locked before something is granted or revoked on it.

use expect_test::expect;

use super::*;

fn kinds() -> World {
    World::new(15)
        .relation("v", "totals", OWNER, &[])
        .table("orders", OWNER, &["200=arwdDxt/200", "300=w/200"])
        .relation("p", "events", OWNER, &[])
        .relation("m", "latest", OWNER, &[])
        .relation("f", "remote", OWNER, &[])
        .relation("S", "numbers", OWNER, &[])
        .table("frozen", OWNER, &["200=r/200"])
        .table("granted", APP, &[])
}

/// The statements that are there for the locks' sake.
async fn locks(world: World, room: u64, expected: Expect) {
    let (now, before) = (level("read"), level("all"));
    let job = Job {
        now: Some(&now),
        before: Some(&before),
        former: None,
    };
    let statements = world
        .look(|scene| Work::new(job, scene, room).unwrap().statements)
        .await;
    let text = statements.iter().map(|statement| statement.render(Dialect::PostgreSql));
    let words = ["SET LOCAL lock", "LOCK", "PREPARE", "DEALLOCATE"];
    let locks: Vec<String> = text
        .filter(|text| words.iter().any(|word| text.starts_with(word)))
        .collect();
    expected.assert_eq(&locks.join("\n"));
}

#[tokio::test]
async fn each_kind_is_locked_by_the_statement_that_takes_it() {
    locks(kinds(), ROOM, expect![[r#"
        SET LOCAL lock_timeout = 300
        LOCK TABLE ONLY "sales"."orders", ONLY "sales"."events" IN ROW EXCLUSIVE MODE
        PREPARE entradb_lock AS SELECT FROM "sales"."totals", "sales"."latest", "sales"."remote", "sales"."numbers", "sales"."frozen" FOR KEY SHARE
        DEALLOCATE entradb_lock"#]])
    .await;
}

#[tokio::test]
async fn no_more_is_locked_than_there_is_room_for() {
    locks(
        kinds(),
        8,
        expect![[r#"
        SET LOCAL lock_timeout = 300
        LOCK TABLE ONLY "sales"."orders" IN ROW EXCLUSIVE MODE
        PREPARE entradb_lock AS SELECT FROM "sales"."totals" FOR KEY SHARE
        DEALLOCATE entradb_lock"#]],
    )
    .await;
    locks(kinds(), 0, expect![""]).await;
}
