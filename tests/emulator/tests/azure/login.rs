//! Logins at the front of the database: tokens, passwords, texts of refusal, cancelling, direct TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Arm, Tls, administrator, connect, connector, refusal, shared};

#[tokio::test]
async fn an_administrator_logs_in_with_its_own_token() {
    let emulator = shared().await;
    let client = administrator(emulator, "postgres").await;
    let row = client
        .query_one(
            "select session_user::text, rolsuper from pg_roles where rolname = session_user",
            &[],
        )
        .await;
    let row = row.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, bool>(1)), ("terraform", false));
    let login = emulator
        .logins()
        .into_iter()
        .find(|login| login.user == "terraform" && login.refusal.is_none());
    assert_eq!(login.unwrap().server, "pg-data.postgres.database.azure.com");
}

#[tokio::test]
async fn a_token_that_does_not_fit_is_refused_in_azures_words() {
    let emulator = shared().await;
    drop(administrator(emulator, "postgres").await);
    let runner = &emulator.runner().object_id;
    let resource = "https://ossrdbms-aad.database.windows.net";

    let wrong_audience = emulator.access_token(runner, "https://management.azure.com/");
    assert_eq!(
        refusal(emulator, "terraform", &wrong_audience, "app").await.1,
        "The access token does not have a valid audience claim. Please acquire a new token for the resource \
         \"https://ossrdbms-aad.database.windows.net\"."
    );
    let expired = emulator.expired_token(runner, resource);
    assert!(
        refusal(emulator, "terraform", &expired, "app")
            .await
            .1
            .contains("expired")
    );
    let cut = &emulator.database_token(runner)[..1000];
    assert!(
        refusal(emulator, "terraform", cut, "app")
            .await
            .1
            .starts_with("The access token has invalid format.")
    );
    let other = emulator
        .add_application("somebody else", entradb_emulator::Access::None)
        .await
        .unwrap();
    let foreign = emulator.database_token(&other.object_id);
    let expected = format!(
        "Service principal oid mismatch for role \"The oid in the security label [{runner}] does not match the appid [{}] or \
         oid [{}] in the token.\"",
        other.client_id, other.object_id
    );
    assert_eq!(refusal(emulator, "terraform", &foreign, "app").await.1, expected);
    let unknown = refusal(emulator, "nobody-here", &emulator.database_token(runner), "app").await;
    assert_eq!(
        unknown,
        (
            "28P01".to_owned(),
            "password authentication failed for user \"nobody-here\"".to_owned()
        )
    );
    let platform = refusal(emulator, "azuresu", &emulator.database_token(runner), "app").await;
    assert_eq!(platform.0, "28P01");
}

#[tokio::test]
async fn a_member_of_a_group_logs_in_as_the_group() {
    let emulator = shared().await;
    let admin = administrator(emulator, "postgres").await;
    let user = emulator.add_user("ada@example.com", "Ada").await.unwrap();
    let group = emulator.add_group("readers", &[&user]).await.unwrap();
    let create = "select pgaadauth_create_principal_with_oid($1, $2, $3, false, false)";
    admin.query_one(create, &[&"readers", &group, &"group"]).await.unwrap();
    admin
        .query_one(create, &[&"ada@example.com", &user, &"user"])
        .await
        .unwrap();

    let token = emulator.database_token(&user);
    let client = connect(emulator, "readers", &token, "app").await.unwrap();
    assert_eq!(
        client
            .query_one("select session_user::text", &[])
            .await
            .unwrap()
            .get::<_, &str>(0),
        "readers"
    );
    connect(emulator, "ada@example.com", &token, "app").await.unwrap();
    emulator.set_member(&group, &user, false);
    assert_eq!(refusal(emulator, "readers", &token, "app").await.0, "28P01");
    let app = emulator.database_token(&emulator.runner().object_id);
    assert_eq!(
        refusal(emulator, "ada@example.com", &app, "app").await.1,
        "Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[ada@example.com]"
    );
}

