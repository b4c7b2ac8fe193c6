//! Resources that identities are assigned to: machines, scale sets, apps, jobs and clusters. Reading them, and the one
//! change that matters here. It does not make or remove them.

pub(crate) mod assignment;
mod changes;
mod cluster;
pub(crate) mod kinds;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::arm::targets::assignment::Identities;
use crate::arm::targets::kinds::{Kind, Style};
use crate::arm::{Call, Outcome, parent_not_found, resource_not_found};
use crate::journal::hold;
use crate::world::World;

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    pub(crate) id: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
    /// Everything that the emulator has no name for.
    pub(crate) body: Value,
    pub(crate) identities: Identities,
    /// The number in the entity tag.
    pub(crate) version: u32,
    pub(crate) updating: bool,
}

impl Target {
    pub(crate) fn new(kind: &'static Kind, id: &str, location: &str, issuer: Option<&str>) -> Target {
        let mut parts = id.split('/');
        let name = parts.next_back().unwrap_or_default();
        let group = id
            .split_once("/providers/")
            .map_or(String::new(), |(group, _)| format!("{group}/providers"));
        let mut body = kinds::body(kind, name, &group);
        if let Some(issuer) = issuer {
            body["properties"]["oidcIssuerProfile"] = json!({"enabled": true, "issuerURL": issuer});
        }
        Target {
            kind,
            id: id.to_owned(),
            location: location.to_owned(),
            tags: json!({}),
            body,
            identities: Identities::default(),
            version: 1,
            updating: false,
        }
    }

    pub(crate) fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// The name as ARM shows it: a slot's has its site before it.
    pub(crate) fn name(&self) -> String {
        let parts: Vec<&str> = self.id.split('/').collect();
        match self.kind.name {
            "Microsoft.Web/sites/slots" => format!("{}/{}", parts[8], parts[10]),
            _ => parts[8].to_owned(),
        }
    }

    /// Where the image of a machine or scale set is in the profile of its kind.
    pub(crate) fn image_place(&self) -> Option<&'static str> {
        match self.kind.name {
            "Microsoft.Compute/virtualMachines" => Some("/properties/storageProfile"),
            "Microsoft.Compute/virtualMachineScaleSets" => Some("/properties/virtualMachineProfile/storageProfile"),
            _ => None,
        }
    }

    /// The gallery's image that a machine or scale set was made of.
    pub(crate) fn image(&self) -> Option<&str> {
        self.body.pointer(self.image_place()?)?["imageReference"]["id"].as_str()
    }

    pub(crate) fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    pub(crate) fn has_tag(&self) -> bool {
        matches!(self.kind.style, Style::Compute | Style::Cluster)
    }

    /// As a version of the API shows it.
    pub(crate) fn in_version(mut self, version: &str) -> Target {
        if self.kind.style == Style::Cluster {
            cluster::keep(&mut self.body, version);
        }
        self
    }

    /// What a GET shows; `fresh` are the identities whose IDs are not shown yet.
    pub(crate) fn json(&self, tenant: &str, fresh: &[String]) -> Value {
        let mut whole = Map::new();
        whole.insert("id".to_owned(), json!(self.id));
        whole.insert("name".to_owned(), json!(self.name()));
        whole.insert("type".to_owned(), json!(self.kind.name));
        whole.insert("location".to_owned(), json!(self.shown_location()));
        whole.insert("tags".to_owned(), self.tags.clone());
        if let Some(identity) = self.identities.json(self.kind, tenant, fresh) {
            whole.insert("identity".to_owned(), identity);
        }
        if let Value::Object(body) = self.body.clone() {
            whole.extend(body);
        }
        match self.kind.style {
            Style::Compute => {
                whole.insert("etag".to_owned(), json!(self.tag()));
            }
            Style::Cluster => {
                whole.insert("eTag".to_owned(), json!(self.tag()));
            }
            Style::Web | Style::App => {}
        }
        if self.updating
            && let Some(state) = whole
                .get_mut("properties")
                .and_then(|properties| properties.get_mut("provisioningState"))
        {
            *state = json!(if self.kind.style == Style::App {
                "InProgress"
            } else {
                "Updating"
            });
        }
        Value::Object(whole)
    }

    /// App Service and Container Apps answer with the display form.
    fn shown_location(&self) -> String {
        match self.kind.style {
            Style::Web | Style::App => crate::arm::servers::display_location(&self.location),
            Style::Compute | Style::Cluster => self.location.clone(),
        }
    }
}

/// The 404 of a target, and of a slot whose site does not exist.
fn not_found(call: &Call<'_>, kind: &Kind) -> Answer {
    if kind.name != "Microsoft.Web/sites/slots" {
        return resource_not_found(kind.name, call.part(7), call.part(3));
    }
    let site = format!("/{}", call.ask.segments[..8].join("/"));
    if hold(&call.world.state).targets.contains_key(&site.to_ascii_lowercase()) {
        resource_not_found(kind.name, &format!("{}/{}", call.part(7), call.part(9)), call.part(3))
    } else {
        parent_not_found(&site, kind.name)
    }
}

fn find(call: &Call<'_>, kind: &'static Kind) -> Result<Target, Answer> {
    let key = format!("/{}", call.ask.segments.join("/")).to_ascii_lowercase();
    let found = hold(&call.world.state).targets.get(&key).cloned();
    found.ok_or_else(|| not_found(call, kind))
}

fn with_tag(answer: Answer, target: &Target) -> Answer {
    if target.has_tag() {
        answer.header("etag", target.tag())
    } else {
        answer
    }
}

pub(crate) async fn one(call: &Call<'_>, kind: &'static Kind) -> Outcome {
    let word = kind.name.split_once('/').map_or(kind.name, |(_, word)| word);
    call.versions(word, kind.versions)?;
    match (call.ask.method.as_str(), kind.style) {
        ("GET", _) => {
            let target = find(call, kind)?.in_version(&call.api_version);
            Ok(with_tag(
                Answer::json(200, target.json(call.world.tenant(), &[])),
                &target,
            ))
        }
        ("PATCH", _) => changes::patch(call, find(call, kind)?).await,
        ("PUT", Style::Cluster) => cluster::put(call, find(call, kind)?).await,
        ("PUT" | "DELETE", _) => {
            let message =
                "The emulator does not make, replace or remove this resource; it starts with the ones it has.";
            Err(Answer::arm_error(405, "UnsupportedHttpVerb", message))
        }
        _ => call.no_such_verb(kind.name),
    }
}

/// The refusal of a write while `Faults::busy` has this resource; `None` for other kinds of paths.
pub(crate) fn busy(call: &Call<'_>) -> Option<Answer> {
    let key = format!("/{}", call.ask.segments.join("/")).to_ascii_lowercase();
    let state = hold(&call.world.state);
    state.targets.get(&key).map(changes::busy)
}

/// What a GET would show now.
pub(crate) fn shown(world: &World, id: &str) -> Option<Value> {
    let state = hold(&world.state);
    let target = state.targets.get(&id.to_ascii_lowercase())?;
    Some(target.json(world.tenant(), &[]))
}
