//! Beside PostgreSQL's own `REASSIGN OWNED`: the same owner of every object, but for what is listed as staying.

use std::collections::BTreeMap;

use crate::config;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list};
use crate::resources::postgresql_ownership::every_kind::ONE_OF_EACH;

/// Everything that the two roles own, as the catalogues have it: what follows a table (indexes, toast, types) too.
const OWNERS: &str = "
    select i.type || ' ' || i.identity || ' of ' || s.refobjid::regrole
      from pg_shdepend s, pg_identify_object(s.classid, s.objid, 0) i
      where s.deptype = 'o' and s.refobjid in ('{old}'::regrole, '{new}'::regrole)
        and s.dbid in (0, (select oid from pg_database where datname = current_database()))
    union all select 'relation ' || oid::regclass || ' of ' || relowner::regrole from pg_class
      where relowner in ('{old}'::regrole, '{new}'::regrole)
    union all select 'type ' || oid::regtype || ' of ' || typowner::regrole from pg_type
      where typowner in ('{old}'::regrole, '{new}'::regrole)
    order by 1";

fn by_object(lines: Vec<String>) -> BTreeMap<String, String> {
    let split = |line: String| {
        let (object, owner) = line.rsplit_once(" of ").expect("an owner");
        (object.to_owned(), owner.to_owned())
    };
    lines.into_iter().map(split).collect()
}

#[tokio::test]
async fn it_comes_to_the_same_as_reassign_owned() {
    let setup = format!(
        "{ONE_OF_EACH} set role {{old}}; create schema extended; create extension citext schema extended; create table s.wide (c extended.citext);
         create view s.upon as select * from s.wide; create sequence s.of_column owned by s.wide.c;
         do $$ begin for i in 1..40 loop execute format('create table s.t%s (id serial primary key, note text unique)', i); end loop; end $$;
         reset role;"
    );
    let bench = Bench::new("reassigned", &setup).await;
    bench.run("begin; reassign owned by {old} to {new}").await;
    let expected = by_object(bench.texts(OWNERS).await);
    bench.run("rollback").await;

    let provider = bench.provider().await;
    let mut ownership = provider.resource(OWNERSHIP).create(bench.of_old(config! {})).await;
    ownership.settled().await;
    let found = by_object(bench.texts(OWNERS).await);
    let differs: Vec<&String> = expected
        .iter()
        .filter(|(object, owner)| found.get(*object) != Some(owner))
        .map(|(object, _)| object)
        .collect();
    // Exactly what is listed, with its reason.
    assert_eq!(differs, ["extension citext", "publication everything"]);
    let stays = [
        "extension citext (owner reassigned_old): an extension keeps the owner that created it",
        "publication everything (owner reassigned_old): only a superuser may own a publication of all tables",
    ];
    assert_eq!(list(ownership.get("not_movable")), stays);
    assert_eq!(found.len(), expected.len());
    assert!(expected.len() > 300, "{}", expected.len());
}
