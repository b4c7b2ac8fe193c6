//! Microsoft Graph v1.0, as much as names and IDs need: service principals, users, groups, directory objects.
//! It does not write.

mod objects;
pub(crate) mod query;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::directory::{Principal, PrincipalKind, Reader};
use crate::graph::query::{Filter, Sort};
use crate::http::Ask;
use crate::journal::hold;
use crate::tokens::{self, Doubt};
use crate::world::World;

type Outcome = Result<Answer, Answer>;

/// Objects on a page when `$top` says nothing.
pub(crate) const PAGE: usize = 100;

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    match respond(world, ask) {
        Ok(answer) | Err(answer) => answer.header("x-ms-resource-unit", "1".to_owned()),
    }
}

fn respond(world: &World, ask: &Ask) -> Outcome {
    let caller = authenticate(world, ask)?;
    let parts: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let graph = Graph { world, ask, caller };
    if let ["v1.0", "directoryObjects", call] = parts.as_slice()
        && call.trim_start_matches("microsoft.graph.") == "getByIds"
    {
        return graph.by_ids();
    }
    if ask.method != "GET" {
        return bad("Specified HTTP method is not allowed for the request target.");
    }
    match parts.as_slice() {
        ["v1.0", "me"] => graph.me(),
        ["v1.0", set] if let Some(sort) = sort_of(set) => graph.list(sort),
        ["v1.0", "directoryObjects", id] => graph.one(&Sort::ALL, |one| same(&one.object_id, id), id),
        ["v1.0", "users", name] if name.starts_with('$') => {
            bad(&format!("Resource not found for the segment '{name}'."))
        }
        ["v1.0", set, key] if let Some(sort) = sort_of(set) => graph.by_key(sort, key),
        ["v1.0", call] => match query::keyed(call) {
            Some(("servicePrincipals", Some("appId"), app)) => {
                graph.one(&[Sort::ServicePrincipal], |one| same_option(&one.app_id, &app), &app)
            }
            Some(("users", Some("userPrincipalName"), name)) => graph.by_key(Sort::User, &name),
            Some((set, None, key)) if let Some(sort) = sort_of(set) => graph.by_key(sort, &key),
            _ => bad(&format!("Resource not found for the segment '{call}'.")),
        },
        _ => bad(&format!("Resource not found for the path '{}'.", ask.path)),
    }
}

fn sort_of(set: &str) -> Option<Sort> {
    Sort::ALL.into_iter().find(|sort| sort.set() == set)
}

fn same(own: &str, given: &str) -> bool {
    own.eq_ignore_ascii_case(given)
}

fn same_option(own: &Option<String>, given: &str) -> bool {
    own.as_deref().is_some_and(|own| same(own, given))
}

fn bad(message: &str) -> Outcome {
    Err(Answer::graph_error(400, "Request_BadRequest", message))
}

fn denied() -> Answer {
    Answer::graph_error(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )
}

struct Graph<'a> {
    world: &'a World,
    ask: &'a Ask,
    caller: Principal,
}

