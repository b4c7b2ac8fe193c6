use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::azure::scripted::{Scripted, patience};
use serde_json::{Value, json};

const ID: &str = "/subscriptions/S/resourceGroups/my group/providers/P.X/servers/pg";
const PATH: &str = "/subscriptions/S/resourceGroups/my%20group/providers/P.X/servers/pg?api-version=1";

fn id() -> ResourceId {
    ID.parse().unwrap()
}

async fn put(server: &Scripted) -> Result<Value, Error> {
    server.azure().put(&id(), "1", &json!({"a": 1}), &patience()).await
}

async fn find(server: &Scripted) -> Result<Option<Value>, Error> {
    server.azure().find(&id(), "1", &patience()).await
}

#[tokio::test]
async fn a_write_is_followed_to_its_end_and_read_back() {
    let query = "t=1&c=".to_owned() + &"x".repeat(4_300);
    let accepted = format!(
        "202\nAzure-AsyncOperation: {{origin}}/op?{query}\nLocation: {{origin}}/result\nretry-after-ms: 1\n\n{{}}"
    );
    let server = Scripted::new(&[
        &accepted,
        "200\n\n{\"status\":\"InProgress\"}",
        "503\nretry-after-ms: 1\n\n<html><title>Down</title>",
        "200\n\n{\"status\":\"Succeeded\"}",
        "404\n\n{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"not yet\"}}",
        "200\n\n{\"name\":\"pg\"}",
    ])
    .await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    let (poll, get) = (format!("GET /op?{query}"), format!("GET {PATH}"));
    assert_eq!(
        server.asked(),
        [
            format!("PUT {PATH} {{\"a\":1}}"),
            poll.clone(),
            poll.clone(),
            poll,
            get.clone(),
            get
        ]
    );
    assert_eq!(server.sign_ins(), 1);
}

#[tokio::test]
async fn throttling_another_operation_and_a_lost_connection_are_waited_out() {
    let absent = "404\n\n{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no\"}}";
    let server = Scripted::new(&[
        "409\n\n{\"error\":{\"code\":\"ServerBusy\",\"message\":\"later\"}}",
        "429\nRetry-After: 0\n\n{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"slowly\"}}",
        absent,
        "drop",
        absent,
        "200\n\n{\"properties\":{\"provisioningState\":\"Succeeded\"}}",
        "200\n\n{\"name\":\"pg\"}",
    ])
    .await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    assert_eq!(server.asked().len(), 7);
}

#[tokio::test]
async fn failures_and_lost_connections_are_counted_apart_and_have_an_end() {
    let down = "503\nretry-after-ms: 1\n\n<html><title>Down</title>";
    for (failure, kind) in [("drop", Kind::Lost), (down, Kind::Transient)] {
        let other = if failure == "drop" { down } else { "drop" };
        let mut answers = vec![failure; 8];
        answers.extend([other; 8]);
        answers.push("200\n\n{}");
        answers.extend([failure; 9]);
        let server = Scripted::new(&answers).await;
        assert_eq!(find(&server).await.unwrap(), Some(json!({})));
        assert_eq!(find(&server).await.unwrap_err().kind(), kind);
        assert_eq!(server.asked().len(), answers.len());
    }
}

