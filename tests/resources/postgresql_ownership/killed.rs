//! What Terraform has of a provider that was killed before it answered: nothing of a creation, and of an update the state of before without what
//! is private. The storms strike at every statement; here people go another way afterwards.

use entradb::protocol::value::Object;

use crate::config;
use crate::harness::instance::{Found, Instance};
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next};
use crate::resources::world::{literal, with};

const TABLES: &str = "create role {database}_next login; grant create on schema public to {old}, {new};
    set role {new}; create table hers (id int); reset role;
    set role {old}; create table one (id serial); create view two as select 1 as x; grant select on one to {new}; reset role";

/// Whose the notes in a database are, and who may read them.
const NOTES: &str =
    "select format('%s %s', lomowner::regrole, array_to_string(lomacl, ' ') ~ '(^| )=r/') from pg_largeobject_metadata";

/// A database whose objects can be restored, what it looks like before, and the configuration.
async fn prepared(database: &str) -> (Bench, Vec<String>, Object) {
    let bench = Bench::new(database, TABLES).await;
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let before = bench.picture().await;
    (bench, before, given)
}

/// An update to another owner, which is done and of which Terraform hears nothing.
async fn killed_after_an_update<'a>(
    bench: &Bench,
    (given, changed): (&Object, &Object),
    plugins: (&'a Plugin, &'a Plugin),
) -> Instance<'a> {
    let made = plugins.0.resource(OWNERSHIP).create(given.clone()).await;
    let kept = (made.config.clone(), made.state.clone(), made.identity.clone());
    let mut updated = made;
    assert_eq!(updated.update(changed.clone()).await, Action::Update);
    assert_eq!(bench.owned_by("next").await, 3);
    let mut left = next(updated, plugins.1);
    (left.config, left.state, left.identity) = kept;
    left.private = Vec::new();
    left
}

fn to_next(bench: &Bench, given: &Object) -> Object {
    with(given.clone(), config! { "owner" => bench.role("next") })
}

#[tokio::test]
async fn an_update_without_an_answer_is_given_back() {
    let (bench, before, given) = prepared("unanswered").await;
    let (first, second) = (bench.provider().await, bench.provider().await);
    let changed = to_next(&bench, &given);
    let left = killed_after_an_update(&bench, (&given, &changed), (&first, &second)).await;
    left.destroy().await;
    assert_eq!(bench.picture().await, before, "also without a refresh");
    let members = "select count(*) from pg_auth_members where member = '{old}'::regrole or member = '{new}'::regrole";
    assert_eq!(bench.count(members).await, 0);
}

#[tokio::test]
async fn an_update_without_an_answer_is_taken_back() {
    let (bench, before, given) = prepared("reverted").await;
    let (first, second) = (bench.provider().await, bench.provider().await);
    let changed = to_next(&bench, &given);
    let mut left = killed_after_an_update(&bench, (&given, &changed), (&first, &second)).await;
    assert_eq!(left.refresh().await, Found::Changed);
    let expected = [
        "role reverted_new (member of reverted_next)",
        "role reverted_old (member of reverted_next)",
        "role reverted_old (no member of reverted_new)",
        "table public.one (owner reverted_next)",
        "view public.two (owner reverted_next)",
    ];
    assert_eq!(list(left.get("pending")), expected);
    assert_eq!(left.update(given).await, Action::Update);
    left.settled().await;
    assert_eq!(bench.owned_by("next").await, 0);
    left.destroy().await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn a_creation_without_an_answer_is_known_again() {
    let (bench, before, given) = prepared("unheard").await;
    let provider = bench.provider().await;
    provider.resource(OWNERSHIP).create(given.clone()).await;
    assert_eq!(
        bench.texts(NOTES).await,
        ["azure_pg_admin t"],
        "it is in no role's way, and whoever dumps the database can read it"
    );
    let again = provider.resource(OWNERSHIP).create(given.clone()).await;
    assert_eq!(bench.texts(NOTES).await.len(), 1, "and goes on in the same note");
    again.destroy().await;
    assert_eq!(bench.picture().await, before);

    let kept = with(given, config! { "on_destroy" => "keep" });
    provider.resource(OWNERSHIP).create(kept).await.destroy().await;
    assert_eq!(bench.owned_by("new").await, 4);
    assert_eq!(bench.count("select count(*) from pg_largeobject_metadata").await, 0);
}

/// A record says who gets what, so that of an ordinary role must not be believed.
#[tokio::test]
async fn only_an_administrator_is_believed() {
    let (bench, _, given) = prepared("forged").await;
    let provider = bench.provider().await;
    let ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    let comment = "select obj_description(oid, 'pg_largeobject') from pg_largeobject_metadata";
    let written = bench.texts(comment).await.remove(0);
    ownership.destroy().await;
    assert!(written.contains("table public.hers"), "{written}");
    // As if the new owner had had nothing from the start.
    let own = written.find("\"own\":[[").expect("what she had from the start");
    let end = own + written[own..].find("]]],").expect("an end") + 4;
    let forged = format!("{}\"own\":[],{}", &written[..own], &written[end..]);
    for (forger, hers_goes) in [("{old}", false), ("azure_pg_admin", true)] {
        let forge = format!(
            "do $$ declare number oid := lo_create(0); begin execute format('comment on large object %s is %L', number, {});
             execute format('alter large object %s owner to {forger}', number); end $$",
            literal(&forged)
        );
        bench.run(&forge).await;
        let ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
        ownership.destroy().await;
        let owner = "select relowner::regrole::text from pg_class where relname = 'hers'";
        let expected = if hers_goes { "forged_old" } else { "forged_new" };
        assert_eq!(bench.texts(owner).await, [expected], "a note of {forger}");
    }
}
