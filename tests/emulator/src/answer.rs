//! Answers of the HTTP fronts, with the error form of each. It does not know when which error is due.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::http::Ask;
use crate::journal::Service;

enum Content {
    Empty,
    Json(Value),
    Html(String),
}

/// One HTTP answer.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            content: Content::Json(body),
        }
    }

    pub(crate) fn empty(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            content: Content::Empty,
        }
    }

    pub(crate) fn html(status: u16) -> Answer {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{status}</title></head><body><h2>{status}</h2></body></html>\r\n"
        );
        Answer {
            status,
            headers: Vec::new(),
            content: Content::Html(page),
        }
    }

    /// The error form of Azure Resource Manager.
    pub(crate) fn arm_error(status: u16, code: &str, message: impl Into<String>) -> Answer {
        let answer = Answer::json(status, json!({"error": {"code": code, "message": message.into()}}));
        answer.header("x-ms-failure-cause", "gateway".to_owned())
    }

    /// The error form of Microsoft Graph.
    pub(crate) fn graph_error(status: u16, code: &str, message: impl Into<String>) -> Answer {
        let request = Uuid::new_v4().to_string();
        let date = &timestamp()[..19];
        Answer::json(
            status,
            json!({"error": {"code": code, "message": message.into(),
                "innerError": {"date": date, "request-id": request, "client-request-id": request}}}),
        )
    }

    /// The error form of the token endpoint.
    pub(crate) fn token_error(status: u16, error: &str, number: u32, text: &str) -> Answer {
        let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let now = OffsetDateTime::now_utc();
        let time = format!(
            "{} {:02}:{:02}:{:02}Z",
            now.date(),
            now.hour(),
            now.minute(),
            now.second()
        );
        let description =
            format!("AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}");
        Answer::json(
            status,
            json!({"error": error, "error_description": description, "error_codes": [number], "timestamp": time,
                "trace_id": trace, "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={number}")}),
        )
    }

    /// The plain error form of the instance metadata service and of issuers.
    pub(crate) fn plain_error(status: u16, error: &str, description: &str) -> Answer {
        Answer::json(status, json!({"error": error, "error_description": description}))
    }

    /// An error in the form of the service that was asked.
    pub(crate) fn failure(service: Service, status: u16, code: &str, message: &str) -> Answer {
        match service {
            Service::ResourceManager => Answer::arm_error(status, code, message),
            Service::Graph => Answer::graph_error(status, code, message),
            Service::Authority | Service::KubernetesTokenProxy => {
                Answer::token_error(status, "temporarily_unavailable", 90033, message)
            }
            Service::Issuer | Service::InstanceMetadata => Answer::plain_error(status, code, message),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Answer {
        match seconds {
            Some(seconds) => self.header("retry-after", seconds.to_string()),
            None => self,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The JSON body, if there is one.
    pub(crate) fn body(&self) -> Option<&Value> {
        match &self.content {
            Content::Json(body) => Some(body),
            Content::Empty | Content::Html(_) => None,
        }
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    pub(crate) fn into_response(self, ask: &Ask) -> Response<Body> {
        let correlation = match ask.header("x-ms-correlation-request-id") {
            "" => Uuid::new_v4().to_string(),
            given => given.to_owned(),
        };
        let (kind, bytes) = match self.content {
            Content::Empty => (None, Vec::new()),
            Content::Json(body) => (Some("application/json; charset=utf-8"), body.to_string().into_bytes()),
            Content::Html(page) => (Some("text/html; charset=utf-8"), page.into_bytes()),
        };
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let own = [
            ("cache-control", "no-cache".to_owned()),
            ("x-ms-request-id", Uuid::new_v4().to_string()),
            ("x-ms-correlation-request-id", correlation),
        ];
        let kind = kind.map(|kind| ("content-type", kind.to_owned()));
        for (name, value) in own.into_iter().chain(kind).chain(self.headers) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The present moment as Azure writes it.
pub(crate) fn timestamp() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
