//! Firewall rules of a PostgreSQL server, as ARM keeps them. They keep nobody out: every test comes from this machine.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::operations::{self, Plan};
use crate::arm::servers::{self, VERSIONS, begin_change};
use crate::arm::{Call, Outcome};
use crate::journal::hold;
use crate::postgres::server::Server;

const KIND: &str = "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules";

/// First and last address.
pub(crate) type Range = (Ipv4Addr, Ipv4Addr);

fn json_of(server: &Server, name: &str, (first, last): &Range) -> Value {
    json!({
        "properties": {"startIpAddress": first.to_string(), "endIpAddress": last.to_string()},
        "id": format!("{}/firewallRules/{name}", server.id), "name": name, "type": KIND,
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/firewallRules", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = servers::find(call)?;
    let record = hold(&server.record);
    let value: Vec<Value> = record
        .firewall
        .iter()
        .map(|(name, range)| json_of(&server, name, range))
        .collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/firewallRules", &VERSIONS)?;
    let server = servers::find(call)?;
    let name = call.part(9).to_owned();
    let found = hold(&server.record).firewall.get(&name).copied();
    match call.ask.method.as_str() {
        "GET" => match found {
            Some(range) => Ok(Answer::json(200, json_of(&server, &name, &range))),
            None => {
                let message = format!("The requested resource of type '{KIND}' with name '{name}' was not found.");
                Err(Answer::arm_error(404, "ResourceNotFound", message))
            }
        },
        "PUT" => {
            let range = read(call, &server, &name)?;
            set(call, "UpsertServerFirewallRuleManagementOperation", name, Some(range))
        }
        "DELETE" if found.is_none() => Ok(Answer::empty(204)),
        "DELETE" => set(call, "DropServerFirewallRuleManagementOperation", name, None),
        _ => call.no_such_verb(KIND),
    }
}

fn read(call: &Call<'_>, server: &Server, name: &str) -> Result<Range, Answer> {
    let bad = |message: String| Answer::arm_error(400, "InvalidParameterValue", message);
    let inside = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    let valid = (1..=80).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(inside)
        && !name.ends_with('-');
    if !valid {
        return Err(bad(format!(
            "Invalid value given for parameter firewallRuleName: '{name}'."
        )));
    }
    let network = servers::json_of(call.world, &hold(&call.world.state), server);
    if !network["properties"]["network"]["delegatedSubnetResourceId"].is_null() {
        let message = "Firewall rules are not supported on a server with private access (virtual network integration).";
        return Err(Answer::arm_error(400, "OperationNotAllowed", message));
    }
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    let properties = fields.object("properties", &["startIpAddress", "endIpAddress"])?;
    let address = |name: &str| {
        let text = properties.text(name)?;
        let address = text.parse::<Ipv4Addr>();
        address.map_err(|_| {
            bad(format!(
                "Invalid value given for parameter {name}: '{text}'. Specify an IPv4 address."
            ))
        })
    };
    let (first, last) = (address("startIpAddress")?, address("endIpAddress")?);
    if first > last {
        return Err(bad(format!(
            "The startIpAddress {first} is after the endIpAddress {last}."
        )));
    }
    Ok((first, last))
}

fn set(call: &Call<'_>, operation: &str, name: String, range: Option<Range>) -> Outcome {
    let server = servers::find(call)?;
    let change = begin_change(call, &server)?;
    let plan = Plan {
        name: operation,
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    Ok(operations::start(call, &plan, async move {
        let mut record = hold(&change.server.record);
        match range {
            Some(range) => record.firewall.insert(name.clone(), range),
            None => record.firewall.remove(&name),
        };
        drop(record);
        Ok(range.map(|range| json_of(&change.server, &name, &range)))
    }))
}
