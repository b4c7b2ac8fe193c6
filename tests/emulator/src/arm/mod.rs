//! Azure Resource Manager: who asks, in which version, for which path. What is not known is refused, by name.
//! It does not know what the resource providers answer.

pub(crate) mod administrators;
pub(crate) mod assignment;
pub(crate) mod body;
pub(crate) mod busy;
pub(crate) mod configurations;
pub(crate) mod databases;
pub(crate) mod federation;
pub(crate) mod firewall;
pub(crate) mod groups;
pub(crate) mod identities;
pub(crate) mod linked;
pub(crate) mod metadata;
pub(crate) mod mysql;
pub(crate) mod operations;
pub(crate) mod records;
pub(crate) mod replicas;
pub(crate) mod servers;
pub(crate) mod sql;
pub(crate) mod targets;

use std::sync::Arc;

use crate::answer::Answer;
use crate::directory::Access;
use crate::http::Ask;
use crate::journal::hold;
use crate::keys::Token;
use crate::tenants;
use crate::tokens::{self, Doubt};
use crate::world::World;

/// A refusal is an answer too.
pub(crate) type Outcome = Result<Answer, Answer>;

/// A request that was authenticated: the path both as sent and in lower case.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) ask: &'a Ask,
    /// Who asks: object ID.
    pub(crate) caller: String,
    /// Other tenants that the caller showed a token of.
    pub(crate) auxiliary: Vec<String>,
    pub(crate) api_version: String,
}

impl Call<'_> {
    /// The part of the path at this place, as it was sent.
    pub(crate) fn part(&self, index: usize) -> &str {
        self.ask.segments.get(index).map_or("", String::as_str)
    }

    pub(crate) fn is(&self, method: &str) -> bool {
        self.ask.method == method
    }

    /// Refuses every version but these.
    pub(crate) fn versions(&self, kind: &str, known: &[&str]) -> Result<(), Answer> {
        if known.contains(&self.api_version.as_str()) {
            return Ok(());
        }
        let message = format!(
            "No registered resource provider found for location '{}' and API version '{}' for type '{kind}'. The supported \
             api-versions are '{}'. The supported locations are '{}'.",
            self.world.options.location,
            self.api_version,
            known.join(", "),
            self.world.options.location
        );
        Err(Answer::arm_error(400, "NoRegisteredProviderFound", message))
    }

    /// The refusal of a verb that this resource does not have.
    pub(crate) fn no_such_verb(&self, kind: &str) -> Outcome {
        let message = format!(
            "The requested resource '{kind}' does not support http method '{}'.",
            self.ask.method
        );
        Err(Answer::arm_error(405, "UnsupportedHttpVerb", message))
    }

    pub(crate) fn no_such_type(&self, namespace: &str, kind: &str) -> Outcome {
        let message = format!(
            "The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{}'. The path was '{}'.",
            self.api_version, self.ask.path
        );
        Err(Answer::arm_error(400, "InvalidResourceType", message))
    }

    /// 404 unless the group exists.
    pub(crate) fn group(&self, name: &str) -> Result<(), Answer> {
        if hold(&self.world.state).groups.contains_key(&name.to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Answer::arm_error(
            404,
            "ResourceGroupNotFound",
            format!("Resource group '{name}' could not be found."),
        ))
    }
}

/// The 404 of a resource that does not exist in a group that does.
pub(crate) fn resource_not_found(kind: &str, name: &str, group: &str) -> Answer {
    let message = format!(
        "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to \
         https://aka.ms/ARMResourceNotFoundFix"
    );
    Answer::arm_error(404, "ResourceNotFound", message)
}

/// The 404 of a child whose parent does not exist.
pub(crate) fn parent_not_found(parent: &str, child: &str) -> Answer {
    let message = format!(
        "Failed to perform 'read' on resource(s) of type '{child}', because the parent resource '{parent}' could not be found."
    );
    Answer::arm_error(404, "ParentResourceNotFound", message)
}

