//! Starting and stopping: what is printed for people is right, and nothing is left behind.

use entradb_emulator::{Emulator, Options};

use crate::client::administrator;

#[tokio::test]
async fn dropping_an_emulator_leaves_nothing_behind() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let folder = emulator.ca_file().parent().unwrap().to_owned();
    let (server, address) = (emulator.postgresql().clone(), emulator.postgresql().address.clone());
    assert!(server.unix_socket_dir.exists());
    drop(emulator);
    assert!(!folder.exists());
    assert!(tokio::net::TcpStream::connect(&address).await.is_err() || !server.unix_socket_dir.exists());
}

#[tokio::test]
async fn what_is_to_be_pasted_names_every_endpoint() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let environment = emulator.environment();
    let value = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    assert_eq!(
        value("ARM_RESOURCE_MANAGER_ENDPOINT"),
        emulator.resource_manager_endpoint()
    );
    let hosts = format!("{}={}", emulator.postgresql().fqdn, emulator.postgresql().address);
    assert_eq!(value("ENTRADB_DATABASE_HOSTS"), hosts);
    let block = emulator.provider_block();
    assert!(block.contains(emulator.authority_host()) && block.contains(&emulator.postgresql().address));
    assert!(
        !block.contains(&emulator.runner().client_secret),
        "the secret stays in the environment"
    );
}

#[tokio::test]
async fn statements_of_clients_can_be_counted() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let admin = administrator(&emulator, "app").await;
    admin.batch_execute("select 'counted',\n 1").await.unwrap();
    admin.query("select $1::text", &[&"bound"]).await.unwrap();
    let texts: Vec<String> = emulator
        .statements()
        .into_iter()
        .map(|statement| statement.text)
        .collect();
    assert_eq!(texts, ["select 'counted',\n 1", "select $1::text"]);
}

#[tokio::test]
async fn a_second_server_has_its_own_roles() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let second = emulator.add_postgresql("pg-second").await.unwrap();
    assert_eq!(second.fqdn, "pg-second.postgres.database.azure.com");
    assert!(emulator.provider_block().contains(&second.address));
    let arm = crate::client::Arm::new(&emulator);
    let path = format!("{}/administrators?api-version=2025-08-01", second.id);
    assert_eq!(arm.get(&path).await.body, serde_json::json!({"value": []}));
    let folder = second.unix_socket_dir.clone();
    drop(emulator);
    assert!(!folder.exists());
}
