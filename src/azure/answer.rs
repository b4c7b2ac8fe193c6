//! An answer: its JSON, the delay it asks for, the failure it is. It does not know what was asked.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::azure::envelope::{Envelope, classify};
use crate::azure::error::{Error, Kind};

/// One answer, read whole.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Method and address, without the query.
    pub(crate) request: String,
}

impl fmt::Debug for Answer {
    /// Without the body, which may be a token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}, {} bytes",
            self.request,
            self.status,
            self.body.len()
        )
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON of a form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The text of a data error may quote a value, so only the place is kept.
            let message = format!(
                "the answer does not have the expected form, at line {} column {}",
                error.line(),
                error.column()
            );
            self.error(Kind::Unexpected, message)
        })
    }

    /// How long the other side asks us to wait, in whichever form it says so.
    pub(crate) fn after(&self) -> Option<Duration> {
        let number = |name| self.header(name).and_then(|text| text.trim().parse::<f64>().ok());
        let delay = |seconds: f64| {
            let seconds = seconds.clamp(0.0, 86_400.0);
            seconds.is_finite().then(|| Duration::from_secs_f64(seconds))
        };
        if let Some(milliseconds) = number("retry-after-ms").or(number("x-ms-retry-after-ms")) {
            return delay(milliseconds / 1000.0);
        }
        if let Some(seconds) = number("retry-after") {
            return delay(seconds);
        }
        let date = |name| {
            self.header(name)
                .and_then(|text| OffsetDateTime::parse(text.trim(), &Rfc2822).ok())
        };
        // Relative to the server's own clock, when it tells: ours may be wrong.
        let now = date("date").unwrap_or_else(OffsetDateTime::now_utc);
        delay((date("retry-after")? - now).as_seconds_f64())
    }

    /// The failure that this answer is.
    pub(crate) fn failure(&self) -> Error {
        let envelope = Envelope::parse(&self.body);
        let mut kind = classify(self.status, &envelope);
        // Azure Resource Manager signs its answers; a 404 without a body that it signed is its own.
        if self.status == 404 && self.body.is_empty() && self.header("x-ms-request-id").is_some() {
            kind = Kind::NotFound;
        }
        let message = envelope.message.unwrap_or_else(|| match self.status {
            300..=399 => "answered with a redirect, which is not followed".to_owned(),
            _ => "the answer gives no reason".to_owned(),
        });
        self.error(kind, message).with_code(envelope.code)
    }

    /// An error about this answer.
    pub(crate) fn error(&self, kind: Kind, message: impl Into<String>) -> Error {
        let id = ["x-ms-correlation-request-id", "x-ms-request-id", "request-id"];
        let id = id.into_iter().find_map(|name| self.header(name)).map(str::to_owned);
        Error::new(kind, message)
            .with_status(self.status)
            .with_request(self.request.clone())
            .with_correlation_id(id)
            .with_after(self.after())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn answer(headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Answer {
            status: 429,
            headers: headers.collect(),
            body: Vec::new(),
            request: String::new(),
        }
    }

    #[test]
    fn retry_after_is_honoured_in_all_its_forms() {
        let after = |headers: &[(&'static str, &str)]| answer(headers).after().map(|delay| delay.as_millis());
        assert_eq!(after(&[("retry-after", "17")]), Some(17_000));
        assert_eq!(after(&[("retry-after", " 0 ")]), Some(0));
        assert_eq!(after(&[("retry-after-ms", "250"), ("retry-after", "17")]), Some(250));
        assert_eq!(after(&[("x-ms-retry-after-ms", "1500")]), Some(1_500));
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(
            after(&[date, ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")]),
            Some(30_000)
        );
        assert_eq!(
            after(&[date, ("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")]),
            Some(0)
        );
        assert_eq!(after(&[("retry-after", "99999999999")]), Some(86_400_000));
        for nonsense in ["soon", "-", "NaN", ""] {
            assert_eq!(after(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn only_a_404_that_azure_signed_means_gone() {
        let mut proxy = answer(&[]);
        proxy.status = 404;
        assert_eq!(proxy.failure().kind(), Kind::Unexpected);
        let mut azure = answer(&[("x-ms-request-id", "r-1")]);
        azure.status = 404;
        assert_eq!(azure.failure().kind(), Kind::NotFound);
        assert_eq!(azure.failure().correlation_id(), Some("r-1"));
    }
}
