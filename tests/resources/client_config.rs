//! `entradb_client_config`

use entradb::protocol::value::Value;
use entradb_emulator::{Access, Failure, Method};

use crate::config;
use crate::harness::azure;

const TYPE: &str = "entradb_client_config";

#[tokio::test]
async fn an_application_is_told_who_it_is() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let me = plugin.read_data_source(TYPE, config! {}).await;
    let runner = azure.runner();
    let expected = [
        ("object_id", runner.object_id.as_str()),
        ("client_id", &runner.client_id),
        ("tenant_id", azure.tenant_id()),
        ("subscription_id", azure.subscription_id()),
        ("principal_type", "ServicePrincipal"),
        ("name", &runner.display_name),
    ];
    for (name, value) in expected {
        assert_eq!(me[name], Value::from(value), "{name}");
    }
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn a_machine_is_called_as_its_resource_and_needs_no_directory() {
    let azure = azure::shared().await;
    let machine = [
        ("ARM_CLIENT_ID", ""),
        ("ARM_CLIENT_SECRET", ""),
        ("ARM_USE_MSI", "true"),
    ];
    let plugin = azure::provider_with(azure, &machine).await;
    let me = plugin.read_data_source(TYPE, config! {}).await;
    assert_eq!(me["name"], Value::from("terraform-vm"));
    assert_eq!(
        me["object_id"],
        Value::from(azure.machine_identity().expect("an identity"))
    );
    assert_eq!(me["principal_type"], Value::from("ServicePrincipal"));
}

#[tokio::test]
async fn without_a_name_it_is_the_client_id() {
    let azure = azure::shared().await;
    let nameless = azure
        .add_application("nameless", Access::Reader)
        .await
        .expect("an application");
    let itself = format!("/servicePrincipals/{}", nameless.object_id);
    let denied = Failure::Error {
        status: 403,
        code: "Authorization_RequestDenied".to_owned(),
        message: "Insufficient privileges to complete the operation.".to_owned(),
    };
    azure.faults().fail_next(Method::GET, &itself, 1, denied);
    let sign_in = [
        ("ARM_CLIENT_ID", nameless.client_id.as_str()),
        ("ARM_CLIENT_SECRET", &nameless.client_secret),
    ];
    let plugin = azure::provider_with(azure, &sign_in).await;
    let me = plugin.read_data_source(TYPE, config! {}).await;
    assert_eq!(me["name"], Value::from(nameless.client_id.as_str()));
    let me = plugin.read_data_source(TYPE, config! {}).await;
    assert_eq!(me["name"], Value::from("nameless"));
}

#[tokio::test]
async fn a_wrong_secret_is_called_wrong() {
    let plugin = azure::provider_with(azure::shared().await, &[("ARM_CLIENT_SECRET", "wrong")]).await;
    let told = plugin
        .try_read_data_source(TYPE, config! {})
        .await
        .expect_err("nobody is signed in");
    assert_eq!(told[0].summary, "Sign-in failed");
    assert!(told[0].detail.contains("The client secret is wrong."), "{told:?}");
}
