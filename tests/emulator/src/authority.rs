//! Entra's fronts: the token endpoint with secrets, certificates and federated assertions, and its public documents.
//! It does not know what the tokens are good for.

use std::collections::HashMap;

use serde_json::json;

use crate::answer::Answer;
use crate::directory::{Federation, Principal, PrincipalKind};
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::{Token, now};
use crate::tenants;
use crate::tokens;
use crate::world::World;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const FIELDS: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "client_assertion_type",
    "client_assertion",
    "client_info",
    "claims",
    "client-request-id",
];

/// Answers for a path whose parts are given, since a proxy has its own before them.
pub(crate) fn answer(world: &World, ask: &Ask, parts: &[&str]) -> Answer {
    let get = ask.method == "GET";
    match parts {
        [tenant, "oauth2", "v2.0", "token"] => token(world, ask, tenant),
        [tenant, "v2.0", ".well-known", "openid-configuration"] if get => configuration(world, tenant),
        [_, "discovery", "v2.0", "keys"] if get => Answer::json(200, json!({"keys": [world.entra_key.public()]})),
        ["common", "discovery", "instance"] if get => discovery(world),
        _ => Answer::token_error(
            404,
            "invalid_request",
            90009,
            &format!("The path '{}' is not known.", ask.path),
        ),
    }
}

fn configuration(world: &World, tenant: &str) -> Answer {
    let base = format!("{}/{tenant}", world.endpoints.authority);
    Answer::json(
        200,
        json!({
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "issuer": format!("{base}/v2.0"),
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        }),
    )
}

