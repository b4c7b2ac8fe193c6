//! Long-running operations: the 202, the two addresses to poll, and how it ends. It does not know what is done.

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, timestamp};
use crate::arm::{Call, Outcome};
use crate::journal::hold;

/// Code and text of a failed operation.
pub(crate) type Failed = (String, String);

/// How an operation ended: what `operationResults` answers, or why it failed.
pub(crate) type End = Result<Option<Value>, Failed>;

/// Where a resource provider lets its operations be polled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// `Microsoft.DBforPostgreSQL` …
    pub(crate) namespace: &'static str,
    /// Whether the addresses name the resource group.
    pub(crate) in_group: bool,
    /// The part of the path that answers `{status}`, spelled as Azure does.
    pub(crate) poll: &'static str,
    /// The part of the path that answers the result.
    pub(crate) result: &'static str,
    /// Whether the addresses carry a long signature.
    pub(crate) signed: bool,
    /// Whether the last poll says when the operation ended.
    pub(crate) dated: bool,
}

/// PostgreSQL flexible servers.
pub(crate) const POSTGRESQL: Place = Place {
    namespace: "Microsoft.DBforPostgreSQL",
    in_group: false,
    poll: "azureAsyncOperation",
    result: "operationResults",
    signed: true,
    dated: false,
};

/// One operation, kept for ever.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The two paths, in lower case.
    poll_path: String,
    result_path: String,
    started: String,
    polls_left: u32,
    not_before: Instant,
    end: Option<End>,
    /// When it ended, where polls say so.
    ended: Option<String>,
    dated: bool,
    query: String,
}

impl Operation {
    fn finish(&mut self, end: End) {
        self.ended = self.dated.then(timestamp);
        self.end = Some(end);
    }
}

/// What a client needs to know about an operation before it starts.
pub(crate) struct Plan<'a> {
    /// `UpsertAadAuthPrincipalManagementOperation` …
    pub(crate) name: &'a str,
    pub(crate) place: Place,
    /// The location in the addresses to poll.
    pub(crate) location: &'a str,
}

/// An operation that has begun: when, and the two addresses that answer for it.
pub(crate) struct Begun {
    pub(crate) started: String,
    pub(crate) poll: String,
    pub(crate) result: String,
}

/// Begins the work. A planned fault takes the place of the work.
pub(crate) fn begin<F>(call: &Call<'_>, place: Place, location: &str, work: F) -> Begun
where
    F: Future<Output = End> + Send + 'static,
{
    let world = call.world;
    let id = Uuid::new_v4().to_string();
    let (polls_left, slowness) = world.faults.pace();
    let started = timestamp();
    let query = query(call, place);
    let group = match place.in_group {
        true => format!("/resourceGroups/{}", call.part(3)),
        false => String::new(),
    };
    let base = format!(
        "/subscriptions/{}{group}/providers/{}/locations/{location}",
        world.subscription(),
        place.namespace,
    );
    let poll_path = format!("{base}/{}/{id}", place.poll);
    let result_path = format!("{base}/{}/{id}", place.result);
    let failure = world.faults.next_operation(&call.ask.path);
    let mut operation = Operation {
        poll_path: poll_path.to_ascii_lowercase(),
        result_path: result_path.to_ascii_lowercase(),
        started: started.clone(),
        polls_left,
        not_before: Instant::now() + slowness,
        end: None,
        ended: None,
        dated: place.dated,
        query: query.clone(),
    };
    let runs = failure.is_none();
    if let Some(failure) = failure {
        operation.finish(Err(failure));
    }
    hold(&world.state).operations.insert(id.clone(), operation);
    if runs {
        let (world, id) = (world.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(slowness).await;
            let end = work.await;
            if let Some(operation) = hold(&world.state).operations.get_mut(&id) {
                operation.finish(end);
            }
        });
    }
    let host = &world.endpoints.resource_manager;
    Begun {
        started,
        poll: format!("{host}{poll_path}?{query}"),
        result: format!("{host}{result_path}?{query}"),
    }
}

/// Starts the work and answers 202 with both addresses.
pub(crate) fn start<F>(call: &Call<'_>, plan: &Plan<'_>, work: F) -> Answer
where
    F: Future<Output = End> + Send + 'static,
{
    let begun = begin(call, plan.place, plan.location, work);
    Answer::json(202, json!({"operation": plan.name, "startTime": begun.started}))
        .header("azure-asyncoperation", begun.poll)
        .header("location", begun.result)
        .retry_after(Some(call.world.options.retry_after))
}

