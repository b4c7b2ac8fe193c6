//! Whether a password, or the token in its place, opens a role. It does not know how it was sent.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::directory::PrincipalKind;
use crate::journal::hold;
use crate::keys::Token;
use crate::tokens::{self, Doubt};
use crate::world::World;

/// What the server's catalogue says about a role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// The security label of provider `pgaadauth`.
    pub(crate) label: Option<String>,
    /// The verifier in `pg_authid`.
    pub(crate) verifier: Option<String>,
}

/// Which ways in are open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) entra: bool,
    pub(crate) password: bool,
}

/// SQLSTATE and text of a refused login.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn password(user: &str) -> Refusal {
        Refusal {
            code: "28P01",
            text: format!("password authentication failed for user \"{user}\""),
        }
    }

    fn token(text: impl Into<String>) -> Refusal {
        Refusal {
            code: "28000",
            text: text.into(),
        }
    }
}

/// Decides about one login.
pub(crate) fn check(world: &World, role: &Role, doors: Doors, secret: &str) -> Result<(), Refusal> {
    match &role.label {
        Some(label) if doors.entra => entra(world, role, label, secret),
        None if doors.password => match &role.verifier {
            Some(verifier) if scram(verifier, secret) => Ok(()),
            _ => Err(Refusal::password(&role.name)),
        },
        _ => Err(Refusal::password(&role.name)),
    }
}

fn entra(world: &World, role: &Role, label: &str, secret: &str) -> Result<(), Refusal> {
    let resource = tokens::database_resource(world);
    let token = tokens::check(world, secret, |audience| audience == resource).map_err(|doubt| match doubt {
        Doubt::Malformed => Refusal::token(
            "The access token has invalid format. Please ensure the token is passed exactly as returned by the authentication \
             endpoint and retry.",
        ),
        Doubt::Signature => {
            Refusal::token("An error occurred while validating the access token. Please acquire a new token and retry")
        }
        Doubt::Expired(_) => Refusal::token(
            "The access token does not have valid signature or is expired. Please acquire a new token and retry.",
        ),
        Doubt::Audience(_) => Refusal::token(format!(
            "The access token does not have a valid audience claim. Please acquire a new token for the resource \
             \"{resource}\"."
        )),
        Doubt::Tenant(_) => Refusal::password(&role.name),
    })?;
    let mut items = label.split(',').skip(1);
    let bound = items
        .next()
        .and_then(|item| item.strip_prefix("oid="))
        .unwrap_or_default();
    let kind = items
        .next()
        .and_then(|item| item.strip_prefix("type="))
        .unwrap_or_default();
    let mfa = items.any(|item| item == "mfa");
    matches(world, role, &token, bound, kind)?;
    let strong = token.claims["amr"]
        .as_array()
        .is_some_and(|methods| methods.iter().any(|method| method == "mfa"));
    if mfa && kind == "user" && !strong {
        return Err(Refusal::password(&role.name));
    }
    Ok(())
}

fn matches(world: &World, role: &Role, token: &Token, bound: &str, kind: &str) -> Result<(), Refusal> {
    let owner = token.claim("oid");
    let state = hold(&world.state);
    let principal = state.directory.get(owner);
    let is_user =
        principal.is_some_and(|principal| principal.kind == PrincipalKind::User) || !token.claim("upn").is_empty();
    match kind {
        "group" if state.directory.groups_of(owner).iter().any(|group| group == bound) => Ok(()),
        "group" => Err(Refusal::password(&role.name)),
        "user" if !is_user => Err(Refusal::token(format!(
            "Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[{}]",
            role.name
        ))),
        _ if owner == bound => Ok(()),
        "service" if !is_user => Err(Refusal::token(format!(
            "Service principal oid mismatch for role \"The oid in the security label [{bound}] does not match the appid [{}] or \
             oid [{owner}] in the token.\"",
            token.claim("appid")
        ))),
        _ => Err(Refusal::password(&role.name)),
    }
}

/// Compares a password with `SCRAM-SHA-256$iterations:salt$stored:server`.
fn scram(verifier: &str, password: &str) -> bool {
    let Some(stored) = stored_key(verifier, password) else {
        return false;
    };
    let expected = verifier.rsplit('$').next().and_then(|keys| keys.split(':').next());
    expected == Some(STANDARD.encode(stored).as_str())
}

fn stored_key(verifier: &str, password: &str) -> Option<Vec<u8>> {
    let (iterations, rest) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
    let salt = STANDARD.decode(rest.split('$').next()?).ok()?;
    let iterations: NonZeroU32 = iterations.parse().ok()?;
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let client = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
    Some(digest::digest(&digest::SHA256, client.as_ref()).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_compared_with_its_verifier() {
        let draft = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2Fs$";
        let stored = stored_key(draft, "secret").unwrap();
        let verifier = format!("{draft}{}:unused", STANDARD.encode(stored));
        assert!(scram(&verifier, "secret"));
        assert!(!scram(&verifier, "Secret"));
        assert!(!scram("md5abc", "secret"));
    }
}