fn discovery(world: &World) -> Answer {
    let host = world.endpoints.authority.trim_start_matches("https://");
    Answer::json(
        200,
        json!({
            "tenant_discovery_endpoint":
                format!("{}/{}/v2.0/.well-known/openid-configuration", world.endpoints.authority, world.tenant()),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

fn token(world: &World, ask: &Ask, tenant: &str) -> Answer {
    if ask.method != "POST" {
        return Answer::token_error(
            405,
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests.",
        );
    }
    if uuid::Uuid::parse_str(tenant).is_err() && !tenant.contains('.') {
        let text =
            format!("Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.");
        return Answer::token_error(400, "invalid_request", 900_023, &text);
    }
    let Some(tenant) = tenants::known(world, tenant) else {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return Answer::token_error(400, "invalid_request", 90002, &text);
    };
    if !ask
        .header("content-type")
        .starts_with("application/x-www-form-urlencoded")
    {
        let text = "The request body must be of content type 'application/x-www-form-urlencoded'.";
        return Answer::token_error(400, "invalid_request", 900_144, text);
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
    if let Some(unknown) = form.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let text = format!("The request body contains an unknown parameter: '{unknown}'.");
        return Answer::token_error(400, "invalid_request", 90014, &text);
    }
    match grant(world, &form, &tenant) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn field<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Answer> {
    form.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            Answer::token_error(400, "invalid_request", 900_144, &text)
        })
}

fn grant(world: &World, form: &HashMap<String, String>, tenant: &str) -> Result<Answer, Answer> {
    let kind = field(form, "grant_type")?;
    if kind != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{kind}'.");
        return Err(Answer::token_error(400, "unsupported_grant_type", 70003, &text));
    }
    let client = field(form, "client_id")?;
    let scope = field(form, "scope")?;
    let Some(resource) = scope.strip_suffix("/.default") else {
        let text =
            format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.");
        return Err(Answer::token_error(400, "invalid_scope", 1_002_012, &text));
    };
    let home = hold(&world.state).directory.by_app_id(client).cloned();
    let known = home.and_then(|home| tenants::service_principal(world, tenant, &home).map(|there| (home, there)));
    let (home, principal) = known.ok_or_else(|| {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Answer::token_error(400, "unauthorized_client", 700_016, &text)
    })?;
    prove(world, form, &home, tenant)?;
    if world.faults.blocks_sign_in(client) {
        let text =
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
        return Err(Answer::token_error(400, "invalid_grant", 53003, text));
    }
    if !tokens::is_known_resource(world, resource) {
        let text = format!("The resource principal named {resource} was not found in the tenant named {tenant}.");
        return Err(Answer::token_error(400, "invalid_resource", 500_011, &text));
    }
    let life = tokens::APPLICATION_LIFE;
    let access_token = tokens::issue_in(world, tenant, &principal, resource, life);
    Ok(Answer::json(
        200,
        json!({"token_type": "Bearer", "expires_in": life - 1, "ext_expires_in": life - 1, "access_token": access_token}),
    ))
}

fn prove(world: &World, form: &HashMap<String, String>, principal: &Principal, tenant: &str) -> Result<(), Answer> {
    if let Some(secret) = form.get("client_secret") {
        if principal.kind == PrincipalKind::Application && principal.secrets.contains(secret) {
            return Ok(());
        }
        if principal.expired_secrets.contains(secret) {
            let text = format!(
                "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for your \
                 app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: \
                 https://aka.ms/certCreds.",
                principal.app_id.as_deref().unwrap_or_default()
            );
            return Err(Answer::token_error(401, "invalid_client", 7_000_222, &text));
        }
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the \
             client secret ID, for a secret added to app '{}'.",
            principal.app_id.as_deref().unwrap_or_default()
        );
        return Err(Answer::token_error(401, "invalid_client", 7_000_215, &text));
    }
    if !form.contains_key("client_assertion") {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(Answer::token_error(401, "invalid_client", 7_000_218, text));
    }
    if field(form, "client_assertion_type")? != ASSERTION {
        let text = "The value of the parameter 'client_assertion_type' is not supported.";
        return Err(Answer::token_error(400, "invalid_request", 90014, text));
    }
    let token = Token::parse(field(form, "client_assertion")?)
        .ok_or_else(|| Answer::token_error(401, "invalid_client", 50027, "JWT token is invalid or malformed."))?;
    if token.time("exp") <= now() || token.time("nbf") > now() + 300 {
        let text = "Client assertion is not within its valid time range. Current time and expiry of the assertion do not agree.";
        return Err(Answer::token_error(401, "invalid_client", 700_024, text));
    }
    let own = principal
        .app_id
        .as_deref()
        .is_some_and(|id| token.claim("iss").eq_ignore_ascii_case(id));
    if own {
        certificate(world, principal, &token, tenant)
    } else {
        federation(world, principal, &token)
    }
}

fn certificate(world: &World, principal: &Principal, token: &Token, tenant: &str) -> Result<(), Answer> {
    let refused = |text: &str| Err(Answer::token_error(401, "invalid_client", 700_027, text));
    // Some libraries keep the padding, which Entra takes.
    let header = |name: &str| token.header[name].as_str().map(|text| text.trim_end_matches('='));
    let registered = principal.certificates.iter().find(|certificate| {
        header("x5t#S256") == Some(&certificate.sha256) || header("x5t") == Some(&certificate.sha1)
    });
    let Some(registered) = registered else {
        return refused(
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        );
    };
    if !token.is_signed_by(&registered.public_key) {
        return refused("Client assertion failed signature validation.");
    }
    if !token.claim("sub").eq_ignore_ascii_case(token.claim("iss")) {
        return refused("Client assertion's 'sub' and 'iss' must both be the application.");
    }
    let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", world.endpoints.authority);
    if !token.claim("aud").eq_ignore_ascii_case(&endpoint) {
        let text = format!("Client assertion audience claim does not match Realm issuer. Expected '{endpoint}'.");
        return Err(Answer::token_error(401, "invalid_client", 700_023, &text));
    }
    if token.time("exp") - now() > 86_400 || token.claim("jti").is_empty() {
        return refused("Client assertion must carry 'jti' and end within a day.");
    }
    Ok(())
}

fn federation(world: &World, principal: &Principal, token: &Token) -> Result<(), Answer> {
    let refused = |number: u32, text: &str| Err(Answer::token_error(401, "invalid_client", number, text));
    let (issuer, subject) = (token.claim("iss"), token.claim("sub"));
    let mut state = hold(&world.state);
    let Some(current) = state.directory.get_mut(&principal.object_id) else {
        return refused(
            70021,
            "No matching federated identity record found for presented assertion.",
        );
    };
    if current.federations.iter().any(|federation| federation.invisible > 0) {
        for federation in &mut current.federations {
            federation.invisible = federation.invisible.saturating_sub(1);
        }
        let text = format!(
            "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion \
             Subject: '{subject}'. Assertion Audience: '{}'.",
            token.claim("aud")
        );
        return refused(70021, &text);
    }
    if current.federations.is_empty() {
        return refused(
            700_213,
            "No matching federated identity record found for presented assertion: the identity has none.",
        );
    }
    let with_issuer: Vec<&Federation> = current
        .federations
        .iter()
        .filter(|record| record.issuer == issuer)
        .collect();
    if with_issuer.is_empty() {
        return refused(
            700_211,
            &format!("No matching federated identity record found for presented assertion issuer '{issuer}'."),
        );
    }
    let Some(record) = with_issuer.into_iter().find(|record| record.subject == subject) else {
        return refused(
            700_213,
            &format!("No matching federated identity record found for presented assertion subject '{subject}'."),
        );
    };
    if !audiences(token).any(|audience| audience == record.audience) {
        return refused(
            700_212,
            &format!(
                "No matching federated identity record found for presented assertion audience '{}'.",
                token.claim("aud")
            ),
        );
    }
    if token.header["alg"] != "RS256" || !state.issuers.contains(issuer) || !world.issuer_key.signed(token) {
        return refused(50013, "Assertion failed signature validation.");
    }
    Ok(())
}

/// Kubernetes writes its audience as a list, GitHub as a text.
fn audiences(token: &Token) -> impl Iterator<Item = &str> {
    let audience = &token.claims["aud"];
    audience
        .as_str()
        .into_iter()
        .chain(audience.as_array().into_iter().flatten().filter_map(|one| one.as_str()))
}
