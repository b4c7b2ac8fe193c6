//! The emulated Azure that the tests of this folder share, and a hand that changes things in it past Terraform.

use entradb_emulator::{Emulator, Options};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::terraform::workspace::Workspace;

static SHARED: OnceCell<Emulator> = OnceCell::const_new();

/// The shared Azure. Tests use names of their own in it; its log and its faults are everybody's.
pub async fn shared() -> &'static Emulator {
    let start = async || {
        let azure = Emulator::start(Options::default()).await.expect("the emulator starts");
        let runner = azure.runner().clone();
        let made = azure.add_administrator(&runner.object_id, &runner.display_name).await;
        made.expect("the runner administers the database");
        azure
    };
    SHARED.get_or_init(start).await
}

/// A workspace whose only resource is `entradb_managed_identity.app` with this name and these further lines.
pub async fn identity_workspace(name: &str) -> Workspace {
    Workspace::new(shared().await, &identity(name, ""))
}

/// The configuration of `entradb_managed_identity.app`.
pub fn identity(name: &str, further: &str) -> String {
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_managed_identity" "app" {{
  name                = "{name}"
  resource_group_name = "data-platform"
  location            = "westeurope"
{further}}}
"#
    )
}

/// The ARM ID of an identity.
pub fn identity_id(azure: &Emulator, name: &str) -> String {
    let (subscription, group) = (azure.subscription_id(), azure.resource_group());
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/\
         userAssignedIdentities/{name}"
    )
}

/// Does something to an identity by hand; answers the status and the body.
pub async fn by_hand(azure: &Emulator, method: &str, id: &str, body: Option<Value>) -> (u16, Value) {
    by_hand_in(azure, "2023-01-31", method, id, body).await
}

/// The same with any resource, in this version of its API.
pub async fn by_hand_in(azure: &Emulator, version: &str, method: &str, id: &str, body: Option<Value>) -> (u16, Value) {
    let root = std::fs::read(azure.ca_file()).expect("the root");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .no_proxy()
        .build()
        .expect("a client");
    let address = format!("{}{id}?api-version={version}", azure.resource_manager_endpoint());
    let token = azure.access_token(&azure.runner().object_id, "https://management.azure.com/");
    let mut request = client
        .request(method.parse().expect("a method"), address)
        .bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// How often a path that ends so was asked for with this method.
pub fn requests(azure: &Emulator, method: &str, end: &str) -> usize {
    let log = azure.log();
    log.iter()
        .filter(|request| request.method == method && request.path.ends_with(end))
        .count()
}
