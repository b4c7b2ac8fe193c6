//! Resources that identities are attached to: which types there are, how each wants to be told, and what its `identity` says. It sends nothing.
//!
//! Source: the API versions in [`TARGETS`], and recorded traffic of Microsoft.Compute and Microsoft.DBforPostgreSQL.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::azure::resource_id::ResourceId;

/// How the identities of a resource are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A part is sent; Azure merges it.
    Patch,
    /// The whole resource is sent back, with another `identity`. Such a resource takes one kind of identity, and one identity.
    Put,
}

/// A type of resource that identities are attached to.
#[derive(Debug)]
pub struct Target {
    /// The resource type.
    pub resource_type: &'static str,
    /// What people call it.
    pub called: &'static str,
    /// The version of the API.
    pub api_version: &'static str,
    /// How it is changed.
    pub verb: Verb,
    /// How its `type` spells both kinds at once.
    both: &'static str,
    /// Whether it has a system-assigned identity at all.
    pub system_assigned: bool,
    /// Whether it refuses a write that names an older version of it (`If-Match`).
    pub versioned: bool,
    /// Whether one of its user-assigned identities must be the primary one.
    has_primary: bool,
}

const SPACED: &str = "SystemAssigned, UserAssigned";
const PLAIN: &str = "SystemAssigned,UserAssigned";

const PATCHED: Target = Target {
    resource_type: "",
    called: "",
    api_version: "",
    verb: Verb::Patch,
    both: PLAIN,
    system_assigned: true,
    versioned: false,
    has_primary: false,
};

/// Every type that is supported.
pub static TARGETS: [Target; 11] = [
    compute("Microsoft.Compute/virtualMachines", "virtual machine"),
    compute("Microsoft.Compute/virtualMachineScaleSets", "virtual machine scale set"),
    web("Microsoft.Web/sites", "web or function app"),
    web("Microsoft.Web/sites/slots", "slot of a web or function app"),
    app("Microsoft.App/containerApps", "container app"),
    app("Microsoft.App/jobs", "container app job"),
    Target {
        resource_type: "Microsoft.ContainerService/managedClusters",
        called: "Kubernetes cluster",
        api_version: "2024-09-01",
        verb: Verb::Put,
        versioned: true,
        ..PATCHED
    },
    Target {
        resource_type: "Microsoft.DBforPostgreSQL/flexibleServers",
        called: "PostgreSQL flexible server",
        // 2024-08-01 knows no system-assigned identity.
        api_version: "2025-08-01",
        ..PATCHED
    },
    Target {
        resource_type: "Microsoft.DBforMySQL/flexibleServers",
        called: "MySQL flexible server",
        api_version: "2023-12-30",
        system_assigned: false,
        ..PATCHED
    },
    sql("Microsoft.Sql/servers", "SQL server"),
    sql("Microsoft.Sql/managedInstances", "SQL managed instance"),
];

const fn compute(resource_type: &'static str, called: &'static str) -> Target {
    Target {
        resource_type,
        called,
        api_version: "2024-07-01",
        both: SPACED,
        versioned: true,
        ..PATCHED
    }
}

const fn web(resource_type: &'static str, called: &'static str) -> Target {
    Target {
        resource_type,
        called,
        api_version: "2024-04-01",
        both: SPACED,
        ..PATCHED
    }
}

const fn app(resource_type: &'static str, called: &'static str) -> Target {
    Target {
        resource_type,
        called,
        api_version: "2024-03-01",
        ..PATCHED
    }
}

const fn sql(resource_type: &'static str, called: &'static str) -> Target {
    Target {
        resource_type,
        called,
        api_version: "2021-11-01",
        has_primary: true,
        ..PATCHED
    }
}

/// Which identity is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// The resource's own, which lives and dies with it.
    System,
    /// A user-assigned one.
    User(ResourceId),
}

impl FromStr for Assigned {
    type Err = crate::azure::resource_id::InvalidResourceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "system" => Ok(Self::System),
            id => id.parse().map(Self::User),
        }
    }
}

impl fmt::Display for Assigned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => out.write_str("system"),
            Self::User(id) => id.fmt(out),
        }
    }
}

/// Why an identity cannot be attached; a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// What the `identity` of a resource says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Whether there is a system-assigned identity.
    pub system: bool,
    /// The user-assigned ones.
    pub users: Vec<AttachedUser>,
}

/// A user-assigned identity, as the resource that it is attached to knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedUser {
    /// Its ID as Azure spells it here.
    pub id: String,
    /// The object ID, where the resource tells: another one than the identity's own when that was made anew since.
    pub principal_id: Option<String>,
    /// The client ID, where the resource tells.
    pub client_id: Option<String>,
}

impl Attached {
    /// Reads a resource. Both spellings of `type` are understood, whatever their case.
    pub fn of(resource: &Value) -> Self {
        let identity = &resource["identity"];
        let kinds = identity["type"].as_str().unwrap_or_default();
        let has = |kind: &str| kinds.split(',').any(|word| word.trim().eq_ignore_ascii_case(kind));
        let users = identity["userAssignedIdentities"]
            .as_object()
            .filter(|_| has("UserAssigned"));
        let told = |known: &Value, name: &str| known[name].as_str().filter(|id| is_told(id)).map(str::to_owned);
        // PostgreSQL servers write the tenant where the client ID belongs.
        let tenant = identity["tenantId"].as_str();
        let users = users.into_iter().flatten().map(|(id, known)| AttachedUser {
            id: id.clone(),
            principal_id: told(known, "principalId"),
            client_id: told(known, "clientId").filter(|id| Some(id.as_str()) != tenant),
        });
        Self {
            system: has("SystemAssigned"),
            users: users.collect(),
        }
    }

