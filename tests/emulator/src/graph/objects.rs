//! Directory objects as Microsoft Graph shows them, and what `$select` leaves of them. It does not know who may see them.

use serde_json::{Value, json};

use crate::directory::{Principal, PrincipalKind};
use crate::graph::query::Sort;
use crate::world::World;

/// Every property that an object of this sort can have here.
fn properties(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::User => &["id", "displayName", "userPrincipalName", "mail", "userType"],
        Sort::Group => &["id", "displayName", "securityEnabled", "mailEnabled", "groupTypes"],
        Sort::ServicePrincipal => &[
            "id",
            "displayName",
            "appId",
            "appDisplayName",
            "servicePrincipalType",
            "accountEnabled",
            "alternativeNames",
            "appOwnerOrganizationId",
            "servicePrincipalNames",
            "tags",
        ],
    }
}

/// The names of a `$select`, or the first one that none of these sorts has.
pub(crate) fn selection<'a>(text: &'a str, sorts: &[Sort]) -> Result<Vec<&'a str>, &'a str> {
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let known = |name: &&str| sorts.iter().any(|sort| properties(*sort).contains(name));
    match names.iter().find(|name| !known(name)) {
        Some(unknown) => Err(unknown),
        None => Ok(names),
    }
}

/// The object; `typed` where a set holds several sorts.
pub(crate) fn object(world: &World, one: &Principal, select: Option<&[&str]>, typed: bool) -> Value {
    let mut whole = match one.kind {
        PrincipalKind::User => json!({
            "userPrincipalName": one.user_principal_name, "mail": mail(one),
            "userType": if is_guest(one) { "Guest" } else { "Member" },
        }),
        PrincipalKind::Group => json!({"securityEnabled": true, "mailEnabled": false, "groupTypes": []}),
        PrincipalKind::Application => json!({
            "appId": one.app_id, "appDisplayName": one.display_name, "servicePrincipalType": "Application",
            "accountEnabled": true, "alternativeNames": [], "appOwnerOrganizationId": world.tenant(),
            "servicePrincipalNames": [one.app_id], "tags": [],
        }),
        PrincipalKind::ManagedIdentity => json!({
            "appId": one.app_id, "appDisplayName": null, "servicePrincipalType": "ManagedIdentity", "accountEnabled": true,
            "alternativeNames": [
                format!("isExplicit={}", if is_explicit(one) { "True" } else { "False" }), one.resource_id
            ],
            "appOwnerOrganizationId": null, "servicePrincipalNames": [one.app_id], "tags": [],
        }),
    };
    whole["id"] = json!(one.object_id);
    whole["displayName"] = json!(one.display_name);
    if let (Some(names), Some(map)) = (select, whole.as_object_mut()) {
        map.retain(|name, _| names.contains(&name.as_str()));
    }
    if typed {
        whole["@odata.type"] = json!(format!("#microsoft.graph.{}", Sort::of(one.kind).word()));
    }
    whole
}

fn is_explicit(one: &Principal) -> bool {
    one.resource_id
        .as_deref()
        .is_some_and(|id| id.to_ascii_lowercase().contains("/userassignedidentities/"))
}

fn is_guest(one: &Principal) -> bool {
    one.user_principal_name
        .as_deref()
        .is_some_and(|name| name.contains("#EXT#"))
}

/// A guest's name holds the mail address with `_` for `@`.
fn mail(one: &Principal) -> Option<String> {
    let name = one.user_principal_name.as_deref()?;
    match name.split_once("#EXT#").map(|(home, _)| home.rsplit_once('_')) {
        Some(Some((person, domain))) => Some(format!("{person}@{domain}")),
        Some(None) => None,
        None => Some(name.to_owned()),
    }
}