#[tokio::test]
async fn a_conflict_with_what_exists_is_not_waited_out() {
    let server = Scripted::new(&[
        "409\nx-ms-correlation-request-id: c-1\n\n{\"error\":{\"code\":\"Conflict\",\"message\":\"The name is taken.\"}}",
    ])
    .await;
    let error = put(&server).await.unwrap_err();
    assert_eq!((error.kind(), error.correlation_id()), (Kind::Conflict, Some("c-1")));
    assert_eq!(
        error.to_string(),
        "PUT 127.0.0.1/subscriptions/S/resourceGroups/my%20group/providers/P.X/servers/pg: \
         409 Conflict: The name is taken. (correlation ID c-1)"
    );
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_once() {
    let refused = "401\n\n{\"error\":{\"code\":\"ExpiredAuthenticationToken\",\"message\":\"old\"}}";
    let server = Scripted::new(&[refused, "200\n\n{}"]).await;
    assert_eq!(find(&server).await.unwrap(), Some(json!({})));
    assert_eq!(server.sign_ins(), 2);
    let server = Scripted::new(&[refused, refused]).await;
    assert_eq!(find(&server).await.unwrap_err().kind(), Kind::Unauthorized);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn gone_is_told_apart_from_lost() {
    let server = Scripted::new(&[
        "404\n\n{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"no group\"}}",
        "404\n\n{\"error\":{\"code\":\"SubscriptionNotFound\",\"message\":\"no subscription\"}}",
        "404\n\n<html><title>Our proxy</title></html>",
    ])
    .await;
    assert_eq!(find(&server).await.unwrap(), None);
    assert_eq!(find(&server).await.unwrap_err().kind(), Kind::SubscriptionUnknown);
    let error = find(&server).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Unexpected, "Our proxy"));
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    let delete = async |answers: &[&str]| {
        let server = Scripted::new(answers).await;
        server
            .azure()
            .delete(&id(), "1", &patience())
            .await
            .map(|()| server.asked().len())
    };
    assert_eq!(delete(&["204"]).await.unwrap(), 1);
    let gone = "404\n\n{\"error\":{\"code\":\"ParentResourceNotFound\",\"message\":\"no server\"}}";
    assert_eq!(delete(&[gone]).await.unwrap(), 1);
    let accepted = "202\nLocation: {origin}/result\nretry-after-ms: 1";
    // Azure has forgotten the operation: the resource tells that it is gone.
    let unknown = "404\n\n{\"error\":{\"code\":\"NotFound\"}}";
    let exists = "200\nretry-after-ms: 1\n\n{}";
    assert_eq!(
        delete(&[accepted, accepted, unknown, exists, unknown]).await.unwrap(),
        5
    );
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_never_from_a_foreign_host() {
    let server = Scripted::new(&[
        "200\n\n{\"value\":[1,2],\"nextLink\":\"{origin}/more?page=2\"}",
        "200\n\n{\"value\":[3],\"nextLink\":\"\"}",
    ])
    .await;
    let list: Vec<u8> = server
        .azure()
        .list(&id(), "administrators", "1", &patience())
        .await
        .unwrap();
    assert_eq!(list, [1, 2, 3]);
    assert_eq!(server.asked()[1], "GET /more?page=2");
    let foreign = "200\n\n{\"value\":[1],\"nextLink\":\"https://evil.test/more\"}";
    let server = Scripted::new(&[foreign]).await;
    let list = server
        .azure()
        .list::<u8>(&id(), "administrators", "1", &patience())
        .await;
    assert_eq!(list.unwrap_err().kind(), Kind::ForeignHost);
}

#[tokio::test]
async fn stop_ends_the_wait_for_an_operation() {
    let server = Scripted::new(&["202\nLocation: {origin}/result\nRetry-After: 30"]).await;
    let patience = patience();
    patience.stop.stop();
    let put = server.azure().put::<_, Value>(&id(), "1", &json!({}), &patience).await;
    let error = put.unwrap_err();
    assert_eq!(error.kind(), Kind::Stopped);
    assert_eq!(
        error.message(),
        format!("stopped while waiting for the operation on {ID}: it was accepted")
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_operation_that_another_one_ended_is_begun_again() {
    let accepted = "202\nAzure-AsyncOperation: {origin}/op\nretry-after-ms: 1";
    let server = Scripted::new(&[
        accepted,
        "200\n\n{\"status\":\"Failed\",\"error\":{\"code\":\"ServerIsBusy\",\"message\":\"later\"}}",
        accepted,
        "200\n\n{\"status\":\"Succeeded\"}",
        "200\n\n{\"name\":\"pg\"}",
    ])
    .await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn a_failed_operation_is_an_error_with_its_code() {
    let failed = r#"200
x-ms-correlation-request-id: c-1

{"status":"Failed","error":{"code":"PrincipalNotFound","message":"Who?"}}"#;
    let server = Scripted::new(&["202\nLocation: {origin}/op\nretry-after-ms: 1", failed]).await;
    let error = put(&server).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::PrincipalNotFound, Some("PrincipalNotFound"))
    );
    assert!(error.heals_after_creation());
    assert_eq!(error.correlation_id(), Some("c-1"));
}

#[tokio::test]
async fn a_write_that_was_done_before_its_answer_was_lost_is_not_sent_again() {
    let made = "200\n\n{\"name\":\"pg\",\"A\":1,\"properties\":{\"provisioningState\":\"Succeeded\"}}";
    for lost in [
        "drop",
        "500\n\n{\"error\":{\"code\":\"InternalServerError\",\"message\":\"ours\"}}",
        "429\nRetry-After: 0\n\n{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"slowly\"}}",
    ] {
        let server = Scripted::new(&[lost, made, made]).await;
        assert_eq!(put(&server).await.unwrap()["name"], "pg");
        let (put, get) = (format!("PUT {PATH} {{\"a\":1}}"), format!("GET {PATH}"));
        assert_eq!(server.asked(), [put, get.clone(), get], "{lost}");
    }
}

#[tokio::test]
async fn a_write_in_doubt_that_another_operation_holds_up_is_looked_at_each_time() {
    let busy = "409\n\n{\"error\":{\"code\":\"ServerBusy\",\"message\":\"later\"}}";
    let server = Scripted::new(&[
        "drop",
        "200\n\n{\"a\":0}",
        busy,
        "200\n\n{\"a\":1}",
        "200\n\n{\"name\":\"pg\"}",
    ])
    .await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    let writes = server.asked().iter().filter(|asked| asked.starts_with("PUT")).count();
    assert_eq!((server.asked().len(), writes), (5, 2));
}

#[tokio::test]
async fn a_write_that_was_not_done_is_sent_again() {
    let absent = "404\n\n{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no\"}}";
    for found in [absent, "200\n\n{\"a\":2}"] {
        let server = Scripted::new(&["drop", found, "201\n\n{}", "200\n\n{\"name\":\"pg\"}"]).await;
        assert_eq!(put(&server).await.unwrap()["name"], "pg");
        let (put, get) = (format!("PUT {PATH} {{\"a\":1}}"), format!("GET {PATH}"));
        assert_eq!(server.asked(), [put.clone(), get.clone(), put, get], "{found}");
    }
}

#[tokio::test]
async fn an_operation_is_followed_through_every_failure() {
    let down = "503\nretry-after-ms: 1\n\n<html><title>Down</title>";
    let mut answers = vec!["202\nAzure-AsyncOperation: {origin}/op\nretry-after-ms: 1"];
    answers.extend([down; 20]);
    answers.extend(["drop"; 10]);
    answers.extend(["200\n\n{\"status\":\"Succeeded\"}", "200\n\n{\"name\":\"pg\"}"]);
    let server = Scripted::new(&answers).await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    assert_eq!(server.asked().len(), answers.len());
}

#[tokio::test]
async fn an_operation_that_azure_knows_no_more_is_told_by_the_resource() {
    let server = Scripted::new(&[
        "202\nAzure-AsyncOperation: {origin}/op\nretry-after-ms: 1",
        "404\n\n{\"error\":{\"code\":\"OperationNotFound\",\"message\":\"which?\"}}",
        "200\n\n{\"properties\":{\"provisioningState\":\"Updating\"}}",
        "200\n\n{\"properties\":{\"provisioningState\":\"Succeeded\"}}",
        "200\n\n{\"name\":\"pg\"}",
    ])
    .await;
    assert_eq!(put(&server).await.unwrap()["name"], "pg");
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn a_write_that_may_have_been_done_says_so() {
    let accepted = "202\nAzure-AsyncOperation: {origin}/op\nretry-after-ms: 1\n\n{}";
    let forbidden = "403\n\n{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}";
    let failed = "200\n\n{\"status\":\"Failed\",\"error\":{\"code\":\"X\",\"message\":\"no\"}}";
    let table: [(&[&str], bool); 5] = [
        (&[forbidden], false),
        (&[accepted, failed], false),
        // Whoever may write may not look at the operation.
        (&[accepted, forbidden], true),
        (&["drop", forbidden], true),
        (&["200\n\n{}", forbidden], true),
    ];
    for (answers, in_doubt) in table {
        let server = Scripted::new(answers).await;
        let error = put(&server).await.unwrap_err();
        assert_eq!(error.is_in_doubt(), in_doubt, "{answers:?}: {error}");
    }
}
