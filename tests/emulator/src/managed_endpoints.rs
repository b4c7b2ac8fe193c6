//! Where programs on other platforms than a virtual machine ask for tokens of a managed identity: App Service, Functions,
//! Container Apps, Azure Arc, Azure ML, Cloud Shell and Service Fabric, each in its own form.
//! It does not know which identities there are.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::directory::Principal;
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::now;
use crate::machine_identity::{self, Missing, Selector};
use crate::tokens;
use crate::world::World;

/// The paths, below the front of the instance metadata service.
pub(crate) const APP_SERVICE: &str = "/appservice/msi/token";
pub(crate) const CONTAINER_APPS: &str = "/containerapps/msi/token";
pub(crate) const ARC: &str = "/arc/metadata/identity/oauth2/token";
pub(crate) const MACHINE_LEARNING: &str = "/azureml/msi/token";
pub(crate) const CLOUD_SHELL: &str = "/cloudshell/oauth2/token";
/// Below the issuer's front, since Service Fabric speaks TLS.
pub(crate) const SERVICE_FABRIC: &str = "/fabric/metadata/identity/oauth2/token";

type Outcome = Result<Answer, Answer>;

/// `None` when the path is none of these.
pub(crate) fn answer(world: &World, ask: &Ask) -> Option<Answer> {
    let outcome = match ask.path.as_str() {
        APP_SERVICE | CONTAINER_APPS => web(world, ask),
        ARC => arc(world, ask),
        MACHINE_LEARNING => machine_learning(world, ask),
        CLOUD_SHELL => cloud_shell(world, ask),
        SERVICE_FABRIC => service_fabric(world, ask),
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|refusal| refusal))
}

fn only(
    ask: &Ask,
    method: &str,
    version: &str,
    known: &[&str],
    refused: impl Fn(u16, String) -> Answer,
) -> Result<(), Answer> {
    if ask.method != method {
        return Err(refused(405, format!("only {method} is known here")));
    }
    if let Some((unknown, _)) = ask.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(refused(400, format!("The query parameter '{unknown}' is not known")));
    }
    let given = ask.parameter("api-version").unwrap_or_default();
    if given != version {
        return Err(refused(400, format!("The api-version '{given}' is not supported")));
    }
    Ok(())
}

/// Times as all of these write them.
fn token(world: &World, principal: &Principal, resource: &str) -> (String, i64) {
    let life = tokens::IDENTITY_LIFE;
    (tokens::issue(world, principal, resource, life), now() + life - 5)
}

/// App Service, Functions and Container Apps.
fn web(world: &World, ask: &Ask) -> Outcome {
    let refused = |status: u16, message: String| {
        let body = json!({"statusCode": status, "message": message, "correlationId": Uuid::new_v4().to_string()});
        Answer::json(status, body)
    };
    let known = [
        "api-version",
        "resource",
        "client_id",
        "object_id",
        "principal_id",
        "mi_res_id",
    ];
    only(ask, "GET", "2019-08-01", &known, refused)?;
    if ask.header("x-identity-header") != world.platform_secret {
        return Err(refused(
            401,
            "The header 'X-IDENTITY-HEADER' is missing or wrong.".to_owned(),
        ));
    }
    let resource = machine_identity::resource(world, ask).map_err(|text| refused(400, text))?;
    let selector = Selector::of(
        ask,
        &[
            ("client_id", Selector::Client),
            ("object_id", Selector::Object),
            ("principal_id", Selector::Object),
            ("mi_res_id", Selector::Resource),
        ],
    )
    .map_err(|text| refused(400, text))?;
    // Unlike a machine, an app never falls back to its only user-assigned identity.
    let chosen = match selector {
        None => machine_identity::system(world).ok_or(Missing::Unknown),
        Some(selector) => machine_identity::choose(world, Some(&selector)),
    };
    let principal = chosen.map_err(|_| refused(400, "Unable to load the proper Managed Identity.".to_owned()))?;
    let (access_token, end) = token(world, &principal, &resource);
    Ok(Answer::json(
        200,
        json!({"access_token": access_token, "client_id": principal.app_id, "expires_on": end.to_string(),
            "resource": resource, "token_type": "Bearer"}),
    ))
}

fn plain(status: u16, message: String) -> Answer {
    Answer::plain_error(status, "invalid_request", &message)
}

