//! Recorded traffic of real Azure, condensed, sent again to the emulator: the same statuses, headers, addresses to poll,
//! operation names, polls and answers. `{…}` stands for what differs from run to run, `*` for any value.

use std::collections::BTreeMap;
use std::path::Path;

use entradb_emulator::{Emulator, Method, Options};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{Answer, Arm};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    source: String,
    /// Members (by path) that the condensed answers do not have: what the resource is beside what is recorded here.
    #[serde(default)]
    left_out: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    send: String,
    version: String,
    body: Option<Value>,
    status: u16,
    answer: Value,
    /// Members (by path) that the emulator shows beside: a newer recording has them.
    #[serde(default)]
    more: Vec<String>,
    /// An identity that another request, which is left out here, attached before.
    given: Option<String>,
    /// The addresses to poll, by header; `etag` is the body's.
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    statuses: Vec<String>,
    #[serde(default)]
    polled: Vec<String>,
    /// What the last poll has beside.
    #[serde(default)]
    ended: Vec<String>,
    /// What `Location` answered in the end.
    finally: Option<Finally>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finally {
    status: u16,
    answer: Value,
}

/// What stands for `{…}`.
type Words = BTreeMap<&'static str, String>;

fn filled(text: &str, words: &Words) -> String {
    words
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn fill(value: &Value, words: &Words) -> Value {
    match value {
        Value::String(text) => json!(filled(text, words)),
        Value::Array(items) => items.iter().map(|item| fill(item, words)).collect(),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, inner)| (filled(name, words), fill(inner, words)));
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        other => other.clone(),
    }
}

/// Where two bodies differ; `*` is any value but null.
fn difference(expected: &Value, seen: &Value, place: &str) -> Option<String> {
    match (expected, seen) {
        (Value::String(any), Value::Null) if any == "*" => Some(format!("{place} is missing")),
        (Value::String(any), _) if any == "*" => None,
        (Value::Object(expected), Value::Object(seen)) => {
            let nothing = Value::Null;
            let names = expected
                .keys()
                .chain(seen.keys().filter(|name| !expected.contains_key(*name)));
            names
                .filter_map(|name| {
                    let (left, right) = (expected.get(name), seen.get(name));
                    let place = format!("{place}.{name}").trim_start_matches('.').to_owned();
                    difference(left.unwrap_or(&nothing), right.unwrap_or(&nothing), &place)
                })
                .next()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(index, (left, right))| difference(left, right, &format!("{place}[{index}]")))
        }
        (left, right) if left == right => None,
        (left, right) => Some(format!("{place} is {right}, recorded was {left}")),
    }
}

fn without(mut value: Value, path: &str) -> Value {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer: String = parent
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| format!("/{part}"))
        .collect();
    if let Some(map) = value.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        map.remove(name);
    }
    value
}

struct Replay<'a> {
    arm: Arm<'a>,
    words: Words,
}

impl Replay<'_> {
    async fn run(&self, file: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/recordings")
            .join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let recording: Recording = serde_json::from_str(&text).unwrap();
        assert!(recording.source.contains(" at "), "a recording says where it is from");
        for (index, step) in recording.steps.iter().enumerate() {
            let place = format!("{file}, step {index}: {}", step.send);
            self.step(step, &recording.left_out, &place).await;
        }
    }

    async fn step(&self, step: &Step, left_out: &[String], place: &str) {
        let emulator = self.arm.emulator;
        if let Some(given) = &step.given {
            emulator.attach_server_identity(&self.words["{server}"], &filled(given, &self.words));
        }
        let slow = step.statuses.iter().any(|status| status == "InProgress");
        emulator.faults().delay_operations(u32::from(slow));
        let (method, path) = step.send.split_once(' ').unwrap();
        let path = format!("{}?api-version={}", filled(path, &self.words), step.version);
        let body = step.body.as_ref().map(|body| fill(body, &self.words));
        let answer = self.arm.send(method.parse().unwrap(), &path, body).await;
        assert_eq!(answer.status, step.status, "{place}: {answer:?}");
        let seen = left_out
            .iter()
            .chain(&step.more)
            .fold(answer.body.clone(), |seen, more| without(seen, more));
        let difference = difference(&fill(&step.answer, &self.words), &seen, "");
        assert_eq!(difference, None, "{place}");
        if let Some(headers) = &step.headers {
            for (name, shape) in headers {
                match name.as_str() {
                    "etag" => assert_eq!(answer.header(name), answer.body["etag"], "{place}"),
                    _ => self.address(&answer, name, shape, place),
                }
            }
            for name in ["azure-asyncoperation", "location"] {
                let recorded = headers.contains_key(name);
                assert_eq!(answer.headers.contains_key(name), recorded, "{place}: {name}");
            }
            if headers.contains_key("azure-asyncoperation") {
                self.polls(&answer, step, place).await;
            }
        }
    }

    /// Compares an address with its recorded shape.
    fn address(&self, answer: &Answer, name: &str, shape: &str, place: &str) {
        let address = answer.header(name);
        let path = address
            .strip_prefix(self.arm.emulator.resource_manager_endpoint())
            .unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let (stem, id) = path.rsplit_once('/').unwrap_or_default();
        assert_eq!(id.len(), 36, "{place}: {name}: {address}");
        assert_eq!(format!("{stem}/{{id}}"), filled(shape, &self.words), "{place}: {name}");
    }

    async fn polls(&self, answer: &Answer, step: &Step, place: &str) {
        let mut seen: Vec<String> = Vec::new();
        while seen.last().is_none_or(|status| status == "InProgress") {
            let poll = self
                .arm
                .at(Method::GET, answer.header("azure-asyncoperation"), None)
                .await;
            assert_eq!(poll.status, 200, "{place}");
            let mut members: Vec<&str> = poll.body.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            let ended = step.ended.iter().filter(|_| poll.body["status"] != "InProgress");
            let mut expected: Vec<&String> = step.polled.iter().chain(ended).collect();
            expected.sort_unstable();
            assert_eq!(members, expected, "{place}");
            let status = poll.body["status"].as_str().unwrap().to_owned();
            if seen.last() != Some(&status) {
                seen.push(status);
            }
        }
        assert_eq!(seen, step.statuses, "{place}");
        if let Some(finally) = &step.finally {
            let result = self.arm.at(Method::GET, answer.header("location"), None).await;
            assert_eq!(result.status, finally.status, "{place}: {result:?}");
            assert_eq!(result.body, fill(&finally.answer, &self.words), "{place}");
        }
    }
}

