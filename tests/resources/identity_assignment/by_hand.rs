//! What somebody else does to the identities of a resource, by ARM itself.

use entradb_emulator::Emulator;
use serde_json::{Map, Value as Json, json};

use crate::resources::identity_assignment::{attached, shown};
use crate::terraform::workspace::until;

/// A resource that takes identities: where it is, and how it wants to be told.
pub struct Target {
    pub id: String,
    /// What names of a test begin with.
    pub name: &'static str,
    version: &'static str,
    both: &'static str,
}

/// A request to ARM, as the runner.
pub async fn ask(azure: &Emulator, method: &str, address: &str, body: &Json) {
    let root = std::fs::read(azure.ca_file()).expect("the root");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build();
    let token = azure.access_token(&azure.runner().object_id, "https://management.azure.com/");
    let address = format!("{}{address}", azure.resource_manager_endpoint());
    let method = method.parse().expect("a method");
    let request = client.expect("a client").request(method, address).bearer_auth(token);
    let answer = request.json(body).send().await.expect("an answer");
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap_or_default()
    );
}

impl Target {
    /// Compute and App Service, with a space in the type.
    pub fn spaced(id: &str, name: &'static str, version: &'static str) -> Self {
        let both = "SystemAssigned, UserAssigned";
        Self {
            id: id.to_owned(),
            name,
            version,
            both,
        }
    }

    /// The others, without.
    pub fn plain(id: &str, name: &'static str, version: &'static str) -> Self {
        let both = "SystemAssigned,UserAssigned";
        Self {
            id: id.to_owned(),
            name,
            version,
            both,
        }
    }

    /// Whether it tells which identity it has under an ID.
    pub fn tells(&self) -> bool {
        !self.is("/Microsoft.DBforMySQL/")
    }

    pub fn is(&self, part: &str) -> bool {
        self.id.contains(part)
    }

    /// Attaches and detaches a user-assigned identity.
    pub async fn attach(&self, azure: &Emulator, identity: &str) {
        self.change(azure, Some((identity, json!({}))), self.has_own(azure))
            .await;
    }

    pub async fn detach(&self, azure: &Emulator, identity: &str) {
        self.change(azure, Some((identity, Json::Null)), self.has_own(azure))
            .await;
    }

    /// Switches the resource's own identity.
    pub async fn switch_own(&self, azure: &Emulator, on: bool) {
        self.change(azure, None, on).await;
    }

    fn has_own(&self, azure: &Emulator) -> bool {
        attached(azure, &self.id).0.contains("SystemAssigned")
    }

    async fn change(&self, azure: &Emulator, user: Option<(&str, Json)>, own: bool) {
        let before = shown(azure, &self.id)["identity"]["userAssignedIdentities"].clone();
        let mut after: Vec<String> = before
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect();
        let mut map = Map::new();
        match user {
            Some((id, entry)) => {
                after.retain(|known| !known.eq_ignore_ascii_case(id));
                if !entry.is_null() {
                    after.push(id.to_owned());
                }
                map.insert(id.to_owned(), entry);
            }
            None => map.extend(after.iter().map(|id| (id.clone(), json!({})))),
        }
        let kinds = match (own, after.is_empty()) {
            (true, true) => "SystemAssigned",
            (true, false) => self.both,
            (false, true) => "None",
            (false, false) => "UserAssigned",
        };
        let mut body = json!({ "identity": { "type": kinds } });
        if !after.is_empty() {
            body["identity"]["userAssignedIdentities"] = Json::Object(map);
        }
        if self.is("/Microsoft.Sql/") && !after.is_empty() {
            body["properties"]["primaryUserAssignedIdentityId"] = json!(after[0]);
        }
        ask(
            azure,
            "PATCH",
            &format!("{}?api-version={}", self.id, self.version),
            &body,
        )
        .await;
        let mut names: Vec<String> = after
            .iter()
            .filter_map(|id| id.rsplit('/').next())
            .map(str::to_lowercase)
            .collect();
        names.sort();
        let is_done = || {
            let (shown, mut found) = attached(azure, &self.id);
            found.sort();
            shown == kinds.replace(' ', "") && found == names
        };
        until("the identities are as they were asked for", is_done).await;
    }
}
