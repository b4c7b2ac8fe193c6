//! Asks a metadata host where its cloud is. It does not know the well-known clouds.

use serde::Deserialize;
use serde_json::Value;

use crate::azure::cloud::{Cloud, endpoint};
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request};

/// Asks a metadata host (`ARM_METADATA_HOSTNAME`) where its cloud is; among several it is the one of this name.
pub(crate) async fn discover(http: &Http, metadata_host: &str, name: &str) -> Result<Cloud, Error> {
    let url = endpoint("the metadata host", metadata_host)?;
    let mut url = url.join("/metadata/endpoints").expect("a constant path joins any base");
    url.query_pairs_mut().append_pair("api-version", "2022-09-01");
    let answer = http.send(Request::get(url)).await?;
    if !answer.is_success() {
        return Err(answer.failure());
    }
    serde_json::from_value::<Metadata>(chosen(answer.json()?, name))
        .map_err(|error| {
            let message = "the metadata host's answer does not describe a cloud";
            answer.error(Kind::Unexpected, message).with_source(error)
        })?
        .into_cloud()
}

/// Hosts with an older interface list every cloud that they know.
fn chosen(value: Value, name: &str) -> Value {
    let Value::Array(clouds) = value else { return value };
    let is_it = |cloud: &Value| {
        let own = cloud.get("name").and_then(Value::as_str).and_then(Cloud::named);
        own.is_some_and(|own| own.name == name)
    };
    let at = clouds.iter().position(is_it).unwrap_or_default();
    clouds.into_iter().nth(at).unwrap_or_default()
}

/// What a metadata host says of its cloud; what it leaves out is as in the public cloud.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    resource_manager: String,
    microsoft_graph_resource_id: Option<String>,
    #[serde(rename = "ossrDbmsResourceId")]
    open_source_databases_audience: Option<String>,
    authentication: Authentication,
    #[serde(default)]
    suffixes: Suffixes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    login_endpoint: String,
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suffixes {
    sql_server_hostname: Option<String>,
    postgresql_server_endpoint: Option<String>,
    mysql_server_endpoint: Option<String>,
}

impl Metadata {
    fn into_cloud(self) -> Result<Cloud, Error> {
        let mut cloud = Cloud::named(&self.name).unwrap_or_else(Cloud::public);
        if !self.name.is_empty() && Cloud::named(&self.name).is_none() {
            cloud.name = self.name;
        }
        cloud.authority_host = endpoint("the login endpoint", &self.authentication.login_endpoint)?;
        cloud.resource_manager_endpoint = endpoint("the Resource Manager endpoint", &self.resource_manager)?;
        if let Some(audience) = self.authentication.audiences.into_iter().next() {
            cloud.resource_manager_audience = audience;
        }
        if let Some(graph) = self.microsoft_graph_resource_id {
            cloud.graph_endpoint = endpoint("the Microsoft Graph endpoint", &graph)?;
        }
        if let Some(audience) = self.open_source_databases_audience {
            cloud.open_source_databases_audience = audience.trim_end_matches('/').to_owned();
        }
        let suffix = |text: String| format!(".{}", text.trim_start_matches('.').to_lowercase());
        let suffixes = self.suffixes;
        if let Some(sql) = suffixes.sql_server_hostname.map(suffix) {
            cloud.sql_database_audience = format!("https://{}/", sql.trim_start_matches('.'));
            cloud.sql_host_suffix = sql;
        }
        if let Some(postgresql) = suffixes.postgresql_server_endpoint.map(suffix) {
            cloud.postgresql_host_suffix = postgresql;
        }
        if let Some(mysql) = suffixes.mysql_server_endpoint.map(suffix) {
            cloud.mysql_host_suffix = mysql;
        }
        Ok(cloud)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::cloud::Scope;

    #[test]
    fn a_metadata_answer_is_a_cloud() {
        let metadata = serde_json::json!({
            "name": "Emulated", "resourceManager": "https://localhost:1/", "microsoftGraphResourceId": "https://localhost:2",
            "ossrDbmsResourceId": "https://oss.test/",
            "authentication": {"loginEndpoint": "https://localhost:3", "audiences": ["https://arm.test/", "x"]},
            "suffixes": {"sqlServerHostname": "SQL.test", "postgresqlServerEndpoint": ".pg.test", "storage": "s"}
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let cloud = metadata.into_cloud().unwrap();
        assert_eq!(cloud.name, "Emulated");
        assert_eq!(cloud.scope(Scope::ResourceManager), "https://arm.test//.default");
        assert_eq!(cloud.audience(Scope::OpenSourceDatabases), "https://oss.test");
        assert_eq!(cloud.audience(Scope::SqlDatabase), "https://sql.test/");
        assert_eq!(cloud.postgresql_host_suffix, ".pg.test");
        assert_eq!(cloud.mysql_host_suffix, ".mysql.database.azure.com");
        assert_eq!(cloud.authority_host.as_str(), "https://localhost:3/");
    }

    #[test]
    fn among_several_clouds_the_one_of_the_environment_is_taken() {
        let clouds =
            serde_json::json!([{"name": "AzureCloud"}, {"name": "AzureChinaCloud"}, {"name": "AzureUSGovernment"}]);
        let name = |wanted: &str| chosen(clouds.clone(), wanted)["name"].clone();
        assert_eq!(name("china"), "AzureChinaCloud");
        assert_eq!(name("usgovernment"), "AzureUSGovernment");
        assert_eq!(name("public"), "AzureCloud");
        assert_eq!(chosen(serde_json::json!({"name": "Own"}), "public")["name"], "Own");
    }

    #[test]
    fn what_a_sovereign_cloud_leaves_out_is_as_it_is_known() {
        let metadata = serde_json::json!({
            "name": "AzureUSGovernment", "resourceManager": "https://management.usgovcloudapi.net",
            "authentication": {"loginEndpoint": "https://login.microsoftonline.us/"},
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        assert_eq!(metadata.into_cloud().unwrap(), Cloud::us_government());
    }
}
