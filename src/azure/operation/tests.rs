use crate::azure::operation::*;
use reqwest::header::{HeaderName, HeaderValue};

const ARM: &str = "https://management.azure.com/";

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Answer {
        status,
        headers: headers.collect(),
        body: body.into(),
        request: "PUT x".to_owned(),
    }
}

fn begin(verb: Verb, answer: &Answer) -> Result<Option<Operation>, Error> {
    let endpoint = Url::parse(ARM).unwrap();
    Operation::begun_by(verb, &endpoint.join("/resource").unwrap(), &endpoint, answer)
}

fn in_progress(word: &str) -> Step {
    Step::InProgress(word.to_owned())
}

#[test]
fn the_status_url_is_preferred_and_followed_to_its_end() {
    let long = format!("{ARM}operation?{}", "x".repeat(4_300));
    let headers = [
        ("azure-asyncoperation", long.as_str()),
        ("location", "https://management.azure.com/result"),
    ];
    let accepted = answer(
        202,
        &headers,
        r#"{"operation":"UpsertAadAuthPrincipalManagementOperation"}"#,
    );
    let mut operation = begin(Verb::Write, &accepted).unwrap().unwrap();
    assert_eq!(operation.url().as_str(), long);
    let mut poll = |status, body| operation.polled(Ok(answer(status, &[], body)));
    assert_eq!(
        poll(200, r#"{"status":"InProgress"}"#).unwrap(),
        in_progress("InProgress")
    );
    assert_eq!(poll(202, r#"{"status":"Accepted"}"#).unwrap(), in_progress("Accepted"));
    assert_eq!(poll(202, "").unwrap(), in_progress("Accepted"));
    assert_eq!(poll(200, r#"{"status":"succeeded"}"#).unwrap(), Step::Over);
    assert_eq!(poll(204, "").unwrap(), Step::Over);
}

#[test]
fn a_failed_operation_keeps_code_and_text() {
    let accepted = answer(202, &[("azure-asyncoperation", "/operation")], "");
    let mut operation = begin(Verb::Write, &accepted).unwrap().unwrap();
    let mut fail = |body| operation.polled(Ok(answer(200, &[], body))).unwrap_err();
    let error = fail(r#"{"status":"Failed","error":{"code":"ServicePrincipalLookupInAadFailed","message":"No."}}"#);
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::OperationFailed, Some("ServicePrincipalLookupInAadFailed"))
    );
    assert_eq!(error.message(), "the operation ended as Failed: No.");
    assert_eq!(
        fail(r#"{"status":"Canceled"}"#).message(),
        "the operation ended as Canceled: the answer gives no reason"
    );
    assert_eq!(
        fail(r#"{"status":"Failed","error":{"code":"PrincipalNotFound"}}"#).kind(),
        Kind::PrincipalNotFound
    );
    assert_eq!(
        fail(r#"{"status":"Failed","error":{"code":"ServerIsBusy"}}"#).kind(),
        Kind::Busy
    );
}

#[test]
fn a_location_is_followed_while_it_answers_202_and_may_move() {
    let accepted = answer(202, &[("location", "/first")], "");
    let mut operation = begin(Verb::Write, &accepted).unwrap().unwrap();
    let moved = answer(
        202,
        &[("location", "https://westeurope.management.azure.com/second")],
        "",
    );
    assert_eq!(operation.polled(Ok(moved)).unwrap(), in_progress("Accepted"));
    assert_eq!(
        operation.url().as_str(),
        "https://westeurope.management.azure.com/second"
    );
    let mut poll = |status, body| operation.polled(Ok(answer(status, &[], body)));
    assert_eq!(
        poll(200, r#"{"status":"InProgress","name":"x"}"#).unwrap(),
        in_progress("InProgress")
    );
    assert_eq!(poll(200, "").unwrap(), Step::Over);
    assert_eq!(
        poll(200, r#"{"type":"a/b","status":"x","properties":{}}"#).unwrap(),
        Step::Over
    );
    assert_eq!(poll(201, "{}").unwrap(), Step::Over);
    assert_eq!(poll(204, "").unwrap(), Step::Over);
}

#[test]
fn a_deletion_is_over_when_what_is_asked_is_gone() {
    let gone = || {
        let error = Error::new(Kind::NotFound, "gone").with_status(404);
        Err(error.with_code(Some("OperationIdNotFound".to_owned())))
    };
    // An operation that Azure does not know says nothing about the resource.
    for header in ["location", "azure-asyncoperation"] {
        let accepted = answer(202, &[(header, "/result")], "");
        let mut operation = begin(Verb::Delete, &accepted).unwrap().unwrap();
        assert_eq!(operation.polled(gone()).unwrap(), in_progress("not known to Azure"));
        assert_eq!(operation.url().path(), "/resource");
        assert_eq!(operation.polled(gone()).unwrap(), Step::Over);
    }
    let mut by_resource = begin(Verb::Delete, &answer(202, &[], "")).unwrap().unwrap();
    assert_eq!(by_resource.url().path(), "/resource");
    let exists = by_resource.polled(Ok(answer(200, &[], "{}"))).unwrap();
    assert_eq!(exists, in_progress("the resource still exists"));
    assert_eq!(by_resource.polled(gone()).unwrap(), Step::Over);
    let lost = Err(Error::new(Kind::SubscriptionUnknown, "who?"));
    assert_eq!(by_resource.polled(lost).unwrap_err().kind(), Kind::SubscriptionUnknown);
    for status in [200, 204] {
        assert!(begin(Verb::Delete, &answer(status, &[], "")).unwrap().is_none());
    }
}

#[test]
fn without_headers_the_provisioning_state_decides() {
    let with_state = |state: &str| format!(r#"{{"properties":{{"provisioningState":"{state}"}}}}"#);
    let begun = |state: &str| begin(Verb::Write, &answer(201, &[], &with_state(state)));
    assert!(begun("Succeeded").unwrap().is_none());
    assert_eq!(begun("Failed").unwrap_err().kind(), Kind::OperationFailed);
    let mut operation = begun("Updating").unwrap().unwrap();
    assert_eq!(operation.url().path(), "/resource");
    let mut poll = |body: &str| operation.polled(Ok(answer(200, &[], body)));
    assert_eq!(poll(&with_state("Updating")).unwrap(), in_progress("Updating"));
    assert_eq!(poll(&with_state("Succeeded")).unwrap(), Step::Over);
    assert_eq!(poll("{}").unwrap(), Step::Over);
}

#[test]
fn the_location_of_what_was_made_at_once_is_not_an_operation() {
    let made = answer(
        201,
        &[("location", "/subscriptions/S/x")],
        r#"{"properties":{"clientId":"c"}}"#,
    );
    assert!(begin(Verb::Write, &made).unwrap().is_none());
    let later = answer(200, &[("azure-asyncoperation", "/operation")], "{}");
    assert!(begin(Verb::Write, &later).unwrap().is_some());
}

#[test]
fn our_token_does_not_follow_a_link_to_a_foreign_host() {
    let foreign = answer(202, &[("location", "https://evil.test/x?sig=s")], "");
    let error = begin(Verb::Write, &foreign).unwrap_err();
    assert_eq!(error.kind(), Kind::ForeignHost);
    assert!(!error.to_string().contains("sig=s"));
    let plain = answer(202, &[("azure-asyncoperation", "http://management.azure.com/x")], "");
    assert_eq!(begin(Verb::Write, &plain).unwrap_err().kind(), Kind::ForeignHost);
}
