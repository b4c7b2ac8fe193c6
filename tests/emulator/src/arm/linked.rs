//! What a request points to in other tenants, and the further tokens that open these. It does not know what is there.

use crate::answer::Answer;
use crate::arm::Call;
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::Token;
use crate::tenants;
use crate::tokens::{self, Doubt};
use crate::world::World;

const HEADER: &str = "x-ms-authorization-auxiliary";
/// How many tokens the header may hold.
const MOST: usize = 3;

/// The tenants whose tokens came with a request. One token that is not good spoils it, whether it is needed or not.
pub(crate) fn tenants(world: &World, ask: &Ask, primary: &Token) -> Result<Vec<String>, Answer> {
    // Older documents and clients write semicolons, newer ones commas.
    let values = ask.headers.get_all(HEADER).iter();
    let given: Vec<String> = values
        .flat_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split([',', ';'])
                .map(|one| one.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    if given.len() > MOST {
        let message = format!(
            "The header '{HEADER}' holds {} tokens; {MOST} are allowed.",
            given.len()
        );
        return Err(Answer::arm_error(400, "InvalidAuxiliaryTokens", message));
    }
    given.iter().map(|value| tenant(world, value, primary)).collect()
}

fn tenant(world: &World, value: &str, primary: &Token) -> Result<String, Answer> {
    let refused = |code: &str, message: String| Answer::arm_error(401, code, message);
    let Some(text) = value.strip_prefix("Bearer ") else {
        let message = format!("The header '{HEADER}' holds something else than 'Bearer' and a token.");
        return Err(refused("InvalidAuthenticationToken", message));
    };
    let told = Token::parse(text);
    let told = told.as_ref().map_or((String::new(), String::new()), |token| {
        (token.claim("appid").to_owned(), token.claim("tid").to_owned())
    });
    let invalid = |code: &str, why: &str| {
        let (client, tenant) = &told;
        let message = format!("The auxiliary token of client '{client}' from tenant '{tenant}' is not valid: {why}.");
        refused(code, message)
    };
    let is_audience = |audience: &str| tokens::is_management_audience(world, audience);
    let token = tokens::check_of_any_tenant(world, text, is_audience).map_err(|doubt| match doubt {
        Doubt::Malformed | Doubt::Signature | Doubt::Tenant(_) => {
            invalid("InvalidAuthenticationToken", "nobody known signed it")
        }
        Doubt::Audience(audience) => invalid("InvalidAuthenticationToken", &format!("it is for '{audience}'")),
        Doubt::Expired(end) => invalid("ExpiredAuthenticationToken", &format!("it expired at '{end}'")),
    })?;
    if token.claim("appid") != primary.claim("appid") {
        return Err(invalid(
            "InvalidAuthenticationToken",
            "the primary token is another client's",
        ));
    }
    Ok(token.claim("tid").to_owned())
}

/// Whether the caller may do something with what a resource is linked to: in another tenant only with its token.
pub(crate) fn authorize(call: &Call<'_>, action: &str, scope: &str, linked: &str) -> Result<(), Answer> {
    let subscription = linked.split('/').nth(2).unwrap_or_default();
    let Some(tenant) = tenants::managing(&hold(&call.world.state), subscription) else {
        return Ok(());
    };
    if call.auxiliary.contains(&tenant.tenant_id) {
        return Ok(());
    }
    let message = format!(
        "The client has permission to perform action '{action}' on scope '{scope}', however the current tenant '{}' is not \
         authorized to access linked subscription '{subscription}'.",
        call.world.tenant()
    );
    Err(Answer::arm_error(403, "LinkedAuthorizationFailed", message))
}

/// The refusal of a token from another tenant than the one that manages the subscription.
pub(crate) fn wrong_issuer(world: &World, given: &str, tenant: &str) -> Answer {
    let facts = world.options.cloud.facts();
    let message = format!(
        "The access token is from the wrong issuer '{given}'. It must match the tenant '{}/{tenant}/' associated with this \
         subscription. Please use the authority (URL) '{}/{tenant}' to get the token. Note, if the subscription is \
         transferred to another tenant there is no impact to the services, but information about new tenant could take time \
         to propagate (up to an hour). If you just transferred your subscription and see this error message, please try back \
         later.",
        facts.issuer, world.endpoints.authority
    );
    super::unauthenticated(world, "InvalidAuthenticationTokenTenant", message)
}
