//! The instance metadata service of a pretended virtual machine, over plain HTTP as in Azure.
//! It does not know which program asks.

use serde_json::json;

use crate::answer::Answer;
use crate::directory::Principal;
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::now;
use crate::tokens;
use crate::world::World;

const PARAMETERS: [&str; 5] = ["api-version", "resource", "client_id", "object_id", "msi_res_id"];

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    if ask.path != "/metadata/identity/oauth2/token" {
        return Answer::plain_error(404, "not_found", &format!("The path '{}' is not known.", ask.path));
    }
    if ask.method != "GET" {
        return Answer::plain_error(405, "invalid_request", "only GET is known here");
    }
    if !ask.header("metadata").eq_ignore_ascii_case("true") {
        return Answer::plain_error(400, "bad_request_102", "Required metadata header not specified");
    }
    if !ask.header("x-forwarded-for").is_empty() {
        return Answer::plain_error(
            400,
            "bad_request_102",
            "The request must not have passed through a proxy",
        );
    }
    match identity(world, ask) {
        Ok((principal, resource)) => {
            let life = tokens::IDENTITY_LIFE;
            Answer::json(
                200,
                json!({
                    "access_token": tokens::issue(world, &principal, &resource, life),
                    "client_id": principal.app_id, "refresh_token": "", "expires_in": (life - 1).to_string(),
                    "expires_on": (now() + life - 5).to_string(), "not_before": (now() - 5).to_string(),
                    "resource": resource, "token_type": "Bearer",
                }),
            )
        }
        Err(answer) => answer,
    }
}

fn identity(world: &World, ask: &Ask) -> Result<(Principal, String), Answer> {
    let bad = |code: &str, text: String| Err(Answer::plain_error(400, code, &text));
    if let Some((unknown, _)) = ask.query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        return bad(
            "invalid_request",
            format!("The query parameter '{unknown}' is not known"),
        );
    }
    match ask.parameter("api-version") {
        Some("2018-02-01") => {}
        given => {
            return bad(
                "invalid_request",
                format!("The api-version '{}' is not supported", given.unwrap_or_default()),
            );
        }
    }
    let Some(resource) = ask.parameter("resource").filter(|resource| !resource.is_empty()) else {
        return bad(
            "invalid_request",
            "Required query variable 'resource' is missing".to_owned(),
        );
    };
    if !tokens::is_known_resource(world, resource) {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
            world.tenant()
        );
        return bad("invalid_resource", text);
    }
    let state = hold(&world.state);
    let assigned: Vec<&Principal> = state
        .machine_identities
        .iter()
        .filter_map(|object_id| state.directory.get(object_id))
        .collect();
    let system = state
        .machine_system_identity
        .as_ref()
        .and_then(|object_id| state.directory.get(object_id));
    let everyone = || assigned.iter().copied().chain(system);
    let same = |own: Option<&str>, given: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(given));
    let found = if let Some(id) = ask.parameter("client_id") {
        everyone().find(|principal| same(principal.app_id.as_deref(), id))
    } else if let Some(id) = ask.parameter("object_id") {
        everyone().find(|principal| same(Some(&principal.object_id), id))
    } else if let Some(id) = ask.parameter("msi_res_id") {
        everyone().find(|principal| same(principal.resource_id.as_deref(), id))
    } else if system.is_some() {
        system
    } else if assigned.len() > 1 {
        let text = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request";
        return bad("invalid_request", text.to_owned());
    } else {
        assigned.first().copied()
    };
    match found {
        Some(principal) => Ok((principal.clone(), resource.to_owned())),
        None => bad("invalid_request", "Identity not found".to_owned()),
    }
}
