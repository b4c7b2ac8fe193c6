//! The `pgaadauth` functions and labels of the real server, held against Azure's rules and texts.

use tokio_postgres::Client;

use entradb_emulator::{Emulator, Options};

use crate::client::{Arm, administrator, connect, shared};

const CREATE: &str = "select pgaadauth_create_principal_with_oid($1, $2, $3, $4, $5)";

async fn refused(client: &Client, statement: &str) -> (String, String) {
    let error = client.batch_execute(statement).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    (error.code().code().to_owned(), error.message().to_owned())
}

#[tokio::test]
async fn a_principal_is_made_listed_and_dropped() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    let identity = Arm::new(emulator).make_identity("principal").await;
    let oid = identity["properties"]["principalId"].as_str().unwrap();
    let row = admin
        .query_one(CREATE, &[&"Prin\"cipal", &oid, &"service", &false, &false])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "Created role for \"Prin\"cipal\"");
    let list = "select * from pgaadauth_list_principals(false) as p(name, ptype, oid, tid, mfa, admin) where oid = $1";
    let row = admin.query_one(list, &[&oid]).await.unwrap();
    assert_eq!(
        (row.get::<_, String>(0), row.get::<_, String>(1)),
        ("Prin\"cipal".to_owned(), "service".to_owned())
    );
    assert_eq!(
        (row.get::<_, String>(3), row.get::<_, i32>(5)),
        (emulator.tenant_id().to_owned(), 0)
    );
    let label = "select label from pg_shseclabel where label like '%' || $1 || '%' and provider = 'pgaadauth'";
    let row = admin.query_one(label, &[&oid]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), format!("aadauth,oid={oid},type=service"));
    admin
        .batch_execute("alter role \"Prin\"\"cipal\" connection limit 5; drop role \"Prin\"\"cipal\"")
        .await
        .unwrap();
    assert!(
        admin.query_opt(list, &[&oid]).await.unwrap().is_none(),
        "the label goes with the role"
    );
}

#[tokio::test]
async fn the_functions_speak_azures_words() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    let runner = &emulator.runner().object_id;
    let error = admin
        .query(CREATE, &[&"wrong", runner, &"user", &false, &false])
        .await
        .unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        error.message(),
        "incorrect object type provided for principal, given object type: 'user', actual object type: 'service'"
    );
    assert_eq!(error.code().code(), "XX000");
    let nobody = "11111111-2222-3333-4444-555555555555";
    let error = admin
        .query(CREATE, &[&"nobody", &nobody, &"user", &false, &false])
        .await
        .unwrap_err();
    assert_eq!(
        error.as_db_error().unwrap().message(),
        format!("Could not validate AAD user {nobody} because its name is not found in the tenant.")
    );
    let elsewhere = administrator(emulator, "app").await;
    let error = elsewhere
        .query(CREATE, &[&"x", runner, &"service", &false, &false])
        .await
        .unwrap_err();
    assert_eq!(
        error.code().unwrap().code(),
        "42883",
        "they are in database postgres only"
    );
}

#[tokio::test]
async fn only_entra_administrators_bind_roles() {
    let emulator = shared().await;
    let server = emulator.postgresql();
    drop(administrator(emulator, "postgres").await);
    let plain = connect(
        emulator,
        &server.administrator,
        &server.administrator_password,
        "postgres",
    )
    .await
    .unwrap();
    let runner = &emulator.runner().object_id;
    let call = format!("select pgaadauth_create_principal_with_oid('x', '{runner}', 'service', false, false)");
    assert_eq!(refused(&plain, &call).await.0, "42501");
    plain.batch_execute("create role hopeful login").await.unwrap();
    let label = format!("security label for pgaadauth on role hopeful is 'aadauth,oid={runner},type=service'");
    assert_eq!(refused(&plain, &label).await.0, "42501");
}

#[tokio::test]
async fn a_label_has_one_form() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    let oid = "0a1b2c3d-0000-1111-2222-333344445555";
    admin.batch_execute("create role labelled login").await.unwrap();
    let label = |text: &str| format!("security label for pgaadauth on role labelled is '{text}'");
    for good in [
        "type=user",
        "type=group",
        "type=service,admin",
        "type=user,mfa",
        "type=user,admin,mfa",
    ] {
        admin
            .batch_execute(&label(&format!("aadauth,oid={oid},{good}")))
            .await
            .unwrap();
    }
    let upper = oid.to_uppercase();
    for bad in [
        format!("aadauth,oid={oid}"),
        format!("aadauth, oid={oid},type=user"),
        format!("aadauth,oid={upper},type=user"),
        format!("aadauth,oid={oid},type=app"),
        format!("aadauth,oid={oid},type=user,mfa,admin"),
        "aadauth,oid=short,type=user".to_owned(),
        String::new(),
    ] {
        assert_eq!(refused(&admin, &label(&bad)).await.0, "22023", "{bad}");
    }
    admin
        .batch_execute("security label for pgaadauth on role labelled is null")
        .await
        .unwrap();
    admin
        .batch_execute("create table labelled_table (id int)")
        .await
        .unwrap_or(());
    let table = format!("security label for pgaadauth on schema public is 'aadauth,oid={oid},type=user'");
    assert_ne!(refused(&admin, &table).await.0, "00000");
}

