//! What token endpoints of machines and platforms answer: a token, or why not. It does not know how they are asked.

use serde::Deserialize;
use time::OffsetDateTime;

use crate::azure::answer::Answer;
use crate::azure::credential::managed_identity::source::Source;
use crate::azure::credential::refusal::refusal;
use crate::azure::error::{Error, Kind};
use crate::azure::token::Token;

/// The failure that an answer is, with what to do about it.
pub(super) fn refused(answer: &Answer, source: &Source, client_id: Option<&str>) -> Error {
    let error = refusal(answer);
    let metadata_service = matches!(source, Source::MetadataService { .. });
    match answer.status {
        // A proxy of Docker Desktop answers in the place of the service.
        403 if metadata_service && error.message().contains("unreachable") => {
            let message = "this machine has no managed identity endpoint that answers";
            return Error::new(Kind::SignInUnavailable, message).with_source(error);
        }
        // The service is being updated; it is back within 70 seconds.
        404 | 410 if metadata_service => return answer.error(Kind::Transient, error.message()),
        _ => {}
    }
    if error.is_transient() {
        return error;
    }
    let aadsts = match error.kind() {
        Kind::SignIn { aadsts } => aadsts,
        _ => None,
    };
    let refused = |advice: &str| {
        let message = format!("{}; {advice}", error.message().trim_end_matches('.'));
        answer.error(Kind::SignIn { aadsts }, message)
    };
    let said = error.message().to_lowercase();
    let no_identity = NO_IDENTITY.iter().any(|words| said.contains(words));
    match client_id {
        _ if said.contains("multiple user assigned identities") => refused(
            "several identities are assigned here and none is named: set `client_id` (ARM_CLIENT_ID) to the client ID of one of them",
        ),
        Some(client_id) if no_identity => refused(&format!(
            "no identity with the client ID {client_id} is assigned here: assign it, or correct `client_id` (ARM_CLIENT_ID)"
        )),
        // What a variable of the platform announced has some identity: not the one that is meant when none is named.
        None if no_identity && !source.may_be_absent() => refused(
            "there is no system-assigned identity here: assign one, or set `client_id` (ARM_CLIENT_ID) to the client ID of a user-assigned one",
        ),
        None if no_identity => {
            let message = format!("no managed identity is assigned here ({})", error.message());
            answer.error(Kind::SignInUnavailable, message)
        }
        _ => answer.error(Kind::SignIn { aadsts }, error.message()),
    }
}

/// How the endpoints say that they have no such identity.
const NO_IDENTITY: [&str; 4] = [
    "identity not found",
    "unable to load the proper managed identity",
    "identity found for specified",
    "no managed identity found",
];

/// The token in an answer.
pub(super) fn read(answer: &Answer) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Body {
        access_token: String,
        expires_on: Option<Number>,
        expires_in: Option<Number>,
    }
    let body: Body = answer.json()?;
    let on = body.expires_on.and_then(|number| number.value());
    let on = on.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let lasting = body.expires_in.and_then(|number| number.value());
    let lasting = lasting.and_then(|seconds| OffsetDateTime::now_utc().checked_add(time::Duration::seconds(seconds)));
    let expires_on = on
        .or(lasting)
        .ok_or_else(|| answer.error(Kind::Unexpected, "the answer does not say when the token expires"))?;
    Ok(Token::new(body.access_token.into(), expires_on))
}

/// Seconds, which every endpoint writes in its own way: as a number or as text.
#[derive(Deserialize)]
struct Number(serde_json::Value);

impl Number {
    fn value(&self) -> Option<i64> {
        self.0.as_i64().or_else(|| self.0.as_str()?.trim().parse().ok())
    }
}
