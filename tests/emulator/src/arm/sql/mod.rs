//! Microsoft.Sql: servers and managed instances. What both share: one administrator, Entra-only authentication, and
//! operations that are polled in the resource group. It makes and removes none of them.

mod administrators;
mod children;
mod only;
mod servers;

use serde_json::Value;

use crate::arm::operations::{Place, Plan};
use crate::arm::records::{Kind, Record};
use crate::arm::{Call, Outcome};
use crate::world::{State, World};

const VERSIONS: [&str; 6] = [
    "2020-11-01-preview",
    "2021-11-01",
    "2023-05-01-preview",
    "2023-08-01-preview",
    "2023-08-01",
    "2025-01-01",
];

pub(crate) use servers::DNS_ZONE;

/// The body of a GET with everything expanded.
pub(crate) fn json_of(world: &World, state: &State, server: &Record) -> Value {
    servers::json_of(world, state, server, true)
}

/// Whether a path (in lower case) knows the query `$expand`.
pub(crate) fn expands(parts: &[&str]) -> bool {
    match parts.iter().position(|part| *part == "microsoft.sql") {
        Some(at) => {
            let kind = parts.get(at + 1).copied().unwrap_or_default();
            matches!(kind, "servers" | "managedinstances") && parts.len() <= at + 3
        }
        None => false,
    }
}

pub(crate) fn of_subscription(call: &Call<'_>, rest: &[&str]) -> Outcome {
    match rest {
        ["servers"] => servers::list(call, Kind::Sql, None),
        ["managedinstances"] => servers::list(call, Kind::ManagedInstance, None),
        _ => call.no_such_type(call.part(3), call.part(4)),
    }
}

pub(crate) fn of_group(call: &Call<'_>, group: &str, rest: &[&str]) -> Outcome {
    let kind = match rest.first() {
        Some(&"servers") => Kind::Sql,
        Some(&"managedinstances") => Kind::ManagedInstance,
        _ => return call.no_such_type(call.part(5), call.part(6)),
    };
    match (kind, rest) {
        (_, [_]) => servers::list(call, kind, Some(group)),
        (_, [_, _]) => servers::one(call, kind),
        (_, [_, _, "administrators"]) => administrators::list(call, kind),
        (_, [_, _, "administrators", name]) => administrators::one(call, kind, name),
        (_, [_, _, "azureadonlyauthentications"]) => only::list(call, kind),
        (_, [_, _, "azureadonlyauthentications", name]) => only::one(call, kind, name),
        (_, [_, _, "databases"]) => children::databases(call, kind),
        (Kind::Sql, [_, _, "connectionpolicies"]) => children::connection_policies(call),
        (Kind::Sql, [_, _, "connectionpolicies", name]) => children::connection_policy(call, name),
        _ => call.no_such_type(call.part(5), call.part(6)),
    }
}

/// Where the operations on administrators and on Entra-only authentication are polled.
fn plan<'a>(call: &Call<'a>, kind: Kind, name: &'a str) -> Plan<'a> {
    let (poll, result) = match kind {
        Kind::ManagedInstance => ("administratorAzureAsyncOperation", "administratorOperationResults"),
        _ => (
            "serverAdministratorAzureAsyncOperation",
            "serverAdministratorOperationResults",
        ),
    };
    place(call, name, poll, result)
}

/// Where the operations on the server itself are polled.
fn server_plan<'a>(call: &Call<'a>, kind: Kind) -> Plan<'a> {
    match kind {
        Kind::ManagedInstance => place(
            call,
            "UpsertManagedServer",
            "managedInstanceAzureAsyncOperation",
            "managedInstanceOperationResults",
        ),
        _ => place(
            call,
            "UpsertLogicalServer",
            "serverAzureAsyncOperation",
            "serverOperationResults",
        ),
    }
}

fn place<'a>(call: &Call<'a>, name: &'a str, poll: &'static str, result: &'static str) -> Plan<'a> {
    Plan {
        name,
        place: Place {
            namespace: "Microsoft.Sql",
            in_group: true,
            poll,
            result,
            signed: false,
            dated: false,
        },
        location: &call.world.options.location,
    }
}