impl Graph<'_> {
    fn may_read(&self, sort: Sort) -> bool {
        self.caller.reads.contains(&sort)
    }

    /// Refuses options that are not named here, and answers `$select`.
    fn options(&self, known: &[&str], sorts: &[Sort]) -> Result<Option<Vec<&str>>, Answer> {
        let unknown = self.ask.query.iter().find(|(name, _)| !known.contains(&name.as_str()));
        if let Some((unknown, _)) = unknown {
            let message = format!("The query option '{unknown}' is not known.");
            return Err(Answer::graph_error(400, "Request_BadRequest", message));
        }
        let select = self.ask.parameter("$select");
        let select = select.map(|select| objects::selection(select, sorts)).transpose();
        select.map_err(|unknown| {
            let kind = match sorts {
                [only] => only.word(),
                _ => "directoryObject",
            };
            let message =
                format!("Parsing OData Select and Expand failed: Could not find a property named '{unknown}' on type 'microsoft.graph.{kind}'.");
            Answer::graph_error(400, "Request_BadRequest", message)
        })
    }

    fn context(&self, what: &str) -> String {
        format!("{}/v1.0/$metadata#{what}", self.world.endpoints.graph)
    }

    fn me(&self) -> Outcome {
        if self.caller.kind != PrincipalKind::User {
            return bad("/me request is only valid with delegated authentication flow.");
        }
        let select = self.options(&["$select"], &[Sort::User])?;
        self.shown(&self.caller, select.as_deref(), false)
    }

    fn by_key(&self, sort: Sort, key: &str) -> Outcome {
        let wanted = |one: &Principal| {
            same(&one.object_id, key) || sort == Sort::User && same_option(&one.user_principal_name, key)
        };
        self.one(&[sort], wanted, key)
    }

    /// One object. Who may not read its sort may still read itself, and learns nothing about what exists.
    fn one(&self, sorts: &[Sort], wanted: impl Fn(&Principal) -> bool, key: &str) -> Outcome {
        let select = self.options(&["$select"], sorts)?;
        let mut state = hold(&self.world.state);
        let found = state
            .directory
            .all()
            .find(|one| sorts.contains(&Sort::of(one.kind)) && wanted(one))
            .map(|one| (one.object_id.clone(), Sort::of(one.kind)));
        let own = found.as_ref().is_some_and(|(id, _)| *id == self.caller.object_id);
        let permitted = match &found {
            Some((_, sort)) => self.may_read(*sort),
            None => sorts.iter().all(|sort| self.may_read(*sort)),
        };
        if !permitted && !own {
            return Err(denied());
        }
        match found.and_then(|(id, _)| state.directory.look_up(Reader::Graph, &id)) {
            Some(principal) => self.shown(&principal, select.as_deref(), sorts.len() > 1),
            None => Err(Answer::graph_error(
                404,
                "Request_ResourceNotFound",
                format!(
                    "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
                ),
            )),
        }
    }

    fn shown(&self, one: &Principal, select: Option<&[&str]>, typed: bool) -> Outcome {
        let mut body = objects::object(self.world, one, select, typed);
        let set = if typed {
            "directoryObjects"
        } else {
            Sort::of(one.kind).set()
        };
        let set = match select {
            Some(names) => format!("{set}({})/$entity", names.join(",")),
            None => format!("{set}/$entity"),
        };
        body["@odata.context"] = json!(self.context(&set));
        Ok(Answer::json(200, body))
    }

    /// Objects of one sort, filtered or all of them, page by page.
    fn list(&self, sort: Sort) -> Outcome {
        let select = self.options(&["$filter", "$select", "$top", "$skiptoken"], &[sort])?;
        let filter = match self.ask.parameter("$filter") {
            None => None,
            Some(text) => match Filter::parse(text).filter(|filter| filter.suits(sort.filters())) {
                Some(filter) => Some(filter),
                None => return bad(&format!("Invalid filter clause: '{text}' is not known here.")),
            },
        };
        let mut state = hold(&self.world.state);
        let size = match self.ask.parameter("$top") {
            None => state.graph_page.unwrap_or(PAGE),
            Some(text) => match text.parse() {
                Ok(size) if (1..=999).contains(&size) => state.graph_page.map_or(size, |page| page.min(size)),
                _ => {
                    return bad(&format!(
                        "Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive."
                    ));
                }
            },
        };
        let after = self.ask.parameter("$skiptoken").unwrap_or_default();
        let found: Vec<String> = state
            .directory
            .all()
            .filter(|one| Sort::of(one.kind) == sort && filter.as_ref().is_none_or(|filter| filter.takes(one)))
            .map(|one| one.object_id.clone())
            .collect();
        let only_itself = !found.is_empty() && found.iter().all(|id| *id == self.caller.object_id);
        if !self.may_read(sort) && !only_itself {
            return Err(denied());
        }
        // Objects are in the order of their IDs, so the last one of a page says where the next begins.
        let mut rest = found.into_iter().filter(|id| id.as_str() > after);
        let page: Vec<String> = rest.by_ref().take(size).collect();
        let more = rest.next().is_some();
        let seen: Vec<Value> = page
            .iter()
            .filter_map(|id| state.directory.look_up(Reader::Graph, id))
            .map(|one| objects::object(self.world, &one, select.as_deref(), false))
            .collect();
        let mut body = json!({"@odata.context": self.context(sort.set()), "value": seen});
        if let (true, Some(last)) = (more, page.last()) {
            body["@odata.nextLink"] = json!(self.next(last));
        }
        Ok(Answer::json(200, body))
    }

    /// The same request, from behind this object on.
    fn next(&self, last: &str) -> String {
        let pairs = self.ask.query.iter().filter(|(name, _)| name != "$skiptoken");
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .append_pair("$skiptoken", last)
            .finish();
        format!("{}{}?{query}", self.world.endpoints.graph, self.ask.path)
    }

    fn by_ids(&self) -> Outcome {
        if self.ask.method != "POST" {
            return bad("Specified HTTP method is not allowed for the request target.");
        }
        let select = self.options(&["$select"], &Sort::ALL)?;
        let body = self.ask.json().unwrap_or_default();
        let fields = body.as_object().cloned().unwrap_or_default();
        if let Some(unknown) = fields.keys().find(|name| !["ids", "types"].contains(&name.as_str())) {
            return bad(&format!(
                "The parameter '{unknown}' in the request payload is not a valid parameter."
            ));
        }
        let texts = |name: &str| -> Option<Vec<&str>> {
            let items = fields.get(name)?.as_array()?;
            items.iter().map(Value::as_str).collect()
        };
        let Some(ids) = texts("ids").filter(|ids| ids.len() <= 1000) else {
            return bad("'ids' must be a collection of at most 1000 strings.");
        };
        if let Some(wrong) = ids.iter().find(|id| uuid::Uuid::parse_str(id).is_err()) {
            return bad(&format!("Invalid GUID: {wrong}"));
        }
        let sorts: Vec<Sort> = match texts("types") {
            None => Sort::ALL.to_vec(),
            Some(types) => {
                let known = |word: &&str| Sort::ALL.into_iter().find(|sort| same(sort.word(), word));
                if let Some(unknown) = types.iter().find(|word| known(word).is_none()) {
                    return bad(&format!("The type '{unknown}' is not known here."));
                }
                types.iter().filter_map(known).collect()
            }
        };
        let itself = ids.iter().all(|id| same(id, &self.caller.object_id));
        if !itself && !sorts.iter().all(|sort| self.may_read(*sort)) {
            return Err(denied());
        }
        let mut state = hold(&self.world.state);
        let seen: Vec<Value> = ids
            .iter()
            .filter_map(|id| state.directory.look_up(Reader::Graph, id))
            .filter(|one| sorts.contains(&Sort::of(one.kind)))
            .map(|one| objects::object(self.world, &one, select.as_deref(), true))
            .collect();
        let context = self.context("directoryObjects");
        Ok(Answer::json(200, json!({"@odata.context": context, "value": seen})))
    }
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
            Doubt::Signature | Doubt::Tenant(_) => "Access token validation failure.",
        })
    })?;
    let caller = hold(&world.state).directory.get(token.claim("oid")).cloned();
    caller.ok_or_else(|| refused("The identity of the calling application could not be established."))
}
