//! The document that tells a client where everything of a cloud is: one cloud as an object, or all of them as the older
//! versions list them. It does not know who may ask: anybody.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::Outcome;
use crate::clouds::Cloud;
use crate::http::Ask;
use crate::world::World;

/// One object.
const VERSION: &str = "2022-09-01";
/// A list of every cloud.
const LISTS: [&str; 2] = ["2019-05-01", "2020-06-01"];

pub(crate) fn answer(world: &World, ask: &Ask) -> Outcome {
    if ask.method != "GET" {
        return Err(Answer::arm_error(
            405,
            "UnsupportedHttpVerb",
            "Only GET is supported here.",
        ));
    }
    match ask.parameter("api-version").unwrap_or_default() {
        VERSION => {
            let mut whole = described(world, world.options.cloud);
            if let Some(whole) = whole.as_object_mut() {
                whole.remove("isDefault");
            }
            Ok(Answer::json(200, whole))
        }
        given if LISTS.contains(&given) => {
            let clouds = Cloud::ALL.into_iter().map(|cloud| described(world, cloud));
            Ok(Answer::json(200, clouds.collect()))
        }
        given => {
            let message = format!("The api-version '{given}' is invalid.");
            Err(Answer::arm_error(400, "InvalidApiVersionParameter", message))
        }
    }
}

/// The emulated cloud is at the emulator's addresses, the others where they really are.
fn described(world: &World, cloud: Cloud) -> Value {
    let facts = cloud.facts();
    let places = &world.endpoints;
    let own = cloud == world.options.cloud;
    let at = |place: &str, real: &'static str| if own { place.to_owned() } else { real.to_owned() };
    let mut whole = json!({
        "name": facts.name,
        "isDefault": cloud == Cloud::Public,
        "portal": facts.portal,
        "resourceManager": format!("{}/", at(&places.resource_manager, facts.resource_manager)),
        "microsoftGraphResourceId": format!("{}/", at(&places.graph, facts.graph)),
        "graph": facts.directory,
        "authentication": {
            "loginEndpoint": at(&places.authority, facts.authority),
            "audiences": facts.audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "ossrDbmsResourceId": facts.database,
        "sqlManagement": format!("{}:8443/", facts.audiences[0].trim_end_matches('/')),
        "suffixes": {
            "sqlServerHostname": facts.sql_suffix,
            "postgresqlServerEndpoint": facts.postgresql_suffix,
            "mysqlServerEndpoint": facts.mysql_suffix,
            "storage": facts.storage_suffix,
            "keyVaultDns": facts.vault_suffix,
            "acrLoginServer": facts.registry_suffix,
        },
    });
    if cloud == Cloud::Public {
        whole["batch"] = json!("https://batch.core.windows.net/");
        whole["media"] = json!("https://rest.media.azure.net");
        whole["gallery"] = json!("https://gallery.azure.com/");
        whole["logAnalyticsResourceId"] = json!("https://api.loganalytics.io");
        whole["suffixes"]["mariadbServerEndpoint"] = json!("mariadb.database.azure.com");
    }
    whole
}