pub(crate) async fn answer(world: &Arc<World>, ask: &Ask) -> Answer {
    match respond(world, ask).await {
        Ok(answer) | Err(answer) => {
            answer.header("x-ms-ratelimit-remaining-subscription-global-reads", "3749".to_owned())
        }
    }
}

async fn respond(world: &Arc<World>, ask: &Ask) -> Outcome {
    let lower: Vec<String> = ask.segments.iter().map(|part| part.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    if parts == ["metadata", "endpoints"] {
        return metadata::answer(world, ask);
    }
    let primary = authenticate(world, ask)?;
    let auxiliary = linked::tenants(world, ask, &primary)?;
    let Some(api_version) = ask.parameter("api-version").filter(|version| !version.is_empty()) else {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Answer::arm_error(400, "MissingApiVersionParameter", message));
    };
    let call = Call {
        world,
        ask,
        caller: primary.claim("oid").to_owned(),
        auxiliary,
        api_version: api_version.to_owned(),
    };
    authorize(&call, &parts)?;
    if let ["subscriptions", subscription, ..] = parts.as_slice()
        && !subscription.eq_ignore_ascii_case(world.subscription())
    {
        if let Some(tenant) = tenants::managing(&hold(&world.state), subscription) {
            return Err(linked::wrong_issuer(world, primary.claim("iss"), &tenant.tenant_id));
        }
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(Answer::arm_error(404, "SubscriptionNotFound", message));
    }
    if operations::is_address(&parts) {
        return operations::at(&call, &parts).await;
    }
    let expands = sql::expands(&parts);
    let allowed = |name: &str| name.eq_ignore_ascii_case("api-version") || expands && name == "$expand";
    if let Some((unknown, _)) = ask.query.iter().find(|(name, _)| !allowed(name)) {
        let message = format!("The query parameter '{unknown}' is not supported by '{}'.", ask.path);
        return Err(Answer::arm_error(400, "InvalidQueryParameter", message));
    }
    if let Some(busy) = busy::refusal(&call, &parts) {
        return Err(busy);
    }
    route(&call, &parts).await
}

async fn route(call: &Call<'_>, parts: &[&str]) -> Outcome {
    if let [_, .., "providers", "microsoft.managedidentity", "identities", "default"] = parts {
        return identities::of_scope(call);
    }
    match parts {
        ["subscriptions", _] => groups::subscription(call),
        ["subscriptions", _, "resourcegroups"] => groups::list(call),
        ["subscriptions", _, "resourcegroups", _] => groups::one(call),
        ["subscriptions", _, "providers", namespace, rest @ ..] => match (*namespace, rest) {
            ("microsoft.managedidentity", ["userassignedidentities"]) => identities::list(call, None),
            ("microsoft.dbforpostgresql", ["flexibleservers"]) => servers::list(call, None),
            ("microsoft.dbformysql", rest) => mysql::of_subscription(call, rest),
            ("microsoft.sql", rest) => sql::of_subscription(call, rest),
            _ => call.no_such_type(call.part(3), call.part(4)),
        },
        [
            "subscriptions",
            _,
            "resourcegroups",
            group,
            "providers",
            namespace,
            rest @ ..,
        ] => {
            call.group(call.part(3))?;
            match (*namespace, rest) {
                ("microsoft.managedidentity", ["userassignedidentities"]) => identities::list(call, Some(group)),
                ("microsoft.managedidentity", ["userassignedidentities", _]) => identities::one(call).await,
                ("microsoft.managedidentity", ["userassignedidentities", _, "federatedidentitycredentials"]) => {
                    federation::list(call)
                }
                ("microsoft.managedidentity", ["userassignedidentities", _, "federatedidentitycredentials", _]) => {
                    federation::one(call).await
                }
                ("microsoft.dbforpostgresql", ["flexibleservers"]) => servers::list(call, Some(group)),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, rest @ ..]) if replicas::is_one(call) => {
                    replicas::answer(call, rest)
                }
                ("microsoft.dbforpostgresql", ["flexibleservers", _]) => servers::one(call),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "administrators"]) => administrators::list(call),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "administrators", _]) => administrators::one(call),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "databases"]) => databases::list(call).await,
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "databases", _]) => databases::one(call).await,
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "firewallrules"]) => firewall::list(call),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "firewallrules", _]) => firewall::one(call),
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "configurations"]) => {
                    configurations::list(call).await
                }
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "configurations", _]) => {
                    configurations::one(call).await
                }
                ("microsoft.dbforpostgresql", ["flexibleservers", _, "replicas"]) => replicas::list(call),
                ("microsoft.dbformysql", rest) => mysql::of_group(call, group, rest),
                ("microsoft.sql", rest) => sql::of_group(call, group, rest),
                (namespace, rest) => match targets::kinds::of_path(namespace, rest) {
                    Some(kind) => targets::one(call, kind).await,
                    None => call.no_such_type(call.part(5), call.part(6)),
                },
            }
        }
        ["providers", "microsoft.dbforpostgresql", "getprivatednszonesuffix"] => servers::zone_suffix(call),
        _ => {
            let message = format!("The path '{}' is not known.", call.ask.path);
            Err(Answer::arm_error(400, "InvalidResourceNamespace", message))
        }
    }
}

