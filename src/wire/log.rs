//! The log that Terraform collects: one JSON object a line on standard error, with hclog's keys.
//! Knows no RPC; fields come from spans and events.

use std::io::Write as _;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::wire::redact::redact;

/// The host splits and does not parse lines above 64 KiB; some room is left for its own prefix.
const LONGEST_LINE: usize = 60 * 1024;
/// How much of one text is kept in a line that would be too long.
const LONGEST_TEXT: usize = 2 * 1024;
/// The crate whose own events are logged at the wanted level.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// The wanted level, from the environment: the most particular variable that is set decides.
///
/// The words are Terraform's; as in Terraform, `JSON` and words that are not known mean everything.
#[must_use]
pub fn level(variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let names = ["TF_LOG_PROVIDER_ENTRADB", "TF_LOG_PROVIDER", "TF_LOG"];
    let value = names
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty());
    let Some(value) = value else {
        return LevelFilter::OFF;
    };
    match value.to_ascii_uppercase().as_str() {
        "OFF" => LevelFilter::OFF,
        "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Logs to standard error from now on. Does nothing when the level is off.
pub fn install(level: LevelFilter) {
    if level == LevelFilter::OFF {
        return;
    }
    let subscriber = tracing_subscriber::registry().with(Lines {
        level,
        write: to_standard_error,
    });
    // Fails only when something else logs already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A panic is told in the form in which Terraform looks for crashes: plain text, not JSON.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let place = panic
            .location()
            .map(|place| format!("\n  at {place}"))
            .unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        let mut text = format!("panic: {}{place}\n", redact(message));
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push_str(&format!("{backtrace}\n"));
        }
        to_standard_error(text.as_bytes());
    }));
}

fn to_standard_error(line: &[u8]) {
    // One write for each line, so that lines of several threads do not mix. There is nobody to tell
    // when it fails.
    let _ = std::io::stderr().lock().write_all(line);
}

/// Writes each event as a line.
struct Lines<W> {
    level: LevelFilter,
    write: W,
}

/// The fields of a span, kept with it.
struct SpanFields(Map<String, Value>);

impl<W> Lines<W> {
    /// Other crates are heard only when something is wrong: what they say below that may hold headers.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().split("::").next() == Some(OWN_TARGET);
        let limit = if own {
            self.level
        } else {
            self.level.min(LevelFilter::WARN)
        };
        *metadata.level() <= limit
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Fn(&[u8]) + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.0));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(SpanFields(kept)) = span.extensions_mut().get_mut() {
            kept.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.extend(fields.0);
        let message = line.remove("message").unwrap_or_else(|| json!(""));
        let metadata = event.metadata();
        line.insert("@level".into(), json!(level_name(metadata.level())));
        line.insert("@message".into(), json!(text_of(message)));
        line.insert("@module".into(), json!(metadata.target().replace("::", ".")));
        line.insert("@timestamp".into(), json!(timestamp()));
        (self.write)(render(line).as_bytes());
    }
}

/// The host expects a string here and would crash on anything else.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The present in UTC, with the six digits without which the host does not know the line as JSON.
fn timestamp() -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let now = time::OffsetDateTime::now_utc();
    now.format(format)
        .expect("every part of the format is part of a date and time")
}

/// One line, shortened text by text when the host would not take it whole.
fn render(mut line: Map<String, Value>) -> String {
    let mut text = format!("{}\n", Value::Object(line.clone()));
    if text.len() > LONGEST_LINE {
        line.values_mut().for_each(shorten);
        text = format!("{}\n", Value::Object(line.clone()));
    }
    if text.len() > LONGEST_LINE {
        line.retain(|name, _| name.starts_with('@'));
        text = format!("{}\n", Value::Object(line));
    }
    text
}

fn shorten(value: &mut Value) {
    if let Value::String(text) = value
        && text.len() > LONGEST_TEXT
    {
        let end = text.floor_char_boundary(LONGEST_TEXT);
        *text = format!("{}... ({} bytes more)", &text[..end], text.len() - end);
    }
}

