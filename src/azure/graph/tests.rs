use crate::azure::error::Kind;
use crate::azure::graph::PrincipalKind;
use crate::azure::scripted::{Scripted, patience};

const SERVICE_PRINCIPAL: &str = r#"200

{"id":"o","appId":"a","displayName":"app","servicePrincipalType":"ManagedIdentity","alternativeNames":["isExplicit=True"]}"#;

/// What was asked, without the fields that were selected.
fn path(asked: &str) -> String {
    let path = asked.split("%24select").next().unwrap();
    path.trim_end_matches(['?', '&']).to_owned()
}

#[tokio::test]
async fn principals_are_found_by_every_name() {
    let server = Scripted::new(&[
        SERVICE_PRINCIPAL,
        SERVICE_PRINCIPAL,
        "200\n\n{\"id\":\"u\",\"userPrincipalName\":\"x\"}",
        "200\n\n{\"id\":\"u\",\"userPrincipalName\":\"x\"}",
        "200\n\n{\"value\":[{\"id\":\"g\",\"displayName\":\"O'Brien & co\"}]}",
        "200\n\n{\"@odata.type\":\"#microsoft.graph.group\",\"id\":\"g\"}",
    ])
    .await;
    let (azure, patience) = (server.azure(), patience());
    let found = azure
        .service_principal_by_app_id("a", &patience)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.id.as_str(), found.kind), ("o", PrincipalKind::ServicePrincipal));
    assert_eq!(found.service_principal_type.as_deref(), Some("ManagedIdentity"));
    azure.service_principal("o", &patience).await.unwrap().unwrap();
    azure.user("x_y.test#EXT#@z.test", &patience).await.unwrap().unwrap();
    azure.user("$x@z.test", &patience).await.unwrap().unwrap();
    assert_eq!(azure.groups_by_name("O'Brien & co", &patience).await.unwrap().len(), 1);
    let object = azure.directory_object("g", &patience).await.unwrap().unwrap();
    assert_eq!(object.kind, PrincipalKind::Group);
    let paths: Vec<String> = server.asked().iter().map(|asked| path(asked)).collect();
    assert_eq!(
        paths,
        [
            "GET /v1.0/servicePrincipals(appId='a')",
            "GET /v1.0/servicePrincipals/o",
            "GET /v1.0/users/x_y.test%23EXT%23@z.test",
            "GET /v1.0/users('$x@z.test')",
            "GET /v1.0/groups?%24filter=displayName+eq+%27O%27%27Brien+%26+co%27",
            "GET /v1.0/directoryObjects/g",
        ]
    );
}

#[tokio::test]
async fn absent_and_forbidden_are_told_apart() {
    let server = Scripted::new(&[
        "404\n\n{\"error\":{\"code\":\"Request_ResourceNotFound\",\"message\":\"no\"}}",
        "403\nrequest-id: r-1\n\n{\"error\":{\"code\":\"Authorization_RequestDenied\",\"message\":\"Insufficient privileges to complete the operation.\"}}",
    ])
    .await;
    let (azure, patience) = (server.azure(), patience());
    assert_eq!(azure.user("x", &patience).await.unwrap(), None);
    let error = azure.group("g", &patience).await.unwrap_err();
    assert_eq!((error.kind(), error.correlation_id()), (Kind::Forbidden, Some("r-1")));
    assert_eq!(
        azure.user("..", &patience).await.unwrap_err().kind(),
        Kind::InvalidRequest
    );
}