/// The refusal of a request whose caller is not known, with the place where he may sign in.
fn unauthenticated(world: &World, code: &str, message: String) -> Answer {
    let challenge = format!(
        "Bearer authorization_uri=\"{}/{}\"",
        world.endpoints.authority,
        world.tenant()
    );
    Answer::arm_error(401, code, message).header("www-authenticate", challenge)
}

fn authenticate(world: &World, ask: &Ask) -> Result<Token, Answer> {
    let refused = |code: &str, message: String| unauthenticated(world, code, message);
    let Some(text) = ask.header("authorization").strip_prefix("Bearer ") else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return Err(refused("AuthenticationFailed", message.to_owned()));
    };
    let invalid = |message: String| refused("InvalidAuthenticationToken", message);
    tokens::check(world, text, |audience| tokens::is_management_audience(world, audience))
        .map_err(|doubt| match doubt {
            Doubt::Malformed | Doubt::Signature => invalid("The access token is invalid.".to_owned()),
            Doubt::Tenant(issuer) => linked::wrong_issuer(world, &issuer, world.tenant()),
            Doubt::Audience(audience) => invalid(format!(
                "The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match with \
                 one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'."
            )),
            Doubt::Expired(end) => refused(
                "ExpiredAuthenticationToken",
                format!("The access token expiry UTC time '{end}' is earlier than current UTC time."),
            ),
        })
}

fn authorize(call: &Call<'_>, parts: &[&str]) -> Result<(), Answer> {
    let (word, needed) = match call.ask.method.as_str() {
        "GET" | "HEAD" => ("read", Access::Reader),
        "DELETE" => ("delete", Access::Contributor),
        "POST" => ("action", Access::Contributor),
        _ => ("write", Access::Contributor),
    };
    let state = hold(&call.world.state);
    let caller = state.directory.get(&call.caller);
    if caller.is_some_and(|caller| caller.access >= needed) {
        return Ok(());
    }
    let kind = match parts.iter().rposition(|part| *part == "providers") {
        Some(at) => {
            let names = call
                .ask
                .segments
                .get(at + 2..)
                .unwrap_or_default()
                .iter()
                .step_by(2)
                .map(String::as_str);
            std::iter::once(call.part(at + 1))
                .chain(names)
                .collect::<Vec<_>>()
                .join("/")
        }
        None => "Microsoft.Resources/subscriptions/resourceGroups".to_owned(),
    };
    let client = caller.and_then(|caller| caller.app_id.clone().or_else(|| caller.user_principal_name.clone()));
    let message = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action '{kind}/{word}' over scope '{}' or \
         the scope is invalid. If access was recently granted, please refresh your credentials.",
        client.unwrap_or_default(),
        call.caller,
        call.ask.path
    );
    Err(Answer::arm_error(403, "AuthorizationFailed", message))
}
