//! The instance metadata service of a pretended virtual machine, over plain HTTP as in Azure.
//! It does not know which program asks.

use serde_json::json;

use crate::answer::Answer;
use crate::directory::Principal;
use crate::http::Ask;
use crate::keys::now;
use crate::machine_identity::{self, Choice, Selector};
use crate::managed_endpoints;
use crate::tokens;
use crate::world::World;

const PARAMETERS: [&str; 5] = ["api-version", "resource", "client_id", "object_id", "msi_res_id"];

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    if let Some(answer) = managed_endpoints::answer(world, ask) {
        return answer;
    }
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
    let code = match ask.parameter("resource") {
        None | Some("") => "invalid_request",
        Some(_) => "invalid_resource",
    };
    let resource = match machine_identity::resource(world, ask) {
        Ok(resource) => resource,
        Err(text) => return bad(code, text),
    };
    let names: [Choice<'_>; 3] = [
        ("client_id", Selector::Client),
        ("object_id", Selector::Object),
        ("msi_res_id", Selector::Resource),
    ];
    let selector = match Selector::of(ask, &names) {
        Ok(selector) => selector,
        Err(text) => return bad("invalid_request", text),
    };
    match machine_identity::choose(world, selector.as_ref()) {
        Ok(principal) => Ok((principal, resource)),
        Err(missing) => bad("invalid_request", missing.text().to_owned()),
    }
}