#[tokio::test]
async fn a_second_administrator_manages_what_the_first_one_made() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let first = administrator(emulator, "postgres").await;
    let user = emulator.add_user("second@example.com", "Second").await.unwrap();
    emulator.add_administrator(&user, "second@example.com").await.unwrap();
    let second = connect(
        emulator,
        "second@example.com",
        &emulator.database_token(&user),
        "postgres",
    )
    .await
    .unwrap();
    let identity = arm.make_identity("managed-by-two").await;
    let oid = identity["properties"]["principalId"].as_str().unwrap();
    first
        .query_one(CREATE, &[&"managed-by-two", &oid, &"service", &false, &false])
        .await
        .unwrap();
    second
        .batch_execute("alter role \"managed-by-two\" nologin")
        .await
        .unwrap();
    let inherits = "select pg_has_role(session_user, 'managed-by-two', 'usage')";
    assert!(
        !second.query_one(inherits, &[]).await.unwrap().get::<_, bool>(0),
        "to manage is not to have"
    );
    second.batch_execute("drop role \"managed-by-two\"").await.unwrap();
}

#[tokio::test]
async fn an_administrator_is_no_superuser() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    assert_eq!(refused(&admin, "select * from pg_authid").await.0, "42501");
    assert_eq!(refused(&admin, "set role azuresu").await.0, "42501");
    assert_eq!(
        refused(&admin, "select * from pg_catalog.pgaadauth_directory").await.0,
        "42501"
    );
    assert_eq!(refused(&admin, "alter role azuresu nologin").await.0, "42501");
}

#[tokio::test]
async fn every_administrator_manages_roles_made_by_plain_sql() {
    let emulator = shared().await;
    let server = emulator.postgresql();
    let entra = administrator(emulator, "app").await;
    let plain = connect(emulator, &server.administrator, &server.administrator_password, "app")
        .await
        .unwrap();
    let made = "create role legacy_user login password 'x'; create role \"legacy owner\"; grant \"legacy owner\" to legacy_user";
    plain.batch_execute(made).await.unwrap();
    entra
        .batch_execute("grant legacy_user to current_user; set role legacy_user; reset role")
        .await
        .unwrap();
    entra
        .batch_execute("revoke legacy_user from current_user; alter role \"legacy owner\" nologin")
        .await
        .unwrap();
    entra
        .batch_execute("revoke \"legacy owner\" from legacy_user")
        .await
        .unwrap_or(());
    let inherits = "select pg_has_role(session_user, 'legacy owner', 'usage')";
    assert!(!entra.query_one(inherits, &[]).await.unwrap().get::<_, bool>(0));
    entra
        .batch_execute("drop role legacy_user; drop role \"legacy owner\"")
        .await
        .unwrap();
}

#[tokio::test]
async fn an_ordinary_role_becomes_an_administrator_and_back() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    let user = emulator.add_user("changing@example.com", "Changing").await.unwrap();
    admin
        .batch_execute("create role \"changing@example.com\" login")
        .await
        .unwrap();
    let update = "select pgaadauth_update_principal_with_oid('changing@example.com', $1, 'user', $2, false)";
    let is_admin = "select pg_has_role('changing@example.com', 'azure_pg_admin', 'member')";
    for wanted in [true, false, true] {
        admin.query_one(update, &[&user, &wanted]).await.unwrap();
        assert_eq!(admin.query_one(is_admin, &[]).await.unwrap().get::<_, bool>(0), wanted);
    }
}

#[tokio::test]
async fn with_strict_roles_only_the_maker_manages_a_role_from_16_on() {
    let options = Options {
        postgresql_strict_roles: true,
        ..Options::default()
    };
    let emulator = Emulator::start(options).await.unwrap();
    let server = emulator.postgresql();
    let entra = administrator(&emulator, "postgres").await;
    let login = (&server.administrator, &server.administrator_password);
    let plain = connect(&emulator, login.0, login.1, "postgres").await.unwrap();
    plain.batch_execute("create role legacy_user").await.unwrap();
    let refused = entra.batch_execute("grant legacy_user to current_user").await;
    assert_eq!(refused.is_err(), server.major >= 16, "{refused:?}");
    let user = emulator.add_user("own@example.com", "Own").await.unwrap();
    let made = format!("select pgaadauth_create_principal_with_oid('own', '{user}', 'user', false, false)");
    entra.batch_execute(&made).await.unwrap();
    entra
        .batch_execute("grant own to current_user; drop role own")
        .await
        .unwrap();
}
