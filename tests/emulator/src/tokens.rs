//! Entra's access tokens: which claims they carry, and whether a service may believe one.
//! It does not know how a token is asked for.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Principal, PrincipalKind};
use crate::journal::hold;
use crate::keys::{Token, base64url, now};
use crate::world::World;

/// Microsoft Graph's application ID, which stands for its address in any cloud.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// The resource of PostgreSQL and MySQL tokens.
pub(crate) fn database_resource(world: &World) -> &'static str {
    world.options.cloud.facts().database
}

/// Life of an application's or a user's token, in seconds.
pub(crate) const APPLICATION_LIFE: i64 = 3600;
/// Life of a managed identity's token, in seconds.
pub(crate) const IDENTITY_LIFE: i64 = 86_400;

/// Whether the tenant knows a resource; one slash at its end is allowed and kept.
pub(crate) fn is_known_resource(world: &World, resource: &str) -> bool {
    let bare = resource.strip_suffix('/').unwrap_or(resource);
    let facts = world.options.cloud.facts();
    is_management_audience(world, resource)
        || is_graph_audience(world, resource)
        || [facts.database, facts.sql, facts.exchange].contains(&bare)
}

pub(crate) fn is_management_audience(world: &World, audience: &str) -> bool {
    let bare = audience.strip_suffix('/').unwrap_or(audience);
    let known = world.options.cloud.facts().audiences;
    known.iter().any(|one| one.trim_end_matches('/') == bare) || bare == world.endpoints.resource_manager
}

pub(crate) fn is_graph_audience(world: &World, audience: &str) -> bool {
    let bare = audience.strip_suffix('/').unwrap_or(audience);
    [GRAPH, world.options.cloud.facts().graph, &world.endpoints.graph].contains(&bare)
}

/// Makes a token for a principal of the own tenant.
pub(crate) fn issue(world: &World, principal: &Principal, audience: &str, lifetime: i64) -> String {
    issue_in(world, world.tenant(), principal, audience, lifetime)
}

/// Makes a token for a principal of a tenant. Its form is Entra's version 1; its length is between 1.5 and 2 KB.
pub(crate) fn issue_in(world: &World, tenant: &str, principal: &Principal, audience: &str, lifetime: i64) -> String {
    let issuer = world.options.cloud.facts().issuer;
    let from = now() - 5;
    let mut claims = json!({
        "aud": audience,
        "iss": format!("{issuer}/{tenant}/"),
        "iat": from, "nbf": from, "exp": from + lifetime,
        "aio": noise(44),
        "idp": format!("{issuer}/{tenant}/"),
        "oid": principal.object_id, "sub": principal.object_id, "tid": tenant,
        "rh": format!("1.{}.", noise(48)), "uti": noise(22), "ver": "1.0",
        "xms_ftd": noise(60), "xms_idrel": "7 28", "xms_tcdt": 1_600_000_000, "xms_rd": noise(80),
    });
    let fields = claims.as_object_mut().expect("the literal above is an object");
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    match principal.kind {
        PrincipalKind::User => {
            let name = principal.user_principal_name.clone().unwrap_or_default();
            put("upn", json!(name));
            put("unique_name", json!(name));
            put("name", json!(principal.display_name));
            put("scp", json!("user_impersonation"));
            put("appid", json!("04b07795-8ddb-461a-bbee-02f9e1bf7b46"));
            put("appidacr", json!("0"));
            put("amr", json!(["pwd", "mfa"]));
            put(
                "groups",
                json!(hold(&world.state).directory.groups_of(&principal.object_id)),
            );
        }
        PrincipalKind::Application | PrincipalKind::ManagedIdentity | PrincipalKind::Group => {
            put("appid", json!(principal.app_id));
            put("appidacr", json!("2"));
            put("idtyp", json!("app"));
        }
    }
    if let Some(resource) = principal
        .resource_id
        .as_ref()
        .filter(|_| principal.kind == PrincipalKind::ManagedIdentity)
    {
        put("xms_mirid", json!(resource));
        put("xms_az_rid", json!(resource));
    }
    let token = world.entra_key.sign(&claims);
    // Azure's tokens vary in length with the tenant; ours are kept above the lengths at which careless clients cut.
    match 1536_usize.checked_sub(token.len()) {
        Some(short) if short > 0 => {
            claims["xms_acd"] = json!(noise(short * 3 / 4 + 16));
            world.sign(&world.entra_key, &claims)
        }
        _ => {
            hold(&world.issued).push(token.clone());
            token
        }
    }
}

/// Why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    Malformed,
    Signature,
    /// When it ended, in seconds since 1970.
    Expired(i64),
    /// Who issued it for another tenant.
    Tenant(String),
    /// For whom it is.
    Audience(String),
}

/// Takes a token apart and believes it when Entra signed it for this tenant and this audience, and it is in its time.
pub(crate) fn check(world: &World, text: &str, is_audience: impl Fn(&str) -> bool) -> Result<Token, Doubt> {
    let token = check_of_any_tenant(world, text, is_audience)?;
    if token.claim("tid") != world.tenant() {
        return Err(Doubt::Tenant(token.claim("iss").to_owned()));
    }
    Ok(token)
}

/// The same for whatever tenant it was issued.
pub(crate) fn check_of_any_tenant(
    world: &World,
    text: &str,
    is_audience: impl Fn(&str) -> bool,
) -> Result<Token, Doubt> {
    let token = Token::parse(text).ok_or(Doubt::Malformed)?;
    if !world.entra_key.signed(&token) {
        return Err(Doubt::Signature);
    }
    if !is_audience(token.claim("aud")) {
        return Err(Doubt::Audience(token.claim("aud").to_owned()));
    }
    if token.time("exp") <= now() {
        return Err(Doubt::Expired(token.time("exp")));
    }
    Ok(token)
}

fn noise(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&base64url(Uuid::new_v4().as_bytes()));
    }
    text.truncate(length);
    text
}