/// Collects fields as JSON. Every text passes through the redaction.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, redact(value).into_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        self.keep(field, redact(&text).into_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.keep(field, redact(&format!("{value:?}")).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged at `level` while `act` runs.
    fn logged(level: LevelFilter, act: impl FnOnce()) -> Vec<Map<String, Value>> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let write = move |line: &[u8]| sink.lock().expect("no panic").push(line.to_vec());
        let subscriber = tracing_subscriber::registry().with(Lines { level, write });
        tracing::subscriber::with_default(subscriber, act);
        let lines = lines.lock().expect("no panic");
        lines
            .iter()
            .map(|line| serde_json::from_slice(line).expect("one JSON object a line"))
            .collect()
    }

    #[test]
    fn the_most_particular_variable_decides() {
        let with = |variables: &'static [(&str, &str)]| {
            level(move |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]), LevelFilter::OFF);
        assert_eq!(with(&[("TF_LOG", "warn")]), LevelFilter::WARN);
        assert_eq!(with(&[("TF_LOG", "JSON")]), LevelFilter::TRACE);
        assert_eq!(
            with(&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "off")]),
            LevelFilter::OFF
        );
        assert_eq!(
            with(&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "")]),
            LevelFilter::TRACE
        );
        let particular = &[("TF_LOG_PROVIDER", "ERROR"), ("TF_LOG_PROVIDER_ENTRADB", "DEBUG")];
        assert_eq!(with(particular), LevelFilter::DEBUG);
    }

    #[test]
    fn a_line_has_the_hosts_keys_and_the_fields_of_its_spans() {
        let lines = logged(LevelFilter::DEBUG, || {
            let span = tracing::info_span!(
                "call",
                tf_rpc = "ReadResource",
                tf_req_id = 7,
                late = tracing::field::Empty
            );
            span.in_scope(|| {
                span.record("late", true);
                tracing::debug!(attempt = 2, tf_req_id = 8, "looked");
                tracing::trace!("not wanted");
            });
        });
        assert_eq!(lines.len(), 1);
        let mut line = lines[0].clone();
        let timestamp = line.remove("@timestamp").expect("a time");
        let digits = timestamp
            .as_str()
            .and_then(|text| text.split_once('.'))
            .expect("a fraction");
        assert_eq!(digits.1.len(), "123456Z".len());
        let expected = json!({
            "@level": "debug", "@message": "looked", "@module": "entradb.wire.log.tests",
            "tf_rpc": "ReadResource", "tf_req_id": 8, "attempt": 2, "late": true,
        });
        assert_eq!(Value::Object(line), expected);
    }

    #[test]
    fn other_crates_are_heard_only_when_something_is_wrong() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::trace!(target: "h2::codec", "headers");
            tracing::info!(target: "entradb_other", "not ours");
            tracing::warn!(target: "h2::codec", "trouble");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["@message"], "trouble");
    }

    #[test]
    fn tokens_are_not_written() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        let lines = logged(LevelFilter::TRACE, || {
            tracing::info!(header = %format_args!("Bearer {token}"), text = token, "got {token}");
        });
        let text = Value::Object(lines[0].clone()).to_string();
        assert!(!text.contains("eyJ"), "{text}");
        assert_eq!(lines[0]["@message"], "got (token)");
        assert_eq!(lines[0]["header"], "Bearer (token)");
    }

    #[test]
    fn a_long_line_is_shortened_and_stays_json() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::info!(body = "\u{1}é".repeat(40_000), kept = 1, "long");
        });
        assert_eq!(lines[0]["kept"], 1);
        let length = Value::Object(lines[0].clone()).to_string().len();
        assert!(length < LONGEST_LINE, "{length}");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = crate::wire::tls::MutualTls::new("nonsense").expect_err("no PEM");
        let lines = logged(LevelFilter::TRACE, || {
            tracing::error!(error = &error as &dyn std::error::Error, "refused");
        });
        let text = lines[0]["error"].as_str().expect("text");
        assert!(
            text.starts_with("the client certificate in PLUGIN_CLIENT_CERT cannot be read: "),
            "{text}"
        );
    }
}
