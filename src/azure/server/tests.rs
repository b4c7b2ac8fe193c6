//! Each kind's own form becomes the common one; administrators and switches are written as each kind takes them.

use super::*;
use crate::azure::administrator::{EntraAdministrator, Sitting};
use crate::azure::authentication::Authentication;
use crate::azure::scripted::{Scripted, patience};

fn id(resource_type: &str) -> ResourceId {
    let text = format!("/subscriptions/s/resourceGroups/g/providers/{resource_type}/one");
    text.parse().unwrap()
}

async fn read(kind: ServerKind, body: &str) -> (Server, Vec<String>) {
    let azure = Scripted::new(&[&format!("200\n\n{body}")]).await;
    let found = azure.azure().server(&id(kind.resource_type()), &patience()).await;
    (found.unwrap().unwrap(), azure.asked())
}

#[tokio::test]
async fn a_mysql_replica_names_its_source_and_its_identities() {
    let (server, _) = read(
        ServerKind::Mysql,
        r#"{"location":"East US","identity":{"type":"UserAssigned","principalId":"0","userAssignedIdentities":{"/subscriptions/s/resourcegroups/g/x":{}}},
            "properties":{"fullyQualifiedDomainName":"one.mysql.database.azure.com","state":"Ready","version":"8.0.21","fullVersion":"8.0.21-x",
            "replicationRole":"Replica","sourceServerResourceId":"/subscriptions/s/primary","network":{"publicNetworkAccess":"Disabled"},
            "privateEndpointConnections":[{"properties":{"privateLinkServiceConnectionState":{"status":"approved"}}},{"properties":{}}]}}"#,
    )
    .await;
    assert!(server.is_replica());
    assert_eq!(server.primary.as_deref(), Some("/subscriptions/s/primary"));
    assert_eq!(server.identities, ["/subscriptions/s/resourcegroups/g/x"]);
    let reach = (server.reach.public.as_deref(), server.reach.approved_endpoints);
    assert_eq!(reach, (Some("Disabled"), 1));
}

#[tokio::test]
async fn a_sql_server_says_what_its_administrator_is() {
    let (server, asked) = read(
        ServerKind::Mssql,
        r#"{"location":"japaneast","properties":{"fullyQualifiedDomainName":"one.database.windows.net","state":"Ready","version":"12.0",
            "publicNetworkAccess":"Enabled","administrators":{"principalType":"Application","login":"app","sid":"s"}}}"#,
    )
    .await;
    assert_eq!(
        server.administrator.unwrap().principal_type.as_deref(),
        Some("Application")
    );
    assert!(
        asked[0].contains("expand=administrators%2Factivedirectory"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_managed_instance_has_a_public_host_while_its_public_endpoint_is_open() {
    let body = |open: bool| {
        format!(
            r#"{{"location":"japaneast","properties":{{"fullyQualifiedDomainName":"one.a1b2.database.windows.net","dnsZone":"a1b2",
                "subnetId":"/subnets/a","publicDataEndpointEnabled":{open}}}}}"#
        )
    };
    let (server, _) = read(ServerKind::ManagedInstance, &body(true)).await;
    let host = "one.public.a1b2.database.windows.net";
    assert_eq!(server.public_host.as_deref(), Some(host));
    let (server, _) = read(ServerKind::ManagedInstance, &body(false)).await;
    assert_eq!(
        (server.public_host, server.reach.subnet.as_deref()),
        (None, Some("/subnets/a"))
    );
}

#[tokio::test]
async fn the_only_administrator_is_put_in_its_seat() {
    let vacant = "404\n\n{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"none\"}}";
    let seated = r#"{"properties":{"administratorType":"ActiveDirectory","login":"app","sid":"s","tenantId":"t"}}"#;
    let seated = format!("200\n\n{seated}");
    let answers = [vacant, "200\n\n{}", &seated, vacant, "200\n\n{}", &seated];
    let scripted = Scripted::new(&answers).await;
    let azure = scripted.azure();
    let wanted = EntraAdministrator {
        sid: "s".to_owned(),
        name: "app".to_owned(),
        principal_type: Some("ServicePrincipal".to_owned()),
        tenant_id: Some("t".to_owned()),
        server_identity_id: None,
    };
    let with_identity = EntraAdministrator {
        server_identity_id: Some("/i".to_owned()),
        ..wanted.clone()
    };
    for (kind, wanted) in [(ServerKind::Mssql, &wanted), (ServerKind::Mysql, &with_identity)] {
        let server = id(kind.resource_type());
        azure
            .seat_administrator(&server, kind, wanted, |_| Sitting::Same, &patience())
            .await
            .unwrap();
    }
    let asked = scripted.asked();
    let body = r#"{"properties":{"administratorType":"ActiveDirectory","login":"app","sid":"s","tenantId":"t"}}"#;
    assert!(asked[1].starts_with("PUT ") && asked[1].contains("/servers/one/administrators/ActiveDirectory?"));
    assert!(asked[1].ends_with(body), "{}", asked[1]);
    assert!(asked[4].contains(r#""identityResourceId":"/i""#), "{}", asked[4]);
}

#[tokio::test]
async fn entra_only_is_switched_as_each_kind_takes_it() {
    let parameter = r#"{"properties":{"value":"ON","isConfigPendingRestart":"True"}}"#;
    let answers = [
        "200\n\n{}",
        &format!("200\n\n{parameter}"),
        "200\n\n{}",
        "200\n\n{}",
        "200\n\n{}",
        "200\n\n{}",
    ];
    let scripted = Scripted::new(&answers).await;
    let wanted = Authentication {
        entra: true,
        password: false,
        tenant_id: Some("t".to_owned()),
    };
    let kinds = [
        (
            ServerKind::Mysql,
            true,
            "PATCH",
            r#"{"properties":{"source":"user-override","value":"ON"}}"#,
        ),
        (
            ServerKind::ManagedInstance,
            false,
            "PUT",
            r#"{"properties":{"azureADOnlyAuthentication":true}}"#,
        ),
        (
            ServerKind::Postgresql,
            false,
            "PATCH",
            r#"{"properties":{"authConfig":{"activeDirectoryAuth":"Enabled","passwordAuth":"Disabled","tenantId":"t"}}}"#,
        ),
    ];
    for (number, (kind, restart, verb, body)) in kinds.into_iter().enumerate() {
        let server = id(kind.resource_type());
        let azure = scripted.azure();
        let done = azure.set_authentication(&server, kind, &wanted, &patience()).await;
        assert_eq!(done.unwrap(), restart, "{kind:?}");
        let asked = &scripted.asked()[2 * number];
        assert!(
            asked.starts_with(&format!("{verb} ")) && asked.ends_with(body),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn what_is_no_server_is_not_asked_for() {
    let scripted = Scripted::new(&[]).await;
    let found = scripted.azure().server(&id("Microsoft.Web/sites"), &patience()).await;
    assert_eq!(found.unwrap_err().kind(), Kind::InvalidRequest);
    assert!(scripted.asked().is_empty());
}
