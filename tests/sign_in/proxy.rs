//! A proxy that the environment names: everything of Azure's goes through it, and nothing of the machine's own.

use entradb_emulator::Emulator;

use crate::config;
use crate::harness::azure;
use crate::sign_in::relay::{Kind, Relay};

const TYPE: &str = "entradb_client_config";

/// `host:port` of an address of the emulator's.
fn place(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

async fn me(azure: &Emulator, more: &[(&str, &str)]) -> Result<(), String> {
    let plugin = azure::provider_with(azure, more).await;
    let read = plugin.try_read_data_source(TYPE, config! {}).await;
    read.map(|_| ())
        .map_err(|told| format!("{}: {}", told[0].summary, told[0].detail))
}

#[tokio::test]
async fn every_variable_and_both_kinds_of_proxy_are_used() {
    let azure = azure::shared().await;
    let (authority, graph) = (place(azure.authority_host()), place(azure.graph_endpoint()));
    for (variable, kind, scheme) in [
        ("HTTPS_PROXY", Kind::Connect, "http"),
        ("https_proxy", Kind::Connect, "http"),
        ("ALL_PROXY", Kind::Connect, "http"),
        ("ALL_PROXY", Kind::Socks, "socks5"),
        ("HTTPS_PROXY", Kind::Socks, "socks5h"),
    ] {
        let relay = Relay::start(kind).await;
        let proxy = format!("{scheme}://{}", relay.address());
        me(azure, &[(variable, &proxy)]).await.expect("who we are");
        let asked = relay.asked();
        for host in [&authority, &graph] {
            // A proxy that resolves no names is asked for an address.
            let address = host.replace("localhost", "127.0.0.1");
            assert!(
                asked.contains(host) || asked.contains(&address),
                "{variable}={scheme}: {host} in {asked:?}"
            );
        }
    }
}

#[tokio::test]
async fn hosts_that_are_excepted_are_reached_directly() {
    let azure = azure::shared().await;
    let relay = Relay::start(Kind::Refusing).await;
    let proxy = format!("http://{}", relay.address());
    let excepted = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "localhost,127.0.0.1")];
    me(azure, &excepted).await.expect("who we are");
    assert_eq!(relay.asked(), [""; 0]);
}

#[tokio::test]
async fn the_machine_itself_is_never_asked_through_a_proxy() {
    let azure = azure::shared().await;
    let relay = Relay::start(Kind::Connect).await;
    let proxy = format!("http://{}", relay.address());
    let machine = [
        ("ARM_CLIENT_ID", ""),
        ("ARM_CLIENT_SECRET", ""),
        ("ARM_USE_MSI", "true"),
        ("HTTP_PROXY", &proxy),
        ("ALL_PROXY", &proxy),
    ];
    me(azure, &machine).await.expect("who we are");
    let metadata_service = place(azure.imds_endpoint());
    let asked = relay.asked();
    assert!(!asked.iter().any(|host| host.contains(&metadata_service)), "{asked:?}");
    assert!(!asked.is_empty(), "the rest goes through it");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let relay = Relay::start(Kind::Refusing).await;
    let proxy = format!("http://{}", relay.address());
    let told = me(azure::shared().await, &[("HTTPS_PROXY", &proxy)])
        .await
        .expect_err("no way");
    assert!(told.starts_with("Azure cannot be reached: "), "{told}");
    assert!(
        told.contains("the proxy that the environment names (HTTPS_PROXY, ALL_PROXY)"),
        "{told}"
    );
}
