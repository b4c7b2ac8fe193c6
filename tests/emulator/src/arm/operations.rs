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

/// One operation, kept for ever.
#[derive(Debug)]
pub(crate) struct Operation {
    started: String,
    polls_left: u32,
    not_before: Instant,
    end: Option<End>,
    query: String,
}

/// What a client needs to know about an operation before it starts.
pub(crate) struct Plan<'a> {
    /// `UpsertAadAuthPrincipalManagementOperation` …
    pub(crate) name: &'a str,
    /// The location in the addresses to poll.
    pub(crate) location: &'a str,
}

/// An operation that has begun: what its addresses are made of.
pub(crate) struct Begun {
    pub(crate) id: String,
    pub(crate) query: String,
    pub(crate) started: String,
}

/// Begins the work. A planned fault takes the place of the work.
pub(crate) fn begin<F>(call: &Call<'_>, work: F) -> Begun
where
    F: Future<Output = End> + Send + 'static,
{
    let world = call.world;
    let id = Uuid::new_v4().to_string();
    let (polls_left, slowness) = world.faults.pace();
    let started = timestamp();
    // Azure signs these addresses; a client must use them as they are.
    let query = format!(
        "api-version={}&t={}&c={}&s={}&h={}",
        call.api_version,
        hold(&world.state).operations.len(),
        "MIIHhzCCBm-gAwIBAgITHgWNpF2lM0LgNyTyFQAABY2kXTANBgkqhkiG9w0BAQsFADBE".repeat(40),
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    );
    let failure = world.faults.next_operation(&call.ask.path);
    let operation = Operation {
        started: started.clone(),
        polls_left,
        not_before: Instant::now() + slowness,
        end: failure.map(Err),
        query: query.clone(),
    };
    let runs = operation.end.is_none();
    hold(&world.state).operations.insert(id.clone(), operation);
    if runs {
        let (world, id) = (world.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(slowness).await;
            let end = work.await;
            if let Some(operation) = hold(&world.state).operations.get_mut(&id) {
                operation.end = Some(end);
            }
        });
    }
    Begun { id, query, started }
}

/// Starts the work and answers 202 with both addresses. A planned fault takes the place of the work.
pub(crate) fn start<F>(call: &Call<'_>, plan: &Plan<'_>, work: F) -> Answer
where
    F: Future<Output = End> + Send + 'static,
{
    let world = call.world;
    let Begun { id, query, started } = begin(call, work);
    let base = format!(
        "{}/subscriptions/{}/providers/Microsoft.DBforPostgreSQL/locations/{}",
        world.endpoints.resource_manager,
        world.subscription(),
        plan.location
    );
    Answer::json(202, json!({"operation": plan.name, "startTime": started}))
        .header(
            "azure-asyncoperation",
            format!("{base}/azureAsyncOperation/{id}?{query}"),
        )
        .header("location", format!("{base}/operationResults/{id}?{query}"))
        .retry_after(Some(world.options.retry_after))
}

/// What an operation looks like at one poll.
enum Look {
    Unknown,
    Running(String),
    Ended(String, End),
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
                return Look::Ended(operation.started.clone(), end.clone());
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

/// `azureAsyncOperation/{id}`.
pub(crate) async fn poll(call: &Call<'_>, id: &str) -> Outcome {
    if !call.is("GET") {
        return call.no_such_verb("azureAsyncOperation");
    }
    match look(call, id).await {
        Look::Unknown => Err(unknown(id)),
        Look::Running(started) => {
            let body = json!({"name": id, "status": "InProgress", "startTime": started});
            Ok(Answer::json(200, body).retry_after(Some(call.world.options.retry_after)))
        }
        Look::Ended(started, Ok(_)) => Ok(Answer::json(
            200,
            json!({"name": id, "status": "Succeeded", "startTime": started}),
        )),
        Look::Ended(started, Err((code, message))) => Ok(Answer::json(
            200,
            json!({"name": id, "status": "Failed", "startTime": started, "error": {"code": code, "message": message}}),
        )),
    }
}

/// `operationResults/{id}`.
pub(crate) async fn result(call: &Call<'_>, id: &str) -> Outcome {
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
        Look::Ended(_, Ok(Some(value))) => Ok(Answer::json(200, value)),
        Look::Ended(_, Ok(None)) => Ok(Answer::empty(200)),
        Look::Ended(_, Err((code, message))) => Err(Answer::arm_error(400, &code, message)),
    }
}
