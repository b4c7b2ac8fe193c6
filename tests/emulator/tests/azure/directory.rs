//! People and groups in Microsoft Graph: awkward names, permissions for each sort, pages, several objects at once.

use entradb_emulator::{Access, Emulator, Failure, Method, Options, PrincipalKind};
use serde_json::{Value, json};

use crate::client::{Answer, http, taken_apart};

struct Caller<'a> {
    emulator: &'a Emulator,
    token: String,
}

impl Caller<'_> {
    async fn at(&self, method: Method, address: &str, body: Option<Value>) -> Answer {
        let mut request = http(self.emulator).request(method, address).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        taken_apart(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        let address = format!("{}/v1.0/{path}", self.emulator.graph_endpoint());
        self.at(Method::GET, &address, None).await
    }

    async fn by_ids(&self, body: Value) -> Answer {
        let address = format!("{}/v1.0/directoryObjects/getByIds", self.emulator.graph_endpoint());
        self.at(Method::POST, &address, Some(body)).await
    }
}

fn caller<'a>(emulator: &'a Emulator, object_id: &str) -> Caller<'a> {
    Caller {
        emulator,
        token: emulator.access_token(object_id, "https://graph.microsoft.com"),
    }
}

#[tokio::test]
async fn awkward_names_are_found_and_each_sort_needs_its_permission() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let app = emulator.add_application("resolver", Access::None).await.unwrap();
    let me = caller(&emulator, &app.object_id);
    let guest_name = "anna_partner.example#EXT#@contoso.onmicrosoft.com";
    let guest = emulator.add_user(guest_name, "Anna (Partner)").await.unwrap();
    let dollar = emulator.add_user("$ales@example.com", "Sales").await.unwrap();
    let one = emulator.add_group("data engineers", &[&guest]).await.unwrap();
    let two = emulator.add_group("Data Engineers", &[]).await.unwrap();

    let path = "users/anna_partner.example%23EXT%23@contoso.onmicrosoft.com";
    assert_eq!(me.get(path).await.code(), "Authorization_RequestDenied");
    emulator.set_directory_permission(&app.object_id, PrincipalKind::User, true);
    let found = me.get(&format!("{path}?$select=id,userType,mail")).await;
    assert_eq!(
        (&found.body["id"], &found.body["userType"]),
        (&json!(guest), &json!("Guest"))
    );
    assert_eq!(found.body["mail"], "anna@partner.example");
    assert!(found.body["displayName"].is_null() && found.body["@odata.type"].is_null());
    assert_eq!(
        me.get("users/anna_partner.example#EXT#@contoso.onmicrosoft.com")
            .await
            .status,
        404,
        "a bare # ends the path"
    );
    assert_eq!(me.get("users/$ales@example.com").await.status, 400);
    assert_eq!(me.get("users('$ales@example.com')").await.body["id"], json!(dollar));
    let filtered = me
        .get("users?$filter=userPrincipalName%20eq%20'$ales@example.com'")
        .await;
    assert_eq!(filtered.body["value"][0]["id"], json!(dollar));
    let unknown = me.get(&format!("{path}?$select=colour")).await;
    assert!(unknown.status == 400 && unknown.message().contains("'colour'"));

    let groups = "groups?$filter=displayName%20eq%20'data%20engineers'";
    assert_eq!(me.get(groups).await.status, 403, "users only");
    emulator.set_directory_permission(&app.object_id, PrincipalKind::Group, true);
    let mut found: Vec<Value> = me.get(groups).await.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    found.sort_by_key(Value::to_string);
    let mut expected = vec![json!(one), json!(two)];
    expected.sort_by_key(Value::to_string);
    assert_eq!(found, expected);

    let runner = emulator.runner();
    let name = format!("servicePrincipals(appId='{}')", runner.client_id);
    assert_eq!(me.get(&name).await.status, 403);
    assert_eq!(
        me.get(&format!("servicePrincipals(appId='{}')", app.client_id))
            .await
            .status,
        200,
        "itself"
    );
    assert_eq!(
        me.get(&format!("directoryObjects/{}", runner.object_id)).await.status,
        403
    );
    emulator.set_directory_permission(&app.object_id, PrincipalKind::Application, true);
    assert_eq!(me.get(&name).await.body["id"], json!(runner.object_id));
    let starts = me
        .get("servicePrincipals?$filter=startswith(displayName,'terra')")
        .await;
    assert!(starts.body["value"].as_array().unwrap().len() >= 2);

    emulator.faults().hide_principal(&guest, 1).await.unwrap();
    assert_eq!(
        me.get(&format!("users/{guest}")).await.code(),
        "Request_ResourceNotFound"
    );
    assert_eq!(
        me.get(&format!("users/{guest}")).await.status,
        200,
        "the copy has caught up"
    );
    let failure = Failure::Status {
        status: 429,
        retry_after: Some(2),
    };
    emulator.faults().fail_next(Method::GET, "/v1.0/users", 1, failure);
    let throttled = me.get(&format!("users/{guest}")).await;
    assert_eq!(
        (throttled.status, throttled.code(), throttled.header("retry-after")),
        (429, "TooManyRequests", "2")
    );
    assert_eq!(emulator.shape_violations(), Vec::<String>::new());
}

#[tokio::test]
async fn lists_come_in_pages_and_ids_all_at_once() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let app = emulator.add_application("lister", Access::None).await.unwrap();
    let me = caller(&emulator, &app.object_id);
    emulator.set_directory_reader(&app.object_id, true);
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(emulator.add_group("namesake", &[]).await.unwrap());
        emulator
            .add_user(&format!("user{number}@example.com"), "User")
            .await
            .unwrap();
    }
    made.sort();
    emulator.set_graph_page(2);
    let mut seen = Vec::new();
    let mut next = format!(
        "{}/v1.0/groups?$filter=displayName%20eq%20'namesake'&$select=id",
        emulator.graph_endpoint()
    );
    let mut pages = 0;
    while !next.is_empty() {
        let page = me.at(Method::GET, &next, None).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(
            page.body["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        page.body["@odata.nextLink"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut next);
        pages += 1;
    }
    assert_eq!((seen, pages), (made.clone(), 3));
    assert_eq!(me.get("groups?$top=0").await.status, 400);

    let absent = "12416e4c-58d6-4b8e-b9c5-46574fd4a225";
    let found = me
        .by_ids(json!({"ids": [made[0], absent, app.object_id], "types": ["group", "servicePrincipal"]}))
        .await;
    let types: Vec<&Value> = found.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["@odata.type"])
        .collect();
    assert_eq!(types, ["#microsoft.graph.group", "#microsoft.graph.servicePrincipal"]);
    assert_eq!(me.by_ids(json!({"ids": ["x"]})).await.status, 400);
    assert_eq!(me.by_ids(json!({"ids": [], "colour": 1})).await.status, 400);
    emulator.set_directory_permission(&app.object_id, PrincipalKind::Group, false);
    assert_eq!(me.by_ids(json!({"ids": [made[0]]})).await.status, 403);
    assert_eq!(emulator.shape_violations(), Vec::<String>::new());
}
