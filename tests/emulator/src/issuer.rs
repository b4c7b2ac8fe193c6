//! The OpenID issuer of the pretended cluster, and the place where GitHub's runners ask for a token.
//! It does not know who believes it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::now;
use crate::managed_endpoints;
use crate::world::World;

/// The audience that Entra wants in a federated assertion.
pub(crate) const EXCHANGE: &str = "api://AzureADTokenExchange";

/// The issuer of GitHub's workflow tokens, and the subject of the pretended workflow.
pub(crate) const GITHUB: &str = "https://token.actions.githubusercontent.com";
pub(crate) const GITHUB_SUBJECT: &str = "repo:example/infrastructure:ref:refs/heads/main";

/// The issuer of Azure Pipelines' service connections, and the subject of the pretended one.
pub(crate) const PIPELINES: &str = "https://vstoken.dev.azure.com/7c2d1a5e-0000-4000-8000-3f5b9c1d2e4f";
pub(crate) const PIPELINES_SUBJECT: &str = "sc://example/infrastructure/emulator";

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    let parts: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    if let Some(answer) =
        managed_endpoints::answer(world, ask).filter(|_| ask.path == managed_endpoints::SERVICE_FABRIC)
    {
        return answer;
    }
    if let ["pipelines", "oidctoken"] = parts.as_slice() {
        return pipelines(world, ask);
    }
    if ask.method != "GET" {
        return Answer::plain_error(405, "invalid_request", "only GET is known here");
    }
    match parts.as_slice() {
        ["github", "token"] => github(world, ask),
        [tenant, cluster, ".well-known", "openid-configuration"] => configuration(world, tenant, cluster),
        [_, _, "openid", "v1", "jwks"] => Answer::json(200, json!({"keys": [world.issuer_key.public()]})),
        _ => Answer::plain_error(404, "not_found", &format!("the path '{}' is not known", ask.path)),
    }
}

fn configuration(world: &World, tenant: &str, cluster: &str) -> Answer {
    let issuer = format!("{}/{tenant}/{cluster}/", world.endpoints.issuer);
    if !hold(&world.state).issuers.contains(&issuer) {
        return Answer::plain_error(404, "not_found", &format!("no cluster has the issuer '{issuer}'"));
    }
    Answer::json(
        200,
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }),
    )
}

fn github(world: &World, ask: &Ask) -> Answer {
    if ask.header("authorization") != format!("Bearer {}", world.token_request_secret) {
        return Answer::plain_error(401, "unauthorized", "the request token is not the one of this workflow");
    }
    let audience = ask.parameter("audience").unwrap_or("https://github.com/example");
    let value = external_token(world, GITHUB, GITHUB_SUBJECT, json!(audience));
    Answer::json(200, json!({"count": value.len(), "value": value}))
}

fn pipelines(world: &World, ask: &Ask) -> Answer {
    if ask.method != "POST" {
        return Answer::plain_error(405, "invalid_request", "only POST is known here");
    }
    if ask.header("authorization") != format!("Bearer {}", world.token_request_secret) {
        // Azure DevOps sends whoever does not suppress it to the sign-in page.
        if !ask.header("x-tfs-fedauthredirect").eq_ignore_ascii_case("suppress") {
            return Answer::html(302).header("location", "https://app.vssps.visualstudio.com/_signin".to_owned());
        }
        return Answer::plain_error(401, "unauthorized", "the request token is not the one of this pipeline");
    }
    if ask.parameter("api-version") != Some("7.1") || ask.parameter("serviceConnectionId").is_none_or(str::is_empty) {
        return Answer::plain_error(
            400,
            "invalid_request",
            "api-version 7.1 and serviceConnectionId are needed",
        );
    }
    let value = external_token(world, PIPELINES, PIPELINES_SUBJECT, json!(EXCHANGE));
    Answer::json(200, json!({"oidcToken": value}))
}

/// A token of any issuer, which Entra will be able to verify from now on.
pub(crate) fn external_token(world: &World, issuer: &str, subject: &str, audience: Value) -> String {
    dated_token(world, issuer, subject, &audience, now() - 5)
}

/// The same from yesterday.
pub(crate) fn expired_token(world: &World, issuer: &str, subject: &str, audience: &Value) -> String {
    dated_token(world, issuer, subject, audience, now() - 86_400)
}

fn dated_token(world: &World, issuer: &str, subject: &str, audience: &Value, from: i64) -> String {
    hold(&world.state).issuers.insert(issuer.to_owned());
    let claims = json!({
        "aud": audience, "iss": issuer, "sub": subject, "iat": from, "nbf": from, "exp": from + 3600,
        "jti": Uuid::new_v4().to_string(),
    });
    world.sign(&world.issuer_key, &claims)
}

/// A service account's token as the kubelet projects it into a pod.
pub(crate) fn service_account_token(world: &World, issuer: &str, namespace: &str, service_account: &str) -> String {
    let from = now() - 5;
    let claims = json!({
        "aud": [EXCHANGE], "iss": issuer, "iat": from, "nbf": from, "exp": from + 3600,
        "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
        "kubernetes.io": {
            "namespace": namespace,
            "pod": {"name": "openmetadata-0", "uid": Uuid::new_v4().to_string()},
            "serviceaccount": {"name": service_account, "uid": Uuid::new_v4().to_string()},
        },
    });
    world.sign(&world.issuer_key, &claims)
}
