//! A creation that fails half-way. Terraform destroys what is left of it before it creates it anew.

use entradb::protocol::value::{Object, Value};

use crate::config;
use crate::harness::instance::Instance;
use crate::harness::message::Told;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP};
use crate::resources::world::with;
use crate::terraform::workspace::Workspace;

/// More than one transaction moves.
const TABLES: &str = "grant create on schema public to {old}, {new}; set role {new}; create table hers (id int); reset role;
    set role {old}; do $$ begin for i in 1..60 loop execute format('create table t%s (id int)', i); end loop; end $$; reset role";

/// How many tables the new owner has with the first transaction.
const HALF: u32 = 51;

const NOTES: &str = "select count(*) from pg_largeobject_metadata";

/// From now on a statement is cancelled that would give the new owner more tables than these.
async fn cancel_beyond(bench: &Bench, tables: u32) {
    let cancel = format!(
        "create function stop() returns event_trigger language plpgsql as $$ begin
           if (select count(*) from pg_class where relkind = 'r' and relowner = '{{new}}'::regrole) > {tables} then
             raise 'canceling statement due to user request' using errcode = 'query_canceled'; end if; end $$;
         create event trigger stop on ddl_command_end when tag in ('ALTER TABLE') execute function stop()"
    );
    bench.run(&cancel).await;
}

async fn cancel_no_more(bench: &Bench) {
    bench.run("drop event trigger stop; drop function stop()").await;
}

/// What a creation leaves that was cancelled there. The next command begins as Core does.
async fn failed<'a>(plugin: &'a Plugin, bench: &Bench, given: &Object, tables: u32) -> Instance<'a> {
    cancel_beyond(bench, tables).await;
    let failed = plugin.resource(OWNERSHIP).try_create(given.clone()).await;
    let failed = failed.err().expect("a failure");
    cancel_no_more(bench).await;
    assert_eq!(failed.told[0].summary, "Statement cancelled", "{:#?}", failed.told);
    let mut left = failed.left;
    assert!(left.tainted, "Terraform keeps what was begun");
    plugin.configure(config! {}).await;
    left.refresh().await;
    left
}

fn summaries(told: &[Told]) -> Vec<&str> {
    told.iter().map(|one| one.summary.as_str()).collect()
}

#[tokio::test]
async fn a_creation_that_failed_is_gone_on_with_whatever_its_end_did() {
    for (end, warnings) in [
        ("keep", &["The record of an unfinished creation stays"][..]),
        ("restore", &[][..]),
    ] {
        let bench = Bench::new(&format!("failed_{end}"), TABLES).await;
        let before = bench.picture().await;
        let plugin = bench.provider().await;
        let given = bench.of_old(config! { "on_destroy" => end });
        let mut left = failed(&plugin, &bench, &given, HALF).await;
        let moved = bench.owned_by("new").await;
        assert!((2..61).contains(&moved), "{moved} of 61");

        let planned = left.plan(given.clone()).await.expect("a plan");
        assert_eq!(planned.action, Action::Replace);
        let told = left.apply(planned).await.expect("a creation");
        assert_eq!(summaries(&told), warnings, "{end}");
        left.settled().await;
        assert_eq!((bench.owned_by("new").await, bench.count(NOTES).await), (61, 1));

        left.update(with(given, config! { "on_destroy" => "restore" })).await;
        left.destroy().await;
        assert_eq!(bench.picture().await, before, "{end}");
        let members =
            "select count(*) from pg_auth_members where roleid = '{new}'::regrole and member = '{old}'::regrole";
        assert_eq!((bench.count(members).await, bench.count(NOTES).await), (0, 0), "{end}");
    }
}

#[tokio::test]
async fn who_gives_up_is_told_of_the_record_and_it_goes_with_what_it_says() {
    let bench = Bench::new("given_up", TABLES).await;
    let plugin = bench.provider().await;
    let given = bench.of_old(config! {});
    let mut left = failed(&plugin, &bench, &given, HALF).await;
    let moved = bench.owned_by("new").await;
    let told = left.try_destroy().await.expect("an end");
    assert_eq!(
        summaries(&told),
        ["The record of an unfinished creation stays"],
        "{told:#?}"
    );
    let number = bench.texts("select oid::text from pg_largeobject_metadata").await;
    assert!(
        told[0].detail.contains(&format!("large object {}", number[0])),
        "{told:#?}"
    );
    assert_eq!(bench.owned_by("new").await, moved);

    // Whatever else is created leaves it for as long as somebody may go on with it.
    let other =
        bench.config(config! { "schemas" => Value::from(["public"]), "object_types" => Value::from(["function"]) });
    let another = async || plugin.resource(OWNERSHIP).create(other.clone()).await.destroy().await;
    another().await;
    assert_eq!(bench.count(NOTES).await, 1);
    bench.run("reassign owned by {new} to {old}").await;
    another().await;
    assert_eq!(bench.count(NOTES).await, 1, "the membership is left");
    bench
        .run("set role terraform; revoke {new} from {old}; reset role")
        .await;
    another().await;
    assert_eq!(bench.count(NOTES).await, 0);

    // Where nothing has lasted there is nothing to go on with.
    let given = with(given, config! { "previous_owner_access" => "none" });
    let mut left = failed(&plugin, &bench, &given, 0).await;
    assert_eq!((bench.owned_by("new").await, bench.count(NOTES).await), (0, 1));
    let told = left.try_destroy().await.expect("an end");
    assert_eq!(summaries(&told), [""; 0], "{told:#?}");
    assert_eq!(bench.count(NOTES).await, 0);
}

/// What Core tells of the end and of the new beginning is its own: nothing of what is private.
#[tokio::test]
async fn terraform_itself_comes_back_to_a_creation_that_failed() {
    let bench = Bench::new("failed_core", TABLES).await;
    let before = bench.picture().await;
    let declared = |end: &str| {
        format!(
            "resource \"{OWNERSHIP}\" \"app\" {{\n  server = \"{}\"\n  database = \"failed_core\"\n  owner = \"failed_core_new\"\n  \
             previous_owners = [\"failed_core_old\"]\n  on_destroy = \"{end}\"\n}}\n",
            bench.emulator.postgresql().id
        )
    };
    let workspace = Workspace::new(bench.emulator, &declared("keep"));
    cancel_beyond(&bench, HALF).await;
    let refused = workspace.run(&["apply", "-auto-approve"]).await.refused();
    refused.says(&["Statement cancelled"]);
    cancel_no_more(&bench).await;
    let again = workspace.apply().await;
    again.says(&[
        "is tainted, so must be replaced",
        "The record of an unfinished creation stays",
    ]);
    workspace.settled().await;
    workspace.write("main.tf", &declared("restore"));
    workspace.apply().await;
    workspace.destroy().await;
    assert_eq!(bench.picture().await, before);
    assert_eq!(bench.count(NOTES).await, 0);
}
