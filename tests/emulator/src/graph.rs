//! Microsoft Graph v1.0, as much as names and IDs need: service principals, users, groups, directory objects.
//! It does not write.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::directory::{Principal, PrincipalKind, Reader};
use crate::http::Ask;
use crate::journal::hold;
use crate::tokens::{self, Doubt};
use crate::world::World;

type Outcome = Result<Answer, Answer>;

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    match respond(world, ask) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn respond(world: &World, ask: &Ask) -> Outcome {
    let caller = authenticate(world, ask)?;
    if ask.method != "GET" {
        return bad("Specified HTTP method is not allowed for the request target.");
    }
    if let Some((unknown, _)) = ask
        .query
        .iter()
        .find(|(name, _)| !["$filter", "$select", "$top"].contains(&name.as_str()))
    {
        return bad(&format!("The query option '{unknown}' is not known."));
    }
    let parts: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let graph = Graph { world, ask, caller };
    match parts.as_slice() {
        ["v1.0", "me"] => graph.me(),
        ["v1.0", "servicePrincipals"] => graph.filtered(is_service_principal, &["appId", "displayName"]),
        ["v1.0", "servicePrincipals", id] => graph.one(|one| is_service_principal(one) && one.object_id == *id, id),
        ["v1.0", "users", name] => graph.one(
            |one| {
                let upn = one.user_principal_name.as_deref();
                one.kind == PrincipalKind::User
                    && (one.object_id == *name || upn.is_some_and(|upn| upn.eq_ignore_ascii_case(name)))
            },
            name,
        ),
        ["v1.0", "groups"] => graph.filtered(|one| one.kind == PrincipalKind::Group, &["displayName"]),
        ["v1.0", "groups", id] => graph.one(|one| one.kind == PrincipalKind::Group && one.object_id == *id, id),
        ["v1.0", "directoryObjects", id] => graph.one(|one| one.object_id == *id, id),
        ["v1.0", call] => match keyed(call) {
            Some(("servicePrincipals", "appId", app)) => graph.one(
                |one| one.app_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(app)),
                app,
            ),
            _ => bad(&format!("Resource not found for the segment '{call}'.")),
        },
        _ => bad(&format!("Resource not found for the path '{}'.", ask.path)),
    }
}

fn bad(message: &str) -> Outcome {
    Err(Answer::graph_error(400, "Request_BadRequest", message))
}

fn is_service_principal(one: &Principal) -> bool {
    matches!(one.kind, PrincipalKind::Application | PrincipalKind::ManagedIdentity)
}

/// `servicePrincipals(appId='…')`.
fn keyed(segment: &str) -> Option<(&str, &str, &str)> {
    let (set, rest) = segment.split_once('(')?;
    let (key, value) = rest.strip_suffix("')")?.split_once("='")?;
    Some((set, key, value))
}

/// `name eq 'value'`, with quotes inside the value doubled.
fn equation(filter: &str) -> Option<(&str, String)> {
    let (name, value) = filter.trim().split_once(" eq ")?;
    let inner = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| (name, plain.replace('\u{0}', "'")))
}

struct Graph<'a> {
    world: &'a World,
    ask: &'a Ask,
    caller: Principal,
}