/// Azure signs some of these addresses; a client must use them as they are.
fn query(call: &Call<'_>, place: Place) -> String {
    if !place.signed {
        return format!("api-version={}", call.api_version);
    }
    format!(
        "api-version={}&t={}&c={}&s={}&h={}",
        call.api_version,
        hold(&call.world.state).operations.len(),
        "MIIHhzCCBm-gAwIBAgITHgWNpF2lM0LgNyTyFQAABY2kXTANBgkqhkiG9w0BAQsFADBE".repeat(40),
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    )
}

/// Whether a path (in lower case) is one of an operation's addresses.
pub(crate) fn is_address(parts: &[&str]) -> bool {
    let place = parts.iter().rposition(|part| *part == "locations");
    let is = |word: &str| {
        word == "operations" || word.ends_with("azureasyncoperation") || word.ends_with("operationresults")
    };
    place.is_some_and(|at| at + 4 == parts.len() && parts.get(at + 2).is_some_and(|word| is(word)))
}

/// Either address of an operation.
pub(crate) async fn at(call: &Call<'_>, parts: &[&str]) -> Outcome {
    let id = parts.last().copied().unwrap_or_default();
    let path = format!("/{}", parts.join("/"));
    let known = hold(&call.world.state)
        .operations
        .get(id)
        .map(|one| (one.poll_path == path, one.result_path == path));
    match known {
        Some((true, _)) => poll(call, id).await,
        Some((_, true)) => result(call, id).await,
        _ => Err(unknown(id)),
    }
}

/// What an operation looks like at one poll.
enum Look {
    Unknown,
    Running(String),
    /// When it began, when it ended where polls say so, and how.
    Ended(String, Option<String>, End),
}

async fn look(call: &Call<'_>, id: &str) -> Look {
    // A poll waits a moment for work that is nearly done, so that a test need not poll often.
    for _ in 0..50 {
        {
            let mut state = hold(&call.world.state);
            let Some(operation) = state.operations.get_mut(id) else {
                return Look::Unknown;
            };
            let asked: Vec<(String, String)> = url::form_urlencoded::parse(operation.query.as_bytes())
                .into_owned()
                .collect();
            if call.ask.query != asked {
                return Look::Unknown;
            }
            if operation.polls_left > 0 {
                operation.polls_left -= 1;
                return Look::Running(operation.started.clone());
            }
            if operation.not_before > Instant::now() {
                return Look::Running(operation.started.clone());
            }
            if let Some(end) = &operation.end {
                return Look::Ended(operation.started.clone(), operation.ended.clone(), end.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    match hold(&call.world.state).operations.get(id) {
        Some(operation) => Look::Running(operation.started.clone()),
        None => Look::Unknown,
    }
}

fn unknown(id: &str) -> Answer {
    let message = format!("The requested operation with id '{id}' was not found, or its address was changed.");
    Answer::arm_error(404, "OperationIdNotFound", message)
}

/// What Azure's header `Azure-AsyncOperation` names.
async fn poll(call: &Call<'_>, id: &str) -> Outcome {
    if !call.is("GET") {
        return call.no_such_verb("azureAsyncOperation");
    }
    match look(call, id).await {
        Look::Unknown => Err(unknown(id)),
        Look::Running(started) => {
            let body = json!({"name": id, "status": "InProgress", "startTime": started});
            Ok(Answer::json(200, body).retry_after(Some(call.world.options.retry_after)))
        }
        Look::Ended(started, ended, end) => {
            let mut body = json!({"name": id, "status": "Succeeded", "startTime": started});
            if let Some(ended) = ended {
                body["endTime"] = json!(ended);
            }
            if let Err((code, message)) = end {
                body["status"] = json!("Failed");
                body["error"] = json!({"code": code, "message": message});
            }
            Ok(Answer::json(200, body))
        }
    }
}

/// What the header `Location` names.
async fn result(call: &Call<'_>, id: &str) -> Outcome {
    if !call.is("GET") {
        return call.no_such_verb("operationResults");
    }
    match look(call, id).await {
        Look::Unknown => Err(unknown(id)),
        Look::Running(_) => {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&call.ask.query)
                .finish();
            let here = format!("{}{}?{query}", call.world.endpoints.resource_manager, call.ask.path);
            Ok(Answer::empty(202)
                .header("location", here)
                .retry_after(Some(call.world.options.retry_after)))
        }
        Look::Ended(_, _, Ok(Some(value))) => Ok(Answer::json(200, value)),
        Look::Ended(_, _, Ok(None)) => Ok(Answer::empty(200)),
        Look::Ended(_, _, Err((code, message))) => Err(Answer::arm_error(400, &code, message)),
    }
}
