//! The document that tells a client where everything of a cloud is. It does not know who may ask: anybody.

use serde_json::json;

use crate::answer::Answer;
use crate::arm::Outcome;
use crate::http::Ask;
use crate::world::World;

pub(crate) fn answer(world: &World, ask: &Ask) -> Outcome {
    if ask.method != "GET" {
        return Err(Answer::arm_error(
            405,
            "UnsupportedHttpVerb",
            "Only GET is supported here.",
        ));
    }
    if ask.parameter("api-version") != Some("2022-09-01") {
        let message = format!(
            "The api-version '{}' is invalid.",
            ask.parameter("api-version").unwrap_or_default()
        );
        return Err(Answer::arm_error(400, "InvalidApiVersionParameter", message));
    }
    let places = &world.endpoints;
    Ok(Answer::json(
        200,
        json!({
            "name": "AzureCloud",
            "portal": "https://portal.azure.com",
            "resourceManager": format!("{}/", places.resource_manager),
            "microsoftGraphResourceId": format!("{}/", places.graph),
            "graph": "https://graph.windows.net/",
            "authentication": {
                "loginEndpoint": places.authority,
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
            "sqlManagement": "https://management.core.windows.net:8443/",
            "batch": "https://batch.core.windows.net/",
            "media": "https://rest.media.azure.net",
            "gallery": "https://gallery.azure.com/",
            "logAnalyticsResourceId": "https://api.loganalytics.io",
            "suffixes": {
                "sqlServerHostname": "database.windows.net",
                "postgresqlServerEndpoint": "postgres.database.azure.com",
                "mysqlServerEndpoint": "mysql.database.azure.com",
                "mariadbServerEndpoint": "mariadb.database.azure.com",
                "storage": "core.windows.net",
                "keyVaultDns": "vault.azure.net",
                "acrLoginServer": "azurecr.io",
            },
        }),
    ))
}
