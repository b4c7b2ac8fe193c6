use serde_json::json;

use super::*;

const ONE: &str = "/subscriptions/S/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one";
const OTHER: &str =
    "/subscriptions/S/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other";

fn target(resource_type: &str) -> &'static Target {
    let (provider, kinds) = resource_type.split_once('/').unwrap();
    let kinds = kinds.replace('/', "/x/");
    let id = format!("/subscriptions/S/resourceGroups/g/providers/{provider}/{kinds}/n");
    Target::of(&id.to_lowercase().parse().unwrap()).unwrap()
}

fn one() -> Assigned {
    Assigned::User(ONE.to_lowercase().parse().unwrap())
}

fn resource(kinds: &str, users: &[&str]) -> Value {
    let users: Map<String, Value> = users.iter().map(|id| ((*id).to_owned(), json!({}))).collect();
    json!({ "location": "westeurope", "identity": { "type": kinds, "userAssignedIdentities": users } })
}

#[test]
fn every_type_is_found_by_an_id_of_any_case_and_no_other() {
    for known in &TARGETS {
        assert_eq!(target(known.resource_type).resource_type, known.resource_type);
    }
    let id = "/subscriptions/S/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s";
    assert!(Target::of(&id.parse().unwrap()).is_none());
}

#[test]
fn both_spellings_and_every_case_are_understood() {
    for kinds in [
        SPACED,
        PLAIN,
        "systemassigned,userassigned",
        "UserAssigned , SystemAssigned",
    ] {
        let found = Attached::of(&resource(kinds, &[OTHER]));
        assert!(
            found.system
                && found.has(&Assigned::User(
                    OTHER
                        .to_uppercase()
                        .replace("/SUBSCRIPTIONS", "/subscriptions")
                        .parse()
                        .unwrap()
                )),
            "{kinds}"
        );
    }
    // What is left in the map of a resource without the kind counts for nothing.
    assert_eq!(Attached::of(&resource("None", &[ONE])), Attached::default());
    assert_eq!(Attached::of(&json!({ "identity": null })), Attached::default());
    let zeros = "00000000-0000-0000-0000-000000000000";
    let told = json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": { ONE: { "principalId": zeros }, OTHER: { "principalId": "p" } } } });
    let found = Attached::of(&told);
    let principal = |id: &str| found.user(&id.parse().unwrap()).unwrap().principal_id.clone();
    assert_eq!((principal(ONE), principal(OTHER)), (None, Some("p".to_owned())));
}

#[test]
fn attaching_names_one_identity_and_keeps_the_kinds_that_are_there() {
    let key = ONE.to_lowercase();
    let body = |kind: &str, resource: &Value, assigned: &Assigned| target(kind).attaching(resource, assigned).unwrap();
    let vm = "Microsoft.Compute/virtualMachines";
    assert_eq!(
        body(vm, &json!({}), &one()).unwrap(),
        json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": { &key: {} } } })
    );
    assert_eq!(
        body(vm, &resource("SystemAssigned", &[]), &one()).unwrap()["identity"]["type"],
        SPACED
    );
    assert_eq!(
        body(
            "Microsoft.App/jobs",
            &resource("UserAssigned", &[OTHER]),
            &Assigned::System
        )
        .unwrap(),
        json!({ "identity": { "type": PLAIN, "userAssignedIdentities": { OTHER: {} } } })
    );
    assert_eq!(body(vm, &resource("UserAssigned", &[ONE]), &one()), None);
    assert_eq!(body(vm, &resource("SystemAssigned", &[]), &Assigned::System), None);
}

#[test]
fn detaching_names_one_identity_and_leaves_the_others() {
    let body = |kind: &str, resource: &Value, assigned: &Assigned| target(kind).detaching(resource, assigned);
    let (vm, app) = ("Microsoft.Compute/virtualMachines", "Microsoft.App/containerApps");
    assert_eq!(
        body(vm, &resource(SPACED, &[ONE, OTHER]), &one()).unwrap(),
        json!({ "identity": { "type": SPACED, "userAssignedIdentities": { ONE: null } } })
    );
    assert_eq!(
        body(vm, &resource("UserAssigned", &[ONE]), &one()).unwrap(),
        json!({ "identity": { "type": "None" } })
    );
    assert_eq!(
        body(app, &resource(PLAIN, &[ONE]), &one()).unwrap(),
        json!({ "identity": { "type": "SystemAssigned" } })
    );
    assert_eq!(
        body(app, &resource(PLAIN, &[OTHER]), &Assigned::System).unwrap(),
        json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": { OTHER: {} } } })
    );
    assert_eq!(body(vm, &resource("UserAssigned", &[OTHER]), &one()), None);
    assert_eq!(body(vm, &resource("UserAssigned", &[OTHER]), &Assigned::System), None);
}

#[test]
fn a_cluster_is_sent_whole_and_takes_one() {
    let cluster = target("Microsoft.ContainerService/managedClusters");
    let before =
        json!({ "location": "westeurope", "properties": { "dnsPrefix": "d" }, "identity": { "type": "None" } });
    let body = cluster.attaching(&before, &one()).unwrap().unwrap();
    assert_eq!(body["properties"], before["properties"]);
    assert_eq!(body["identity"]["type"], "UserAssigned");
    let Refusal(words) = cluster.attaching(&resource("SystemAssigned", &[]), &one()).unwrap_err();
    assert!(words.contains("has a system-assigned identity already"), "{words}");
    let Refusal(words) = cluster
        .attaching(&resource("UserAssigned", &[OTHER]), &Assigned::System)
        .unwrap_err();
    assert!(words.contains(OTHER), "{words}");
    let body = cluster.detaching(&resource("UserAssigned", &[ONE]), &one()).unwrap();
    assert!(cluster.cannot_be_without(&before));
    let own = json!({ "properties": { "servicePrincipalProfile": { "clientId": "7e1f" } } });
    assert!(!cluster.cannot_be_without(&own) && !target("Microsoft.Web/sites").cannot_be_without(&before));
    assert_eq!(
        (&body["identity"], &body["location"]),
        (&json!({ "type": "None" }), &json!("westeurope"))
    );
}

#[test]
fn a_sql_server_always_has_a_primary_one_of_its_own() {
    let server = target("Microsoft.Sql/servers");
    let key = "primaryUserAssignedIdentityId";
    let with = |users: &[&str], primary: &str| {
        let mut resource = resource("UserAssigned", users);
        resource["properties"] = json!({ key: primary });
        resource
    };
    let primary = |body: Option<Value>| body.unwrap()["properties"].get(key).cloned();
    let attached = |resource: &Value| primary(server.attaching(resource, &one()).unwrap());
    assert_eq!(attached(&json!({})), Some(ONE.to_lowercase().into()));
    assert_eq!(attached(&with(&[OTHER], OTHER)), None);
    let detached = |resource: &Value| primary(server.detaching(resource, &one()));
    assert_eq!(detached(&with(&[ONE, OTHER], ONE)), Some(OTHER.into()));
    assert_eq!(detached(&with(&[ONE, OTHER], OTHER)), None);
    assert_eq!(
        detached(&with(
            &[ONE],
            &ONE.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")
        )),
        Some(Value::Null)
    );
}
