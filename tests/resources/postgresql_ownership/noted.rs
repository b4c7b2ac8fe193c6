//! The note of a record, and the formats that it may have.

use entradb::protocol::value::Value;

use crate::config;
use crate::harness::message::Told;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, next};
use crate::resources::world::with;

const TABLES: &str = "grant create on schema public to {old}; set role {old};
    create table one (id serial); create view two as select 1 as x; reset role";

const TEXT: &str = "select obj_description(oid, 'pg_largeobject') from pg_largeobject_metadata";

/// Writes another beginning of the note: a format of its own, or none at all.
async fn as_of(bench: &Bench, version: &str) {
    let rewrite = format!(
        "do $$ declare number oid; begin for number in select oid from pg_largeobject_metadata loop
            execute format('comment on large object %s is %L', number, regexp_replace(
                obj_description(number, 'pg_largeobject'), '{{(\"version\":[0-9]+,)?', '{{{version}'));
         end loop; end $$"
    );
    bench.run(&rewrite).await;
}

fn refusal(told: &[Told]) -> &str {
    let said: Vec<&str> = told.iter().map(|one| one.summary.as_str()).collect();
    assert_eq!(said, ["Record of a newer provider"], "{told:#?}");
    &told[0].detail
}

#[tokio::test]
async fn a_note_of_a_newer_provider_is_refused_and_left_as_it_is() {
    let bench = Bench::new("newer", TABLES).await;
    let before = bench.picture().await;
    let (plugin, second) = (bench.provider().await, bench.provider().await);
    let resource = plugin.resource(OWNERSHIP);
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let mut ownership = resource.create(given.clone()).await;
    as_of(&bench, r#""version":2,"#).await;
    let written = bench.texts(TEXT).await;

    let creation = resource.try_create(given.clone()).await.err().expect("a refusal");
    let detail = refusal(&creation.told);
    assert!(
        detail.contains("format 2") && detail.contains("up to format 1"),
        "{detail}"
    );
    assert!(!creation.left.exists(), "nothing was begun");
    let changed = with(given.clone(), config! { "previous_owner_access" => "none" });
    refusal(&ownership.try_update(changed).await.expect_err("a refusal"));
    refusal(&ownership.try_destroy().await.expect_err("a refusal"));
    assert_eq!(bench.texts(TEXT).await, written);
    assert_eq!(bench.owned_by("new").await, 3, "nothing was given back");
    let mut forgetful = next(ownership, &second);
    let private = std::mem::take(&mut forgetful.private);
    refusal(&forgetful.try_refresh().await.expect_err("a refusal"));
    // Another resource has nothing to do with it.
    let other =
        bench.config(config! { "schemas" => Value::from(["public"]), "object_types" => Value::from(["function"]) });
    resource.create(other).await.destroy().await;

    // The first notes did not say their format.
    as_of(&bench, "").await;
    forgetful.private = private;
    forgetful.destroy().await;
    assert_eq!(bench.picture().await, before);
}