/// The first answer names a file that only local administrators can read; its content proves the second request.
fn arc(world: &World, ask: &Ask) -> Outcome {
    only(
        ask,
        "GET",
        "2020-06-01",
        &["api-version", "resource", "msi_res_id"],
        plain,
    )?;
    if !ask.header("metadata").eq_ignore_ascii_case("true") {
        return Err(Answer::plain_error(
            400,
            "bad_request_102",
            "Required metadata header not specified",
        ));
    }
    let resource = machine_identity::resource(world, ask).map_err(|text| plain(400, text))?;
    let key = ask.header("authorization").strip_prefix("Basic ").unwrap_or_default();
    if key.is_empty() || !hold(&world.state).arc.keys.remove(key) {
        return Err(challenge(world));
    }
    let selector = Selector::of(ask, &[("msi_res_id", Selector::Resource)]).map_err(|text| plain(400, text))?;
    let chosen = match &selector {
        None => machine_identity::system(world).ok_or(Missing::Unknown),
        Some(selector) => machine_identity::choose(world, Some(selector)),
    };
    let principal = chosen.map_err(|_| plain(400, "Identity not found".to_owned()))?;
    let (access_token, end) = token(world, &principal, &resource);
    let mut body = json!({"access_token": access_token, "expires_in": (end - now()).to_string(),
        "expires_on": end.to_string(), "not_before": (now() - 5).to_string(), "resource": resource, "token_type": "Bearer",
        "client_id": principal.app_id});
    if let Some(id) = ask.parameter("msi_res_id") {
        body["msi_res_id"] = json!(id);
    }
    Ok(Answer::json(200, body))
}

fn challenge(world: &World) -> Answer {
    let key = Uuid::new_v4().simple().to_string();
    let (path, length) = {
        let mut state = hold(&world.state);
        state.arc.keys.insert(key.clone());
        (
            state.arc.folder.join(format!("{}.key", Uuid::new_v4())),
            state.arc.length,
        )
    };
    // A file that is too long still begins with the key, so that only its length can be the reason to refuse it.
    let content = format!("{key}{}", "0".repeat(length.saturating_sub(key.len())));
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
        std::io::Write::write_all(&mut file, content.as_bytes())
    };
    if let Err(error) = write() {
        let text = format!("the key file '{}' cannot be written: {error}", path.display());
        return Answer::plain_error(500, "internal_error", &text);
    }
    let answer = Answer::plain_error(401, "unauthorized_client", "Missing Basic Authorization header");
    answer.header("www-authenticate", format!("Basic realm={}", path.display()))
}

fn machine_learning(world: &World, ask: &Ask) -> Outcome {
    only(
        ask,
        "GET",
        "2017-09-01",
        &["api-version", "resource", "clientid"],
        plain,
    )?;
    if ask.header("secret") != world.platform_secret {
        return Err(plain(401, "The header 'secret' is missing or wrong.".to_owned()));
    }
    let resource = machine_identity::resource(world, ask).map_err(|text| plain(400, text))?;
    let selector = Selector::of(ask, &[("clientid", Selector::Client)]).map_err(|text| plain(400, text))?;
    let chosen = machine_identity::choose(world, selector.as_ref());
    let principal = chosen.map_err(|missing| plain(400, missing.text().to_owned()))?;
    let (access_token, end) = token(world, &principal, &resource);
    Ok(Answer::json(
        200,
        json!({"access_token": access_token, "client_id": principal.app_id, "expires_on": end.to_string(),
            "resource": resource, "token_type": "Bearer"}),
    ))
}

/// The person who opened the shell.
fn cloud_shell(world: &World, ask: &Ask) -> Outcome {
    if ask.method != "POST" {
        return Err(plain(405, "only POST is known here".to_owned()));
    }
    if !ask.header("metadata").eq_ignore_ascii_case("true") {
        return Err(Answer::plain_error(
            400,
            "bad_request_102",
            "Required metadata header not specified",
        ));
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
    let [(name, resource)] = form.as_slice() else {
        return Err(plain(
            400,
            "The body must be the form field 'resource' and nothing else".to_owned(),
        ));
    };
    if name != "resource" || !ask.query.is_empty() {
        return Err(plain(400, format!("The parameter '{name}' is not known")));
    }
    let resource = machine_identity::known(world, resource).map_err(|text| plain(400, text))?;
    let person = {
        let state = hold(&world.state);
        state.directory.get(&state.cloud_shell_user).cloned()
    };
    let person = person.ok_or_else(|| plain(400, "the person of this shell is gone".to_owned()))?;
    let life = tokens::APPLICATION_LIFE;
    Ok(Answer::json(
        200,
        json!({"access_token": tokens::issue(world, &person, &resource, life), "refresh_token": "",
            "expires_in": (life - 5).to_string(), "expires_on": (now() + life - 5).to_string(),
            "not_before": (now() - 5).to_string(), "resource": resource, "token_type": "Bearer"}),
    ))
}

fn service_fabric(world: &World, ask: &Ask) -> Outcome {
    let refused = |status: u16, message: String| {
        let error: Value = json!({"code": "ManagedIdentityNotFound", "message": message});
        Answer::json(status, json!({"error": error}))
    };
    only(ask, "GET", "2019-07-01-preview", &["api-version", "resource"], refused)?;
    if ask.header("secret") != world.platform_secret {
        return Err(refused(401, "The header 'Secret' is missing or wrong.".to_owned()));
    }
    let resource = machine_identity::resource(world, ask).map_err(|text| refused(400, text))?;
    let chosen = machine_identity::choose(world, None);
    let principal = chosen.map_err(|missing| refused(404, missing.text().to_owned()))?;
    let (access_token, end) = token(world, &principal, &resource);
    Ok(Answer::json(
        200,
        json!({"access_token": access_token, "expires_on": end, "resource": resource, "token_type": "Bearer"}),
    ))
}
