//! Every answer of Azure Resource Manager and Graph is held against the official specifications before it leaves: the
//! operation, its status, each member with its type and enum. The shapes are this project's own digest of them, in
//! `tests/shapes`, one file for each resource provider. It does not know what an answer ought to say.

mod types;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Answer;
use crate::arm::operations;
use crate::http::Ask;
use crate::journal::Service;
use types::Types;

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The namespace after the last `/providers/` of a path, or `Microsoft.Graph`; empty for what all share.
    provider: String,
    /// Where the shapes come from. Not needed here, but every file says it.
    #[serde(rename = "source")]
    _source: String,
    /// The API versions that answer in these shapes.
    versions: Vec<String>,
    /// By `VERB /path/{parameter}`: the type of the body by status. `nothing` is no body.
    operations: BTreeMap<String, BTreeMap<String, String>>,
    /// Versions that know fewer statuses: by version, by operation.
    #[serde(default)]
    newer: BTreeMap<String, BTreeMap<String, Vec<u16>>>,
    /// By name: members and their types, `!` behind a name that is required.
    types: BTreeMap<String, BTreeMap<String, String>>,
    /// Versions whose types differ: by version, by type, what is new; `gone` stands for what a version has no more.
    #[serde(default)]
    changed: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// Members and values that recorded traffic or a newer version shows, and the specification of `source` does not.
    #[serde(default)]
    observed: BTreeMap<String, BTreeMap<String, String>>,
}

/// One operation of a provider.
struct Operation {
    method: String,
    /// In lower case; `{…}` stands for any one part, a leading `{scope}` for any number of them.
    path: Vec<String>,
    name: String,
    statuses: BTreeMap<u16, String>,
}

struct Provider {
    versions: Vec<String>,
    operations: Vec<Operation>,
    newer: BTreeMap<String, BTreeMap<String, Vec<u16>>>,
    types: Types,
    /// By version, where they differ.
    changed: BTreeMap<String, Types>,
}

/// All shapes, by lower-case namespace.
type Shapes = BTreeMap<String, Provider>;

fn shapes() -> &'static Shapes {
    static SHAPES: OnceLock<Shapes> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let files: Vec<File> = FILES
            .iter()
            .map(|(name, text)| serde_json::from_str(text).unwrap_or_else(|error| panic!("shapes/{name}: {error}")))
            .collect();
        let common = files.iter().find(|file| file.provider.is_empty());
        let common = Types::new(&common.expect("shapes/common.json is there").types, &BTreeMap::new());
        let own = files.into_iter().filter(|file| !file.provider.is_empty());
        own.map(|file| (file.provider.to_ascii_lowercase(), Provider::new(file, &common)))
            .collect()
    })
}

impl Provider {
    fn new(file: File, common: &Types) -> Provider {
        let types = Types::new(&file.types, &file.observed).with(common);
        let changed = file.changed.iter();
        let changed = changed.map(|(version, changes)| (version.clone(), types.changed(changes)));
        let changed = changed.collect();
        let operations = file
            .operations
            .into_iter()
            .map(|(name, statuses)| Operation::new(name, statuses));
        Provider {
            versions: file.versions,
            operations: operations.collect(),
            newer: file.newer,
            types,
            changed,
        }
    }
}

impl Operation {
    fn new(name: String, statuses: BTreeMap<String, String>) -> Operation {
        let (method, path) = name.split_once(' ').expect("an operation is a verb and a path");
        let path = path
            .replacen("{group}", "/subscriptions/{subscription}/resourceGroups/{group}", 1)
            .replacen("{subscription}/providers", "/subscriptions/{subscription}/providers", 1);
        let path = path
            .replace("/subscriptions//subscriptions", "/subscriptions")
            .to_ascii_lowercase();
        let parts = path.split('/').filter(|part| !part.is_empty());
        let statuses = statuses.into_iter().map(|(status, kind)| {
            let status = status.parse().expect("a status is a number");
            (status, kind)
        });
        Operation {
            method: method.to_owned(),
            path: parts.map(str::to_owned).collect(),
            statuses: statuses.collect(),
            name,
        }
    }

    fn matches(&self, method: &str, parts: &[String]) -> bool {
        let fits = |(wanted, part): (&String, &String)| wanted.starts_with('{') || wanted.eq_ignore_ascii_case(part);
        let same =
            |wanted: &[String], parts: &[String]| wanted.len() == parts.len() && wanted.iter().zip(parts).all(fits);
        let path = match self.path.split_first() {
            Some((first, rest)) if first == "{scope}" => {
                parts.len() > rest.len() && same(rest, &parts[parts.len() - rest.len()..])
            }
            _ => same(&self.path, parts),
        };
        self.method == method && path
    }
}

/// What is wrong with an answer. Providers without a file are not looked at.
pub(crate) fn check(service: Service, ask: &Ask, answer: &Answer) -> Result<(), String> {
    let Some(provider) = provider(shapes(), service, ask) else {
        return Ok(());
    };
    let place = format!("{} {} ({})", ask.method, ask.path, answer.status());
    verdict(provider, ask, answer).map_err(|wrong| format!("{place}: {wrong}"))
}