#[tokio::test]
async fn a_password_role_logs_in_with_its_password() {
    let emulator = shared().await;
    let server = emulator.postgresql();
    let admin = connect(emulator, &server.administrator, &server.administrator_password, "app")
        .await
        .unwrap();
    admin
        .batch_execute("create role old_user login password 'old secret'")
        .await
        .unwrap();
    connect(emulator, "old_user", "old secret", "app").await.unwrap();
    assert_eq!(refusal(emulator, "old_user", "wrong", "app").await.0, "28P01");
    // Stock PostgreSQL answers what comes after the password.
    assert_eq!(refusal(emulator, "old_user", "old secret", "nowhere").await.0, "3D000");
    assert_eq!(
        refusal(emulator, "old_user", "old secret", "azure_sys").await.0,
        "42501"
    );
}

#[tokio::test]
async fn without_tls_nobody_comes_in() {
    let emulator = shared().await;
    let mut config = tokio_postgres::Config::new();
    config
        .user("pgadmin")
        .password("x")
        .dbname("app")
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    let stream = TcpStream::connect(&emulator.postgresql().address).await.unwrap();
    let Err(error) = config.connect_raw(stream, tokio_postgres::NoTls).await else {
        panic!("let in")
    };
    assert_eq!(
        error.as_db_error().unwrap().message(),
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"pgadmin\", database \"app\", no encryption"
    );
}

#[tokio::test]
async fn tls_may_come_first() {
    let emulator = shared().await;
    let server = emulator.postgresql();
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from(server.fqdn.clone()).unwrap();
    let mut stream = connector(emulator, true).connect(name, stream).await.unwrap();
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    packet.extend_from_slice(b"user\0pgadmin\0database\0app\0\0");
    packet[3] = u8::try_from(packet.len()).unwrap();
    stream.write_all(&packet).await.unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(
        answer,
        [b'R', 0, 0, 0, 8, 0, 0, 0, 3],
        "the password is asked for in clear"
    );
}

#[tokio::test]
async fn a_query_can_be_cancelled() {
    let emulator = shared().await;
    let server = emulator.postgresql();
    let client = connect(emulator, &server.administrator, &server.administrator_password, "app")
        .await
        .unwrap();
    let cancel = client.cancel_token();
    let sleeping = tokio::spawn(async move { client.query("select pg_sleep(30)", &[]).await });
    // The cancel must not overtake the query: wait until the server runs it.
    let eyes = emulator.superuser("app").await;
    let running = "select count(*) from pg_stat_activity where query like '%pg_sleep(30)' and state = 'active' and pid <> pg_backend_pid()";
    while eyes.query_one(running, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let stream = TcpStream::connect(&server.address).await.unwrap();
    cancel
        .cancel_query_raw(stream, Tls::new(emulator, false))
        .await
        .unwrap();
    let error = sleeping.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
}

#[tokio::test]
async fn a_recreated_identity_no_longer_fits_its_role() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let admin = administrator(emulator, "postgres").await;
    let first = arm.make_identity("stale").await;
    let old = first["properties"]["principalId"].as_str().unwrap();
    let create = "select pgaadauth_create_principal_with_oid('stale', $1, 'service', false, false)";
    admin.query_one(create, &[&old]).await.unwrap();
    connect(emulator, "stale", &emulator.database_token(old), "app")
        .await
        .unwrap();

    let path = format!("{}?api-version=2023-01-31", arm.identity("stale"));
    assert_eq!(arm.delete(&path).await.status, 200);
    let second = arm.make_identity("stale").await;
    let new = second["properties"]["principalId"].as_str().unwrap();
    assert_ne!(old, new);
    let text = refusal(emulator, "stale", &emulator.database_token(new), "app").await.1;
    assert!(text.starts_with("Service principal oid mismatch for role"), "{text}");

    let update = "select pgaadauth_update_principal_with_oid('stale', $1, 'service', false, false)";
    admin.query_one(update, &[&new]).await.unwrap();
    connect(emulator, "stale", &emulator.database_token(new), "app")
        .await
        .unwrap();
}