impl Graph<'_> {
    fn denied() -> Answer {
        Answer::graph_error(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    fn me(&self) -> Outcome {
        if self.caller.kind != PrincipalKind::User {
            return bad("/me request is only valid with delegated authentication flow.");
        }
        self.shown(&self.caller)
    }

    /// One object. Who may not read the directory may still read itself, and learns nothing about what exists.
    fn one(&self, wanted: impl Fn(&Principal) -> bool, id: &str) -> Outcome {
        let mut state = hold(&self.world.state);
        let found = state
            .directory
            .all()
            .find(|one| wanted(one))
            .map(|one| one.object_id.clone());
        if !self.caller.reads_directory && found.as_ref() != Some(&self.caller.object_id) {
            return Err(Graph::denied());
        }
        match found.and_then(|object_id| state.directory.look_up(Reader::Graph, &object_id)) {
            Some(principal) => self.shown(&principal),
            None => Err(Answer::graph_error(
                404,
                "Request_ResourceNotFound",
                format!(
                    "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
                ),
            )),
        }
    }

    fn filtered(&self, wanted: impl Fn(&Principal) -> bool, fields: &[&str]) -> Outcome {
        let Some((field, value)) = self.ask.parameter("$filter").and_then(equation) else {
            return bad("Invalid filter clause: the emulator knows `name eq 'value'` only.");
        };
        if !fields.contains(&field) {
            return bad(&format!(
                "Invalid filter clause: the property '{field}' is not known here."
            ));
        }
        let mut state = hold(&self.world.state);
        let found: Vec<String> = state
            .directory
            .all()
            .filter(|one| wanted(one))
            .filter(|one| match field {
                "appId" => one.app_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&value)),
                _ => one.display_name.eq_ignore_ascii_case(&value),
            })
            .map(|one| one.object_id.clone())
            .collect();
        if !self.caller.reads_directory && (found.is_empty() || found.iter().any(|id| *id != self.caller.object_id)) {
            return Err(Graph::denied());
        }
        let seen: Vec<Value> = found
            .iter()
            .filter_map(|object_id| state.directory.look_up(Reader::Graph, object_id))
            .map(|one| self.selected(&one))
            .collect();
        let context = format!("{}/v1.0/$metadata#{}", self.world.endpoints.graph, self.ask.segments[1]);
        Ok(Answer::json(200, json!({"@odata.context": context, "value": seen})))
    }

    fn shown(&self, principal: &Principal) -> Outcome {
        Ok(Answer::json(200, self.selected(principal)))
    }

    /// The object's fields, cut by `$select`.
    fn selected(&self, principal: &Principal) -> Value {
        let mut whole = object(self.world, principal);
        if let (Some(select), Some(map)) = (self.ask.parameter("$select"), whole.as_object_mut()) {
            let names: Vec<&str> = select.split(',').map(str::trim).collect();
            map.retain(|name, _| name.starts_with('@') || names.contains(&name.as_str()));
        }
        whole
    }
}

fn object(world: &World, one: &Principal) -> Value {
    let base = json!({"id": one.object_id, "displayName": one.display_name});
    let more = match one.kind {
        PrincipalKind::User => json!({
            "@odata.type": "#microsoft.graph.user", "userPrincipalName": one.user_principal_name,
            "mail": one.user_principal_name, "userType": "Member",
        }),
        PrincipalKind::Group => json!({
            "@odata.type": "#microsoft.graph.group", "securityEnabled": true, "mailEnabled": false, "groupTypes": [],
        }),
        PrincipalKind::Application => json!({
            "@odata.type": "#microsoft.graph.servicePrincipal", "appId": one.app_id, "appDisplayName": one.display_name,
            "servicePrincipalType": "Application", "accountEnabled": true, "alternativeNames": [],
            "appOwnerOrganizationId": world.tenant(), "servicePrincipalNames": [one.app_id], "tags": [],
        }),
        PrincipalKind::ManagedIdentity => json!({
            "@odata.type": "#microsoft.graph.servicePrincipal", "appId": one.app_id, "appDisplayName": null,
            "servicePrincipalType": "ManagedIdentity", "accountEnabled": true,
            "alternativeNames": [
                format!("isExplicit={}", if is_explicit(one) { "True" } else { "False" }), one.resource_id
            ],
            "appOwnerOrganizationId": null, "servicePrincipalNames": [one.app_id], "tags": [],
        }),
    };
    let mut whole = base;
    if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
        whole.extend(more);
    }
    whole
}

fn is_explicit(one: &Principal) -> bool {
    one.resource_id
        .as_deref()
        .is_some_and(|id| id.to_ascii_lowercase().contains("/userassignedidentities/"))
}

fn authenticate(world: &World, ask: &Ask) -> Result<Principal, Answer> {
    let refused = |message: &str| Answer::graph_error(401, "InvalidAuthenticationToken", message);
    let Some(text) = ask.header("authorization").strip_prefix("Bearer ") else {
        return Err(refused("Access token is empty."));
    };
    let token = tokens::check(world, text, |audience| tokens::is_graph_audience(world, audience)).map_err(|doubt| {
        refused(match doubt {
            Doubt::Audience(_) => "Access token validation failure. Invalid audience.",
            Doubt::Expired(_) => "Lifetime validation failed, the token is expired.",
            Doubt::Malformed => "CompactToken parsing failed with error code: 80049217",
            Doubt::Signature | Doubt::Tenant => "Access token validation failure.",
        })
    })?;
    let caller = hold(&world.state).directory.get(token.claim("oid")).cloned();
    caller.ok_or_else(|| refused("The identity of the calling application could not be established."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_one_equation_with_doubled_quotes() {
        assert_eq!(
            equation("displayName eq 'O''Brien'"),
            Some(("displayName", "O'Brien".to_owned()))
        );
        assert_eq!(equation("displayName eq 'a' or appId eq 'b'"), None);
        assert_eq!(equation("displayName ne 'a'"), None);
    }
}
