//! `entradb_postgresql_access`

mod edges;
mod grantors;
mod locking;
mod migrating;
mod reach;
mod stage;

use entradb::protocol::value::Value;
use stage::{ADMINISTRATOR, Stage, TYPE, lines, new_role};

use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::{block, config};

const TABLES: &str = "
    set role {owner};
    create table sales.orders (id serial primary key, price int);
    create view sales.totals as select sum(price) from sales.orders;
    create function sales.total(a int, b text) returns int language sql as 'select 1';
    create type sales.mood as enum ('good');
    reset role;
    set role {etl}; create table sales.loaded (id int); reset role;";

#[tokio::test]
async fn a_whole_life() {
    let stage = Stage::new("life", TABLES).await;
    let mut all = stage.level("all");
    all.extend(config! { "database_privileges" => ["CONNECT", "TEMP"] });
    let mut access = stage.create(all.clone()).await;
    assert_eq!(access.get("host"), &Value::from("pg-data.postgres.database.azure.com"));
    assert_eq!(lines(access.get("missing")), Vec::<&str>::new());
    access.settled().await;
    stage.nothing_is_borrowed().await;
    // As the application, with what is there.
    stage
        .by_hand("set role {app}; insert into sales.orders (price) values (1); select * from sales.totals; create table sales.mine (m sales.mood); reset role;")
        .await;
    // And with what is made later, by whomever.
    stage
        .by_hand(
            "set role {owner}; create table sales.later (id serial); reset role;
             set role {etl}; create table sales.loaded_later (id int); reset role;
             set role {app}; insert into sales.later default values; insert into sales.loaded_later values (1); reset role;",
        )
        .await;
    access.settled().await;
    // Its own table is no difference, and is not given away at the end.
    let place = stage.place();
    let mut write = stage.level("write");
    write.extend(config! { "database_privileges" => ["CONNECT", "TEMPORARY"] });
    assert_eq!(access.update(write).await, Action::Update);
    access.settled().await;
    for statement in stage.sent_since(place) {
        let kept = ["SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "CONNECT", "TEMP"];
        let revoke = statement.strip_prefix("REVOKE").or(statement.split(" REVOKE ").nth(1));
        let taken = revoke.unwrap_or_default();
        assert!(!kept.iter().any(|kept| taken.contains(kept)), "{statement}");
    }
    assert!(stage.can("DELETE", "sales.loaded_later").await);
    assert!(!stage.can("TRUNCATE", "sales.orders").await);
    assert!(stage.can("TRUNCATE", "sales.mine").await);
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    assert!(stage.can("TRUNCATE", "sales.mine").await);
    stage.nothing_is_borrowed().await;
}

#[tokio::test]
async fn what_was_taken_by_hand_is_named_and_given_again() {
    let stage = Stage::new("drift", TABLES).await;
    let mut access = stage.create(stage.level("write")).await;
    stage.by_hand(&new_role(stage.emulator, "drift_new")).await;
    stage
        .by_hand(
            "revoke insert, update on sales.orders from {app}; revoke usage on schema sales from {app};
             grant usage, create on schema sales to drift_new;
             set role drift_new; create table sales.fresh (id int);",
        )
        .await;
    assert_eq!(access.refresh().await, Found::Changed);
    assert_eq!(
        lines(access.get("missing")),
        [
            "future sequences of drift_new in schema sales lack SELECT, UPDATE, USAGE",
            "future tables of drift_new in schema sales lack SELECT, INSERT, UPDATE, DELETE",
            "schema sales lacks USAGE",
            "table sales.fresh lacks SELECT, INSERT, UPDATE, DELETE",
            "table sales.orders lacks INSERT, UPDATE",
        ]
    );
    assert_eq!(access.get("missing_count"), &Value::from(5));
    let planned = access.plan(stage.level("write")).await.expect("a plan");
    assert_eq!(planned.get("missing"), &Value::List(Vec::new()));
    let place = stage.place();
    assert_eq!(access.update(stage.level("write")).await, Action::Update);
    access.settled().await;
    assert!(stage.can("UPDATE", "sales.fresh").await);
    let revokes = |text: &String| text.contains("REVOKE") && !text.contains("CURRENT_USER");
    assert!(
        !stage.sent_since(place).iter().any(revokes),
        "nothing is taken to give it"
    );
}

#[tokio::test]
async fn exclusive_lists_and_takes_everything_else() {
    let stage = Stage::new("exclusive", TABLES).await;
    let mut declared = stage.level("read");
    let mut access = stage.create(declared.clone()).await;
    stage
        .by_hand(
            "grant update (price) on sales.orders to {app}; grant delete on sales.loaded to {app};
             create table public.elsewhere (id int); grant select on public.elsewhere to {app};
             alter table public.elsewhere owner to {owner};
             alter default privileges for role {owner} grant select on tables to {app};
             grant create on database {database} to {app};",
        )
        .await;
    // Only told: it makes no change.
    access.refresh().await;
    assert_eq!(
        lines(access.get("unexpected")),
        [
            "column price of table sales.orders has UPDATE",
            "table sales.loaded has DELETE"
        ]
    );
    assert_eq!(access.update(declared.clone()).await, Action::NoOp);
    declared.extend(config! { "exclusive" => true });
    assert_eq!(access.update(declared.clone()).await, Action::Update);
    access.settled().await;
    stage.by_hand("grant delete on sales.loaded to {app}").await;
    access.refresh().await;
    assert_eq!(lines(access.get("unexpected")), ["table sales.loaded has DELETE"]);
    let planned = access.plan(declared.clone()).await.expect("a plan");
    assert_eq!(planned.get("unexpected"), &Value::List(Vec::new()));
    assert_eq!(access.update(declared.clone()).await, Action::Update);
    access.settled().await;
    assert!(!stage.can("DELETE", "sales.loaded").await && stage.can("SELECT", "sales.loaded").await);
    assert!(!stage.can("SELECT", "public.elsewhere").await);
    let column = "has_column_privilege('exclusive_app', 'sales.orders', 'price', 'UPDATE')";
    assert!(!stage.is_true(column).await);
    assert!(
        !stage
            .is_true("has_database_privilege('exclusive_app', current_database(), 'CREATE')")
            .await
    );
    // What another than the owner granted is taken back in that role's name.
    stage
        .by_hand("grant select on sales.loaded to {owner} with grant option; set role {owner}; grant select on sales.loaded to {app2}; reset role;
                  grant insert on sales.orders to {etl} with grant option; set role {etl}; grant insert on sales.orders to {app}; reset role;")
        .await;
    access.refresh().await;
    assert_eq!(lines(access.get("unexpected")), ["table sales.orders has INSERT"]);
    assert_eq!(access.update(declared).await, Action::Update);
    access.settled().await;
    stage.nothing_is_borrowed().await;
}

#[tokio::test]
async fn the_grantee_changes_in_place_and_a_rename_takes_nothing() {
    let stage = Stage::new("grantee", TABLES).await;
    let mut access = stage.create(stage.level("write")).await;
    let mut other = stage.level("write");
    other.extend(config! { "grantee" => "grantee_app2" });
    let place = stage.place();
    assert_eq!(access.update(other.clone()).await, Action::Update);
    access.settled().await;
    let sent = stage.sent_since(place);
    let at = |found: &dyn Fn(&String) -> bool| sent.iter().position(found);
    let given = sent.iter().rposition(|text| text.contains("TO \"grantee_app2\""));
    let taken = at(&|text| text.contains("FROM \"grantee_app\""));
    assert!(given.is_some() && given <= taken, "{sent:#?}");
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.by_hand("alter role {app2} rename to grantee_renamed").await;
    let mut renamed = stage.level("write");
    renamed.extend(config! { "grantee" => "grantee_renamed" });
    let place = stage.place();
    assert_eq!(access.update(renamed).await, Action::Update);
    let sent = stage.sent_since(place);
    assert!(
        !sent
            .iter()
            .any(|text| text.starts_with("GRANT") || text.contains("REVOKE")),
        "{sent:#?}"
    );
    access.settled().await;
}

#[tokio::test]
async fn a_new_role_with_the_former_name_keeps_what_it_has() {
    let stage = Stage::new("reused", TABLES).await;
    let mut access = stage.create(stage.level("write")).await;
    // As an older version of the provider left it.
    access.private = br#"{"refused":[]}"#.to_vec();
    access.refresh().await;
    stage
        .by_hand("alter role {app} rename to reused_moved; create role {app}; grant select on sales.orders to {app}")
        .await;
    let mut moved = stage.level("read");
    moved.extend(config! { "grantee" => "reused_moved" });
    assert_eq!(access.update(moved).await, Action::Update);
    access.settled().await;
    assert!(stage.can("SELECT", "sales.orders").await);
    let narrowed = "has_table_privilege('reused_moved', 'sales.orders', 'SELECT')
                    and not has_table_privilege('reused_moved', 'sales.orders', 'INSERT')";
    assert!(stage.is_true(narrowed).await);
    stage
        .by_hand("alter role reused_moved rename to reused_gone; alter role {app} rename to reused_moved")
        .await;
    access.destroy().await;
    assert!(
        stage
            .is_true("has_table_privilege('reused_moved', 'sales.orders', 'SELECT')")
            .await
    );
}

#[tokio::test]
async fn a_grantee_that_was_made_anew_is_the_one_that_the_next_look_finds() {
    let stage = Stage::new("anew", TABLES).await;
    let mut access = stage.create(stage.level("read")).await;
    stage
        .by_hand(
            "drop owned by {app}; drop role {app}; create role {app};
             set role {owner}; grant select on sales.orders to {app}; reset role",
        )
        .await;
    access.refresh().await;
    let mut other = stage.level("read");
    other.extend(config! { "grantee" => "anew_app2" });
    assert_eq!(access.update(other).await, Action::Update);
    assert_eq!(stage.privileges_of("app").await, 0);
    assert_ne!(stage.privileges_of("app2").await, 0);
}

#[tokio::test]
async fn everybody_loses_what_postgresql_gives_and_gets_it_never_back_by_itself() {
    let stage = Stage::new("everybody", TABLES).await;
    let nothing = || Value::List(Vec::new());
    let declared = stage.declared(config! {
        "grantee" => "public",
        "exclusive" => true,
        "database_privileges" => nothing(),
        "schema" => vec![block! { "name" => "sales", "functions" => nothing() }],
    });
    // The way in of Terraform itself is not among what everybody loses.
    let refused = stage.plugin.resource(TYPE).try_create(declared.clone()).await;
    let Err(refused) = refused else {
        panic!("nobody could connect")
    };
    assert_eq!(refused.told[0].summary, "Terraform would be locked out");
    let execute = "has_function_privilege('everybody_app', 'sales.total(int, text)', 'EXECUTE')";
    assert!(stage.is_true(execute).await);
    let mut own = stage.declared(config! { "database_privileges" => ["CONNECT"] });
    own.extend(config! { "grantee" => ADMINISTRATOR });
    let own = stage.create(own).await;
    let mut access = stage.create(declared.clone()).await;
    access.settled().await;
    assert!(
        !stage
            .is_true("has_database_privilege('everybody_app', current_database(), 'CONNECT')")
            .await
    );
    assert!(!stage.is_true(execute).await);
    stage
        .by_hand("set role {owner}; create function sales.fresh() returns int language sql as 'select 1'; reset role;")
        .await;
    access.refresh().await;
    assert_eq!(lines(access.get("unexpected")), ["function sales.fresh() has EXECUTE"]);
    assert_eq!(access.update(declared).await, Action::Update);
    access.settled().await;
    access.destroy().await;
    assert!(!stage.is_true(execute).await);
    own.destroy().await;
    assert!(
        stage
            .is_true("has_database_privilege('terraform', current_database(), 'CONNECT')")
            .await
    );
}

#[tokio::test]
async fn imports_by_id_and_by_identity_settle() {
    let stage = Stage::new("import", TABLES).await;
    for declared in [
        stage.level("all"),
        stage.level("write"),
        stage.level("read"),
        stage.declared(config! {
            "database_privileges" => ["ALL"],
            "schema" => vec![
                block! { "name" => "sales", "privileges" => ["USAGE"], "tables" => ["SELECT", "INSERT"], "future_objects_of" => ["import_owner"] },
            ],
        }),
    ] {
        let made = stage.create(declared.clone()).await;
        let mut imported = stage.plugin.resource(TYPE).import(&stage.id()).await;
        imported.settled_as(declared.clone()).await;
        let generated = imported.generated_config().await;
        imported.settled_as(generated).await;
        let identity = config! {
            "server" => stage.emulator.postgresql().id.as_str(),
            "database" => "import",
            "grantee" => "import_app",
        };
        let other = stage.plugin.resource(TYPE).try_import_identity(identity).await;
        let Ok(other) = other else { panic!("it is found") };
        assert_eq!(other.state, imported.state);
        made.destroy().await;
        assert_eq!(stage.privileges_of("app").await, 0);
    }
    let nobody = stage.id().replace("import_app", "nobody");
    assert!(stage.plugin.resource(TYPE).try_import(&nobody).await.is_err());
    let nowhere = stage.id().replace("|import|", "|nowhere|");
    assert!(stage.plugin.resource(TYPE).try_import(&nowhere).await.is_err());
}

/// MAINTAIN came with version 17; an older server does not know the word.
#[tokio::test]
async fn everything_contains_maintaining_where_the_server_has_it() {
    let stage = Stage::new("maintain", TABLES).await;
    let place = stage.place();
    let mut access = stage.create(stage.level("all")).await;
    access.settled().await;
    if stage.emulator.postgresql().major < 17 {
        assert!(stage.can("TRUNCATE", "sales.orders").await);
        let mut sent = stage.sent_since(place);
        sent.retain(|text| text.starts_with("GRANT") || text.starts_with("ALTER DEFAULT"));
        assert!(sent.iter().any(|text| text.contains("TRUNCATE")), "{sent:#?}");
        assert!(!sent.iter().any(|text| text.contains("MAINTAIN")), "{sent:#?}");
        return;
    }
    stage
        .by_hand("set role {etl}; create table sales.later (); reset role;")
        .await;
    for table in ["sales.orders", "sales.totals", "sales.loaded", "sales.later"] {
        assert!(stage.can("MAINTAIN", table).await, "{table}");
    }
    stage.by_hand("revoke maintain on sales.orders from {app}").await;
    access.refresh().await;
    assert_eq!(lines(access.get("missing")), ["table sales.orders lacks MAINTAIN"]);
    access.update(stage.level("all")).await;
    access.settled().await;
    assert!(stage.can("MAINTAIN", "sales.orders").await);
    access.update(stage.level("write")).await;
    access.settled().await;
    assert!(!stage.can("MAINTAIN", "sales.orders").await && !stage.can("MAINTAIN", "sales.later").await);
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
}
