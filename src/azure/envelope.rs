//! What an answer that is no success says of itself, and which kind of failure that is.

use std::borrow::Cow;

use serde_json::Value;

use crate::azure::error::Kind;

/// What an answer that is no success says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
}

impl Envelope {
    /// Reads `{"error":{"code","message","details"}}`, the same without its wrapper, or what a gateway sends.
    pub(crate) fn parse(body: &[u8]) -> Envelope {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Envelope::of(field(&value, "error").unwrap_or(&value)),
            Err(_) => Envelope {
                code: None,
                message: plain_text(&String::from_utf8_lossy(body)),
            },
        }
    }

    /// Reads `{"code","message","details"}`.
    pub(crate) fn of(error: &Value) -> Envelope {
        let text = |name: &str| {
            let text = field(error, name).and_then(Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let mut message = text("message").or_else(|| error.as_str().map(str::to_owned));
        let details = field(error, "details").and_then(Value::as_array);
        for detail in details.into_iter().flatten() {
            let inner = Envelope::of(detail);
            let Some(added) = inner.message.or(inner.code) else {
                continue;
            };
            match &mut message {
                None => message = Some(added),
                Some(message) if message.contains(&added) => {}
                Some(message) => message.push_str(&format!(" [{added}]")),
            }
        }
        Envelope {
            code: text("code"),
            message,
        }
    }
}

/// A field by its name; the web resource provider begins each with a capital.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    fields
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A page of HTML, or text, as one short line.
fn plain_text(body: &str) -> Option<String> {
    const LONGEST: usize = 300;
    let lower = body.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>"));
    let text: Cow<'_, str> = match title {
        Some((begin, end)) if begin + 7 <= end => body[begin + 7..end].into(),
        _ if lower.contains("<html") || lower.trim_start().starts_with('<') => "a page of HTML".into(),
        _ => body.into(),
    };
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(LONGEST).collect();
    (!short.is_empty()).then_some(short)
}

/// The kind of an answer of Azure Resource Manager or Graph.
///
/// A 404 counts as gone only when its code says so: a proxy answers 404 too, and so does Azure for a
/// type that it does not support.
pub(crate) fn classify(status: u16, envelope: &Envelope) -> Kind {
    let code = envelope.code.as_deref().unwrap_or_default();
    if let Some(kind) = kind_of_code(code) {
        return kind;
    }
    match status {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 if code.contains("NotFound") => Kind::NotFound,
        404 if code.is_empty() => Kind::Unexpected,
        409 if sounds_busy(code, envelope.message.as_deref().unwrap_or_default()) => Kind::Busy,
        409 => Kind::Conflict,
        412 => Kind::Changed,
        429 => Kind::Throttled,
        408 | 500..=599 => Kind::Transient,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::Unexpected,
    }
}

/// The kind of a long-running operation that failed: its poll has no status of its own.
pub(crate) fn classify_operation(envelope: &Envelope) -> Kind {
    let code = envelope.code.as_deref().unwrap_or_default();
    let message = envelope.message.as_deref().unwrap_or_default();
    let busy = || sounds_busy(code, "").then_some(Kind::Busy);
    let unknown_principal = || misses_principal(message).then_some(Kind::PrincipalNotFound);
    kind_of_code(code)
        .or_else(busy)
        .or_else(unknown_principal)
        .unwrap_or(Kind::OperationFailed)
}

/// Whether a server says that the directory does not show it a principal (yet). It has no code for that, only words.
fn misses_principal(message: &str) -> bool {
    ["trying to validate user", "not found in the tenant"]
        .iter()
        .any(|part| message.contains(part))
}

/// Codes that say more than their status.
fn kind_of_code(code: &str) -> Option<Kind> {
    Some(match code {
        "ParentResourceNotFound"
        | "ResourceGroupNotFound"
        | "SubscriptionDoesNotHaveServer"
        | "ServerNotInSubscriptionResourceGroup" => Kind::ParentGone,
        "SubscriptionNotFound" | "InvalidSubscriptionId" => Kind::SubscriptionUnknown,
        "PrincipalNotFound" | "PrincipalNotFoundInTenant" | "FailedIdentityOperation" => Kind::PrincipalNotFound,
        "TooManyRequests" | "SubscriptionRequestsThrottled" => Kind::Throttled,
        "AnotherOperationInProgress" | "ManagedInstanceIsBusy" | "ConflictingServerOperation" => Kind::Busy,
        "MissingSubscriptionRegistration" | "ScopeLocked" | "ResourceGroupBeingDeleted" => Kind::Conflict,
        _ if code.starts_with("RetryableError") => Kind::Busy,
        _ => return None,
    })
}

