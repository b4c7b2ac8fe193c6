//! Sessions against a real server.

use crate::sql::error::{Kind, LoginRefusal, TlsFailure};
use crate::sql::postgres::connection::{Login, connect};
use crate::sql::postgres::lock::{self, Lock};
use crate::sql::postgres::test_server::{HOST, PASSWORD, TestServer, server, trusting};
use crate::sql::session::Session;
use crate::sql::statement::{Name, Statement, Text};
use secrecy::SecretString;
use std::time::{Duration, Instant};

const fn plain(template: &'static str) -> Statement {
    Statement::new(template, Vec::new())
}

async fn setting(session: &Session, name: &str) -> String {
    let rows = session
        .query("SELECT pg_catalog.current_setting($1)", &[name.into()])
        .await
        .unwrap();
    rows[0].text(0).unwrap().to_owned()
}

async fn superuser(server: &TestServer) -> Session {
    server.session("azuresu", "postgres").await
}

#[tokio::test]
async fn a_session_is_set_up_without_a_round_trip() {
    let Some(server) = server() else { return };
    let session = superuser(server).await;
    assert_eq!(setting(&session, "search_path").await, "pg_catalog");
    assert_eq!(setting(&session, "lock_timeout").await, "750ms");
    assert_eq!(
        setting(&session, "application_name").await,
        "terraform-provider-entradb"
    );
    let rows = session
        .query(
            "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    assert!(rows[0].bool(0).unwrap());
    assert_eq!(session.requests(), 4);
}

#[tokio::test]
async fn hostile_texts_arrive_as_they_are() {
    let Some(server) = server() else { return };
    let session = superuser(server).await;
    let hostile = "a\\'b\"; DROP TABLE x; -- \\";
    let role = Name::new("rôle \"x\"; --\\'").unwrap();
    let comment = Text::new(hostile).unwrap();
    session
        .execute_all(&[
            crate::sql!("SET LOCAL standard_conforming_strings = {}", "off"),
            crate::sql!("CREATE ROLE {}", &role),
            crate::sql!("COMMENT ON ROLE {} IS {}", &role, &comment),
        ])
        .await
        .unwrap();
    let found = "SELECT pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE rolname = $1";
    let rows = session.query(found, &[role.as_str().into()]).await.unwrap();
    assert_eq!(rows[0].text(0).unwrap(), hostile);
    session.execute(crate::sql!("DROP ROLE {}", &role)).await.unwrap();
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_the_error_names_the_statement() {
    let Some(server) = server() else { return };
    let session = superuser(server).await;
    let role = Name::new("batch_role").unwrap();
    let batch = [
        crate::sql!("CREATE ROLE {}", &role),
        crate::sql!("GRANT {} TO {}", &role, Name::new("nobody").unwrap()),
    ];
    let error = session.execute_all(&batch).await.unwrap_err();
    assert_eq!((error.kind, error.statement), (Kind::NotFound, "GRANT {} TO {}"));
    assert_eq!(error.report.sqlstate.as_deref(), Some("42704"));
    let rows = session
        .query("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'batch_role'", &[])
        .await
        .unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_undone() {
    let Some(server) = server() else { return };
    let mut session = superuser(server).await;
    let transaction = session
        .begin(&[plain("CREATE TEMPORARY TABLE dropped ()")])
        .await
        .unwrap();
    drop(transaction);
    let seen = "SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'dropped'";
    assert!(session.query(seen, &[]).await.unwrap().is_empty());

    let transaction = session
        .begin(&[plain("CREATE TEMPORARY TABLE dropped ()")])
        .await
        .unwrap();
    let failed = transaction.execute(plain("SELECT 1/0")).await;
    assert!(failed.is_err());
    assert!(
        transaction.commit().await.is_err(),
        "the server would answer ROLLBACK and call it a success"
    );
    assert!(session.query(seen, &[]).await.unwrap().is_empty());

    session
        .begin(&[plain("CREATE TEMPORARY TABLE dropped ()")])
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    assert_eq!(session.query(seen, &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_cancels_its_statement() {
    let Some(server) = server() else { return };
    let session = superuser(server).await;
    let sleeping = session.execute(plain("SELECT pg_catalog.pg_sleep(120) /* to be cancelled */"));
    assert!(
        tokio::time::timeout(Duration::from_millis(200), sleeping)
            .await
            .is_err()
    );
    assert!(!session.is_usable());
    let running = "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND query LIKE '%to be cancelled%' \
                   AND pid <> pg_catalog.pg_backend_pid()";
    let (other, started) = (superuser(server).await, Instant::now());
    while !other.query(running, &[]).await.unwrap().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "the statement still runs");
    }
}

#[tokio::test]
async fn refused_logins_are_told_apart() {
    let Some(server) = server() else { return };
    server
        .run("postgres", "CREATE ROLE sleeper NOLOGIN PASSWORD 'a-token'")
        .await;
    let refusal = async |user: &str, token: &str, database: &str| {
        let login = Login {
            user: user.into(),
            token: SecretString::from(token),
        };
        connect(&server.target(&login, database), &server.tls)
            .await
            .err()
            .unwrap()
            .kind
    };
    assert_eq!(
        refusal("azuresu", "wrong", "postgres").await,
        Kind::LoginRefused(LoginRefusal::Unspecified)
    );
    assert_eq!(
        refusal("sleeper", PASSWORD, "postgres").await,
        Kind::LoginRefused(LoginRefusal::NotPermittedToLogin)
    );
    assert_eq!(refusal("azuresu", PASSWORD, "nowhere").await, Kind::DatabaseGone);
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_no_token() {
    let Some(server) = server() else { return };
    let login = Login {
        user: "azuresu".into(),
        token: PASSWORD.into(),
    };
    let stranger = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let untrusted = connect(&server.target(&login, "postgres"), &trusting(stranger.cert.der())).await;
    assert_eq!(untrusted.err().unwrap().kind, Kind::Tls(TlsFailure::Untrusted));
    let endpoint = crate::sql::dial::Endpoint {
        host: "other.example.test".into(),
        ..server.endpoint.clone()
    };
    let target = crate::sql::postgres::connection::Target {
        endpoint: &endpoint,
        ..server.target(&login, "postgres")
    };
    let misnamed = connect(&target, &server.tls).await;
    assert_eq!(misnamed.err().unwrap().kind, Kind::Tls(TlsFailure::NameMismatch));
}

#[tokio::test]
async fn behind_a_pooler_settings_go_with_each_transaction() {
    let Some(server) = server() else { return };
    let login = Login {
        user: "azuresu".into(),
        token: PASSWORD.into(),
    };
    let endpoint = crate::sql::dial::Endpoint {
        port: 6432,
        ..server.endpoint.clone()
    };
    let target = crate::sql::postgres::connection::Target {
        endpoint: &endpoint,
        ..server.target(&login, "postgres")
    };
    let mut session = connect(&target, &server.tls).await.unwrap();
    let transaction = session.begin(&[]).await.unwrap();
    assert_eq!(setting(&transaction, "search_path").await, "pg_catalog");
    assert_eq!(setting(&transaction, "lock_timeout").await, "750ms");
    transaction.commit().await.unwrap();
    let error = session.execute(plain("SELECT nothing")).await.unwrap_err();
    assert_eq!(error.statement, "SELECT nothing");
    assert_eq!(
        setting(&session, "lock_timeout").await,
        "750ms",
        "a query alone has the settings too"
    );
    let left = "SELECT pg_catalog.set_config('my.value', pg_catalog.current_setting('lock_timeout'), false)";
    assert_eq!(session.query(left, &[]).await.unwrap()[0].text(0).unwrap(), "750ms");
}

#[tokio::test]
async fn of_two_writers_one_waits_and_then_gives_way() {
    let Some(server) = server() else { return };
    let locks = lock::take(&[Lock::role(4711)].into());
    let mut first = superuser(server).await;
    let held = first.begin(&locks).await.unwrap();
    let login = Login {
        user: "azuresu".into(),
        token: PASSWORD.into(),
    };
    let mut target = server.target(&login, "postgres");
    target.limits.lock = Duration::from_millis(50);
    let mut second = connect(&target, &server.tls).await.unwrap();
    let error = second.begin(&locks).await.err().unwrap();
    assert_eq!(error.kind, Kind::LockNotAvailable);
    assert!(error.is_transient() && error.statement.contains("advisory"));
    held.rollback().await.unwrap();
    second.begin(&locks).await.unwrap().commit().await.unwrap();
}
