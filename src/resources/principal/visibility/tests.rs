use std::cell::Cell;

use super::*;
use crate::provider::config::Guid;
use crate::retry::StopSignal;

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn principal(principal_type: PrincipalType, confirmed: bool) -> Principal {
    Principal {
        object_id: ID.parse::<Guid>().expect("a GUID"),
        principal_type,
        client_id: None,
        tenant_id: None,
        name: None,
        confirmed,
    }
}

fn listed(kind: PrincipalKind) -> Result<Option<Listed>, Error> {
    Ok(Some(Listed {
        id: ID.to_owned(),
        kind,
        display_name: None,
        app_id: None,
        user_principal_name: None,
        service_principal_type: None,
        alternative_names: Vec::new(),
    }))
}

fn patience() -> Patience {
    Patience::new(Duration::from_secs(1800), Backoff::OPERATION, StopSignal::new())
}

/// Waits for a server that never knows the principal: what was told, after how long.
async fn in_vain(principal: &Principal, visibility: Visibility) -> (Diagnostic, Duration) {
    let begin = Instant::now();
    let ask = || async { Ok(visibility.clone()) };
    let never = || async { Ok::<Attempt<()>, ()>(Attempt::again("could not validate the user")) };
    match principal.wait(&patience(), "the server pg-data", ask, never).await {
        Err(NotKnown::Told(told)) => (told, begin.elapsed()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_case_is_waited_for_as_long_as_it_is_worth_and_named() {
    let error = |kind, message: &str| Err(Error::new(kind, message));
    let user = principal(PrincipalType::User, false);
    let table = [
        (
            listed(PrincipalKind::User),
            300,
            "Microsoft Graph confirms the User with the object ID",
        ),
        (Ok(None), 60, "Microsoft Graph knows no User with the object ID"),
        (
            error(Kind::InvalidRequest, "the object x is #microsoft.graph.application"),
            60,
            "of the enterprise application is needed",
        ),
        (
            error(Kind::Forbidden, "no"),
            120,
            "the signed-in principal may not read Microsoft Graph",
        ),
        (error(Kind::Unreachable, "no route"), 120, "cannot be asked (no route)"),
        (listed(PrincipalKind::Group), 0, "is that of a Group, not of a User"),
    ];
    for (answer, seconds, words) in table {
        let (told, waited) = in_vain(&user, user.judged(answer)).await;
        assert_eq!(waited.as_secs(), seconds, "{words}");
        for words in [
            words,
            ID,
            "User",
            "The server pg-data does not know",
            "could not validate the user",
        ] {
            assert!(told.detail.contains(words), "{words}: {}", told.detail);
        }
        assert!(
            told.detail.contains(&format!("after {seconds} seconds")),
            "{}",
            told.detail
        );
        assert_eq!(told.path.to_string(), "object_id");
    }
    let identity = principal(PrincipalType::ServicePrincipal, true);
    let (told, waited) = in_vain(&identity, identity.confirmed_by_resource_manager()).await;
    assert_eq!((waited.as_secs(), told.path.to_string().as_str()), (300, "identity_id"));
    assert!(
        told.detail.contains("Resource Manager confirms the ServicePrincipal"),
        "{}",
        told.detail
    );
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_server_knows_it() {
    let user = principal(PrincipalType::User, false);
    let begin = Instant::now();
    let ask = || async { Ok(user.judged(Ok(None))) };
    let attempt = || async {
        match begin.elapsed() < Duration::from_secs(40) {
            true => Ok::<_, ()>(Attempt::again("not yet")),
            false => Ok(Attempt::Done(7)),
        }
    };
    assert!(matches!(user.wait(&patience(), "it", ask, attempt).await, Ok(7)));
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn what_graph_did_not_know_at_first_is_asked_for_again() {
    let user = principal(PrincipalType::User, false);
    let (begin, asked) = (Instant::now(), Cell::new(0));
    let ask = || {
        asked.set(asked.get() + 1);
        let late = asked.get() > 1;
        let user = &user;
        async move { Ok(user.judged(if late { listed(PrincipalKind::User) } else { Ok(None) })) }
    };
    let attempt = || async {
        match begin.elapsed() < Duration::from_secs(200) {
            true => Ok::<_, ()>(Attempt::again("not yet")),
            false => Ok(Attempt::Done(())),
        }
    };
    assert!(matches!(user.wait(&patience(), "it", ask, attempt).await, Ok(())));
    assert_eq!(asked.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_failure_a_stop_and_the_time_of_the_call_end_it() {
    let user = principal(PrincipalType::User, false);
    let ask = || async { Ok(user.judged(listed(PrincipalKind::User))) };
    let broken = || async { Err::<Attempt<()>, _>("broken") };
    let failed = user.wait(&patience(), "it", ask, broken).await;
    assert!(matches!(failed, Err(NotKnown::Failed("broken"))));
    let never = || async { Ok::<Attempt<()>, ()>(Attempt::again("not yet")) };
    let stop = StopSignal::new();
    stop.stop();
    let stopped = Patience::new(Duration::from_secs(1800), Backoff::OPERATION, stop);
    let Err(NotKnown::Told(told)) = user.wait(&stopped, "it", ask, never).await else {
        panic!("it is stopped")
    };
    assert_eq!(told.summary, "Stopped");
    let begin = Instant::now();
    let short = Patience::new(Duration::from_secs(10), Backoff::OPERATION, StopSignal::new());
    assert!(user.wait(&short, "it", ask, never).await.is_err());
    assert_eq!(begin.elapsed().as_secs(), 10);
}