    /// Whether an identity is among them.
    pub fn has(&self, assigned: &Assigned) -> bool {
        match assigned {
            Assigned::System => self.system,
            Assigned::User(id) => self.user(id).is_some(),
        }
    }

    /// What is known of a user-assigned identity, if it is among them.
    pub fn user(&self, id: &ResourceId) -> Option<&AttachedUser> {
        self.users.iter().find(|user| is_id(&user.id, id))
    }
}

/// Those that are attached and stay so.
fn named(users: &[AttachedUser]) -> Map<String, Value> {
    users.iter().map(|user| (user.id.clone(), json!({}))).collect()
}

/// MySQL writes zeros for what it does not tell.
fn is_told(id: &str) -> bool {
    id.bytes().any(|byte| byte != b'0' && byte != b'-')
}

fn is_id(text: &str, id: &ResourceId) -> bool {
    text.parse::<ResourceId>().is_ok_and(|other| other == *id)
}

impl Target {
    /// The type of a resource, if it is supported.
    pub fn of(id: &ResourceId) -> Option<&'static Self> {
        TARGETS.iter().find(|target| id.is_type(target.resource_type))
    }

    /// What must be sent so that an identity is attached; nothing when it is.
    ///
    /// # Errors
    /// When this type of resource cannot have it.
    pub fn attaching(&self, resource: &Value, assigned: &Assigned) -> Result<Option<Value>, Refusal> {
        let found = Attached::of(resource);
        if found.has(assigned) {
            return Ok(None);
        }
        if self.verb == Verb::Put {
            self.must_have_room(&found)?;
        }
        let (system, users) = match assigned {
            Assigned::System => (true, named(&found.users)),
            Assigned::User(id) => (found.system, Map::from_iter([(id.to_string(), json!({}))])),
        };
        let primary = match assigned {
            Assigned::User(id) if self.has_primary && !has_primary(resource, &found) => Some(id.as_str().into()),
            _ => None,
        };
        Ok(Some(self.body(resource, self.identity(system, users), primary)))
    }

    /// What must be sent so that an identity is not attached; nothing when it is not.
    pub fn detaching(&self, resource: &Value, assigned: &Assigned) -> Option<Value> {
        let found = Attached::of(resource);
        let (system, users, left) = match assigned {
            Assigned::System if !found.system => return None,
            Assigned::System => (false, named(&found.users), found.users.clone()),
            Assigned::User(id) => {
                let key = &found.user(id)?.id;
                let left: Vec<_> = found.users.iter().filter(|other| other.id != *key).cloned().collect();
                let gone = Map::from_iter([(key.clone(), Value::Null)]);
                // The last one is not named: its kind alone goes out of the type.
                let users = if left.is_empty() { Map::new() } else { gone };
                (found.system, users, left)
            }
        };
        let goes = |id: &ResourceId| primary(resource).is_some_and(|text| is_id(text, id));
        let next = match assigned {
            Assigned::User(id) if self.has_primary && goes(id) => {
                Some(left.first().map_or(Value::Null, |next| next.id.clone().into()))
            }
            _ => None,
        };
        Some(self.body(resource, self.identity(system, users), next))
    }

    /// Whether the resource cannot be without the identity that it has: a cluster without one runs as a service principal, if it has that.
    pub fn cannot_be_without(&self, resource: &Value) -> bool {
        let principal = resource["properties"]["servicePrincipalProfile"]["clientId"].as_str();
        self.verb == Verb::Put && principal.is_none_or(|id| id.eq_ignore_ascii_case("msi"))
    }

    /// The `identity` to be sent. The kind `UserAssigned` and the map go together: Azure refuses one without the other.
    fn identity(&self, system: bool, users: Map<String, Value>) -> Value {
        let kinds = match (system, users.is_empty()) {
            (true, false) => self.both,
            (true, true) => "SystemAssigned",
            (false, false) => "UserAssigned",
            (false, true) => "None",
        };
        match users.is_empty() {
            true => json!({ "type": kinds }),
            false => json!({ "type": kinds, "userAssignedIdentities": users }),
        }
    }

    fn body(&self, resource: &Value, identity: Value, primary: Option<Value>) -> Value {
        let mut body = match self.verb {
            Verb::Patch => json!({}),
            Verb::Put => resource.clone(),
        };
        body["identity"] = identity;
        if let Some(primary) = primary {
            body["properties"] = json!({ "primaryUserAssignedIdentityId": primary });
        }
        body
    }

    /// One identity of one kind is all that a cluster takes.
    fn must_have_room(&self, found: &Attached) -> Result<(), Refusal> {
        let present = match (found.system, found.users.first()) {
            (true, _) => "a system-assigned identity".to_owned(),
            (false, Some(user)) => format!("the identity {}", user.id),
            (false, None) => return Ok(()),
        };
        Err(Refusal(format!(
            "The {} has {present} already, and takes only one. Another one would take its place, with all the permissions it was given; \
             change that where the {} itself is managed.",
            self.called, self.called
        )))
    }
}

/// The primary identity of a SQL server, while it is attached.
fn has_primary(resource: &Value, found: &Attached) -> bool {
    let primary = primary(resource).and_then(|text| text.parse::<ResourceId>().ok());
    primary.is_some_and(|id| found.user(&id).is_some())
}

fn primary(resource: &Value) -> Option<&str> {
    resource["properties"]["primaryUserAssignedIdentityId"].as_str()
}

#[cfg(test)]
mod tests;