/// Whether a conflict is with another operation, not with what exists.
fn sounds_busy(code: &str, message: &str) -> bool {
    const CODES: &[&str] = &[
        "Busy",
        "InProgress",
        "Concurrent",
        "NotAccessible",
        "ConflictingOperation",
    ];
    const TEXTS: &[&str] = &[
        "in progress",
        "is busy",
        "concurrent",
        "try again",
        "retry",
        "another operation",
    ];
    let message = message.to_lowercase();
    CODES.iter().any(|part| code.contains(part)) || TEXTS.iter().any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> (Option<String>, Option<String>) {
        let Envelope { code, message } = Envelope::parse(body.as_bytes());
        (code, message)
    }

    #[test]
    fn the_envelope_is_read_in_every_form() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            envelope(r#"{"error":{"code":"A","message":"b.","details":[{"code":"C","message":"d"},{"code":"E"}]}}"#),
            (some("A"), some("b. [d] [E]"))
        );
        assert_eq!(envelope(r#"{"code":"A","message":"b"}"#), (some("A"), some("b")));
        assert_eq!(
            envelope(r#"{"Code":"429","Message":"Later.","Target":null,"Details":[{"Message":"Later."}]}"#),
            (some("429"), some("Later."))
        );
        assert_eq!(
            envelope(r#"{"error":"invalid_request"}"#),
            (None, some("invalid_request"))
        );
        assert_eq!(envelope(r#"{"error":{"code":"","message":""}}"#), (None, None));
        assert_eq!(
            envelope("<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>"),
            (None, some("502 Bad Gateway"))
        );
        assert_eq!(envelope("<!doctype html><html>"), (None, some("a page of HTML")));
        assert_eq!(envelope("upstream  down\n"), (None, some("upstream down")));
        assert_eq!(envelope(""), (None, None));
    }

    #[test]
    fn a_failed_operation_tells_whether_it_is_worth_another() {
        let kind = |code: &str, message: &str| {
            classify_operation(&Envelope {
                code: Some(code.to_owned()),
                message: Some(message.to_owned()),
            })
        };
        let unknown = "Reason - 0LP01: An unexpected error occurred while trying to validate user.";
        assert_eq!(kind("AnyCode", unknown), Kind::PrincipalNotFound);
        assert_eq!(kind("ServerIsNotAccessible", ""), Kind::Busy);
        assert_eq!(kind("InternalServerError", "it broke"), Kind::OperationFailed);
    }

    #[test]
    fn the_kind_follows_from_code_text_and_status() {
        let table: &[(u16, &str, &str, Kind)] = &[
            (404, "ResourceNotFound", "", Kind::NotFound),
            (404, "NotFound", "", Kind::NotFound),
            (404, "Request_ResourceNotFound", "", Kind::NotFound),
            (404, "ParentResourceNotFound", "", Kind::ParentGone),
            (404, "ResourceGroupNotFound", "", Kind::ParentGone),
            (404, "SubscriptionNotFound", "", Kind::SubscriptionUnknown),
            (404, "ServerNotInSubscriptionResourceGroup", "", Kind::ParentGone),
            (404, "", "no route", Kind::Unexpected),
            (404, "ResourceTypeNotSupported", "", Kind::InvalidRequest),
            (400, "PrincipalNotFound", "", Kind::PrincipalNotFound),
            (400, "InvalidRequestContent", "", Kind::InvalidRequest),
            (401, "ExpiredAuthenticationToken", "", Kind::Unauthorized),
            (403, "AuthorizationFailed", "", Kind::Forbidden),
            (403, "ScopeLocked", "", Kind::Conflict),
            (409, "ServerBusy", "", Kind::Busy),
            (
                409,
                "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
                "",
                Kind::Busy,
            ),
            (
                409,
                "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
                "",
                Kind::Busy,
            ),
            (409, "ConflictingServerOperation", "", Kind::Busy),
            (409, "UpsertLogicalServerRequestAlreadyInProgress", "", Kind::Busy),
            (400, "ManagedInstanceIsBusy", "", Kind::Busy),
            (400, "PrincipalNotFoundInTenant", "", Kind::PrincipalNotFound),
            (409, "Conflict", "Another operation is in progress.", Kind::Busy),
            (409, "Conflict", "The name is taken.", Kind::Conflict),
            (409, "OperationNotAllowed", "", Kind::Conflict),
            (412, "PreconditionFailed", "", Kind::Changed),
            (429, "", "", Kind::Throttled),
            (429, "RetryableErrorDueToAnotherOperation", "", Kind::Busy),
            (429, "429", "Retry the request later.", Kind::Throttled),
            (408, "", "", Kind::Transient),
            (503, "ServiceUnavailable", "", Kind::Transient),
            (302, "", "", Kind::Unexpected),
        ];
        for (status, code, message, kind) in table {
            let envelope = Envelope {
                code: Some((*code).to_owned()).filter(|code| !code.is_empty()),
                message: Some((*message).to_owned()),
            };
            assert_eq!(classify(*status, &envelope), *kind, "{status} {code} {message}");
        }
    }
}