fn provider<'a>(shapes: &'a Shapes, service: Service, ask: &Ask) -> Option<&'a Provider> {
    let name = match service {
        Service::Graph => "microsoft.graph".to_owned(),
        // The document that tells where everything is belongs to no provider.
        Service::ResourceManager if ask.path.starts_with("/metadata/") => return None,
        Service::ResourceManager => {
            let place = ask
                .segments
                .iter()
                .rposition(|part| part.eq_ignore_ascii_case("providers"));
            match place.and_then(|at| ask.segments.get(at + 1)) {
                Some(name) => name.to_ascii_lowercase(),
                None => "microsoft.resources".to_owned(),
            }
        }
        _ => return None,
    };
    shapes.get(&name)
}

fn verdict(provider: &Provider, ask: &Ask, answer: &Answer) -> Result<(), String> {
    let nothing = Value::Null;
    let (status, body) = (answer.status(), answer.body().unwrap_or(&nothing));
    let version = ask.parameter("api-version").unwrap_or_default();
    let all = provider.changed.get(version).unwrap_or(&provider.types);
    if status >= 400 {
        // The answer to HEAD carries no body; everybody else gets the envelope.
        let bare = ask.method == "HEAD" && answer.body().is_none();
        return if bare { Ok(()) } else { all.check("Error", body, "") };
    }
    let lower: Vec<String> = ask.segments.iter().map(|part| part.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    if operations::is_address(&parts) {
        let word = parts[parts.len() - 2];
        let polls = word == "operations" || word.ends_with("azureasyncoperation");
        return if polls { all.check("Poll", body, "") } else { Ok(()) };
    }
    if !provider.versions.is_empty() && !provider.versions.iter().any(|known| known == version) {
        return Err(format!("no shapes for api-version {version}"));
    }
    let mut operations = provider.operations.iter();
    let operation = operations.find(|one| one.matches(ask.method.as_str(), &ask.segments));
    let operation = operation.ok_or("the specification has no such operation")?;
    let kind = operation.statuses.get(&status);
    let kind = kind.ok_or_else(|| format!("the specification of {} has no status {status}", operation.name))?;
    let fewer = provider.newer.get(version).and_then(|all| all.get(&operation.name));
    if fewer.is_some_and(|statuses| !statuses.contains(&status)) {
        return Err(format!(
            "version {version} of {} has no status {status}",
            operation.name
        ));
    }
    if status == 202 && !answer.has_header("azure-asyncoperation") && !answer.has_header("location") {
        return Err("202 without an address to poll".to_owned());
    }
    match (kind.as_str(), answer.body()) {
        ("nothing", None) => Ok(()),
        ("nothing", Some(_)) => Err("a body where the specification has none".to_owned()),
        (kind, _) => all.check(kind, body, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_names_only_types_that_exist() {
        for (name, provider) in shapes() {
            for all in provider.changed.values().chain([&provider.types]) {
                let used = provider.operations.iter().flat_map(|one| one.statuses.values());
                let missing: Vec<String> = used.flat_map(|kind| all.missing(kind)).chain(all.dangling()).collect();
                assert!(
                    missing.is_empty(),
                    "{name} names types that it does not have: {missing:?}"
                );
            }
            let unknown: Vec<&String> = provider
                .changed
                .keys()
                .filter(|version| !provider.versions.contains(version))
                .collect();
            assert!(
                unknown.is_empty(),
                "{name} changes versions that it does not know: {unknown:?}"
            );
            let known: Vec<&String> = provider.operations.iter().map(|one| &one.name).collect();
            for operation in provider.newer.values().flat_map(BTreeMap::keys) {
                assert!(
                    known.contains(&operation),
                    "{name}: `newer` names {operation}, which is no operation"
                );
            }
        }
    }

    #[test]
    fn a_path_is_found_in_any_case_and_below_any_scope() {
        let of = |name: &str| Operation::new(name.to_owned(), BTreeMap::new());
        let parts = |path: &str| -> Vec<String> { path.split('/').skip(1).map(str::to_owned).collect() };
        let server = of("GET {group}/providers/Microsoft.Sql/servers/{serverName}");
        let path = "/subscriptions/1/resourcegroups/g/providers/microsoft.sql/SERVERS/x";
        assert!(server.matches("GET", &parts(path)));
        assert!(!server.matches("PUT", &parts(path)) && !server.matches("GET", &parts(&format!("{path}/y"))));
        let list = of("GET {subscription}/providers/Microsoft.Sql/servers");
        assert!(list.matches("GET", &parts("/subscriptions/1/providers/Microsoft.Sql/servers")));
        let scoped = of("GET /{scope}/providers/Microsoft.ManagedIdentity/identities/default");
        assert!(scoped.matches(
            "GET",
            &parts(&format!(
                "{path}/providers/Microsoft.ManagedIdentity/identities/default"
            ))
        ));
        let group = of("GET {group}");
        assert!(group.matches("GET", &parts("/subscriptions/1/resourceGroups/g")));
    }
}
