//! What Entra says when it refuses a sign-in. It does not know which way was tried, nor what to advise.

use serde::Deserialize;

use crate::azure::answer::Answer;
use crate::azure::error::{Error, Kind};

/// `{"error", "error_description", …}` of the token endpoints of Entra and of managed identities.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Option<String>,
    error_description: Option<String>,
    error_codes: Vec<u32>,
    correlation_id: Option<String>,
}

/// The failure that an answer of a token endpoint is.
pub(crate) fn refusal(answer: &Answer) -> Error {
    let Ok(body) = serde_json::from_slice::<Body>(&answer.body) else {
        return answer.failure();
    };
    let Some(text) = body.error_description.or_else(|| body.error.clone()) else {
        return answer.failure();
    };
    // Trace ID, correlation ID and time follow on lines of their own.
    let message = text.split(['\r', '\n']).next().unwrap_or_default();
    let message = message.split(" Trace ID:").next().unwrap_or_default().trim().to_owned();
    let aadsts = number(&message).or_else(|| body.error_codes.first().copied());
    let kind = match answer.status {
        429 => Kind::Throttled,
        408 | 500..=599 => Kind::Transient,
        _ if matches!(aadsts, Some(90_013 | 90_033)) => Kind::Transient,
        _ => Kind::SignIn { aadsts },
    };
    let error = answer.error(kind, message).with_code(body.error);
    match body.correlation_id {
        Some(id) => error.with_correlation_id(Some(id)),
        None => error,
    }
}

/// The number after "AADSTS" in a text.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = text.split("AADSTS").nth(1)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    fn refused(status: u16, body: &str) -> Error {
        let request = "POST login.microsoftonline.com/t/oauth2/v2.0/token".to_owned();
        refusal(&Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            request,
        })
    }

    #[test]
    fn a_refusal_keeps_number_text_and_correlation() {
        let error = refused(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x\r\nCorrelation ID: y","error_codes":[7000215],"correlation_id":"y"}"#,
        );
        assert_eq!(
            error.kind(),
            Kind::SignIn {
                aadsts: Some(7_000_215)
            }
        );
        assert_eq!(error.code(), Some("invalid_client"));
        assert_eq!(error.message(), "AADSTS7000215: Invalid client secret provided.");
        assert_eq!(error.correlation_id(), Some("y"));
        assert!(!error.heals_after_creation());
    }

    #[test]
    fn what_passes_by_itself_is_told_apart() {
        let kind = |status, body| refused(status, body).kind();
        assert_eq!(
            kind(400, r#"{"error":"temporarily_unavailable","error_codes":[90033]}"#),
            Kind::Transient
        );
        assert_eq!(kind(429, r#"{"error":"x"}"#), Kind::Throttled);
        assert_eq!(kind(503, "<html></html>"), Kind::Transient);
        assert_eq!(
            kind(400, r#"{"error":"invalid_request"}"#),
            Kind::SignIn { aadsts: None }
        );
        assert!(refused(400, r#"{"error":"invalid_request","error_codes":[70021]}"#).heals_after_creation());
        assert_eq!(number("AADSTS70021: No"), Some(70_021));
        assert_eq!(number("AADSTS: no"), None);
    }
}