fn words(emulator: &Emulator, server: &str) -> Words {
    let subscription = format!("/subscriptions/{}", emulator.subscription_id());
    Words::from([
        ("{server}", server.to_owned()),
        ("{replica}", emulator.postgresql_replica().id.clone()),
        (
            "{group}",
            format!("{subscription}/resourceGroups/{}", emulator.resource_group()),
        ),
        ("{subscription}", subscription),
        ("{tenant}", emulator.tenant_id().to_owned()),
        ("{location}", "westeurope".to_owned()),
        ("{display}", "West Europe".to_owned()),
    ])
}

async fn start(server: impl FnOnce(&Emulator) -> String) -> (Emulator, Words) {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let mut words = words(&emulator, &server(&emulator));
    for (word, name) in [("{sid}", "person"), ("{other}", "other")] {
        let user = emulator.add_user(&format!("{name}@example.com"), name).await.unwrap();
        words.insert(word, user);
    }
    let arm = Arm::new(&emulator);
    for [word, principal, client] in [
        ["{identity}", "{identity principal}", "{identity client}"],
        ["{second}", "{second principal}", "{second client}"],
        ["{third}", "{third principal}", "{third client}"],
    ] {
        let made = arm
            .make_identity(&format!("recorded-{}", word.trim_matches(['{', '}'])))
            .await;
        let mut learn = |word, value: &Value| words.insert(word, value.as_str().unwrap().to_owned());
        learn(word, &made["id"]);
        learn(principal, &made["properties"]["principalId"]);
        learn(client, &made["properties"]["clientId"]);
    }
    drop(arm);
    (emulator, words)
}

fn replay(emulator: &Emulator, words: Words) -> Replay<'_> {
    let arm = Arm::new(emulator);
    Replay { arm, words }
}

#[tokio::test]
async fn postgresql_administrators_and_identities_are_as_recorded() {
    let (emulator, words) = start(|emulator| emulator.postgresql().id.clone()).await;
    replay(&emulator, words.clone())
        .run("postgresql_administrators.json")
        .await;
    // That recording leaves its identities behind; the newer one begins with none.
    let (emulator, words) = start(|emulator| emulator.postgresql().id.clone()).await;
    emulator.attach_server_identity(&words["{server}"], &words["{identity}"]);
    replay(&emulator, words).run("postgresql_newest.json").await;
}

#[tokio::test]
async fn a_mysql_administrator_is_as_recorded() {
    let (emulator, words) = start(|emulator| emulator.mysql().id.clone()).await;
    emulator.attach_server_identity(&words["{server}"], &words["{identity}"]);
    replay(&emulator, words).run("mysql_administrators.json").await;
}

#[tokio::test]
async fn administrators_of_azure_sql_are_as_recorded() {
    let (emulator, words) = start(|emulator| emulator.sql_server().id.clone()).await;
    replay(&emulator, words.clone()).run("sql_administrators.json").await;
    replay(&emulator, words).run("sql_entra_only.json").await;
}

#[tokio::test]
async fn administrators_of_a_managed_instance_are_as_recorded() {
    let (emulator, words) = start(|emulator| emulator.managed_instance().id.clone()).await;
    // The recorded instance had an administrator before: its first operation is called an update.
    emulator.set_administrator(&words["{server}"], "earlier", &words["{other}"], "User");
    replay(&emulator, words.clone())
        .run("managed_instance_administrators.json")
        .await;
    replay(&emulator, words).run("managed_instance_entra_only.json").await;
}

/// A machine or scale set as it was when the recording began: with its own identity and one of the user's.
async fn begin_machine(id: impl FnOnce(&Emulator) -> String) -> (Emulator, Words) {
    let (emulator, mut words) = start(id).await;
    let id = words["{server}"].clone();
    words.insert("{machine}", id.clone());
    emulator.attach_identity(&id, &words["{identity}"]);
    words.insert("{own}", emulator.enable_system_identity(&id).await.unwrap());
    words.insert("{small}", words["{identity}"].to_ascii_lowercase());
    let tag = emulator.resource(&id)["etag"]
        .as_str()
        .unwrap()
        .trim_matches('"')
        .to_owned();
    let first: u32 = tag.parse().unwrap();
    for (word, later) in ["{tag 1}", "{tag 2}", "{tag 3}", "{tag 4}", "{tag 5}"]
        .into_iter()
        .zip(first..)
    {
        words.insert(word, format!("\"{later}\""));
    }
    (emulator, words)
}

#[tokio::test]
async fn identities_of_a_virtual_machine_are_as_recorded() {
    let (emulator, words) = begin_machine(|emulator| emulator.targets().virtual_machine.clone()).await;
    replay(&emulator, words).run("virtual_machine_identities.json").await;
}

#[tokio::test]
async fn identities_of_a_scale_set_are_as_recorded() {
    let (emulator, words) = begin_machine(|emulator| emulator.targets().scale_set.clone()).await;
    replay(&emulator, words).run("scale_set_identities.json").await;
}
