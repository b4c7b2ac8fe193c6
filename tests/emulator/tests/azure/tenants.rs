//! A second tenant: who gets a token there, and when Azure Resource Manager wants one beside the first.

use entradb_emulator::{AppCredential, Emulator, Method, Options, Tenant};
use serde_json::{Value, json};

use crate::client::{Answer, Arm, MANAGEMENT, http, taken_apart};
use crate::targets::polled;
use crate::tokens::claims;

const HEADER: &str = "x-ms-authorization-auxiliary";
const VERSION: &str = "api-version=2024-07-01";

async fn emulator() -> Emulator {
    Emulator::start(Options::default()).await.unwrap()
}

async fn sign_in(emulator: &Emulator, tenant: &str, app: &AppCredential, resource: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", &app.client_secret),
        ("scope", &format!("{resource}/.default")),
    ];
    let address = format!("{}/{tenant}/oauth2/v2.0/token", emulator.authority_host());
    taken_apart(http(emulator).post(address).form(&form).send().await.unwrap()).await
}

/// A change of identities, with this in the auxiliary header.
async fn assign(arm: &Arm<'_>, target: &str, identity: &Value, auxiliary: &[&str]) -> Answer {
    let emulator = arm.emulator;
    let address = format!("{}{target}?{VERSION}", emulator.resource_manager_endpoint());
    let mut request = http(emulator).patch(address).bearer_auth(&arm.token);
    for value in auxiliary {
        request = request.header(HEADER, *value);
    }
    let request = request.json(&json!({"identity": identity}));
    taken_apart(request.send().await.unwrap()).await
}

fn partner(emulator: &Emulator) -> (Tenant, String) {
    let tenant = emulator.add_tenant("partner");
    let there = emulator.allow_in_tenant(&emulator.runner().client_id, &tenant.tenant_id);
    (tenant, there)
}

#[tokio::test]
async fn a_tenant_gives_tokens_to_applications_that_it_knows() {
    let emulator = emulator().await;
    let runner = emulator.runner();
    let tenant = emulator.add_tenant("partner");
    let stranger = sign_in(&emulator, &tenant.tenant_id, runner, MANAGEMENT).await;
    assert_eq!(
        (stranger.status, &stranger.body["error_codes"][0]),
        (400, &json!(700_016))
    );
    assert!(
        stranger.body["error_description"]
            .as_str()
            .unwrap()
            .contains(&format!("the directory '{}'", tenant.tenant_id))
    );

    let there = emulator.allow_in_tenant(&runner.client_id, &tenant.tenant_id);
    assert_eq!(
        emulator.allow_in_tenant(&runner.client_id, &tenant.tenant_id),
        there,
        "consent twice is consent once"
    );
    let upper = tenant.tenant_id.to_ascii_uppercase();
    let known = sign_in(&emulator, &upper, runner, MANAGEMENT).await;
    assert_eq!(known.status, 200, "{known:?}");
    let claims = claims(known.body["access_token"].as_str().unwrap());
    assert_eq!(
        (&claims["oid"], &claims["tid"]),
        (&json!(there), &json!(tenant.tenant_id))
    );
    assert_eq!(claims["appid"], json!(runner.client_id));
    assert_eq!(
        claims["iss"],
        json!(format!("https://sts.windows.net/{}/", tenant.tenant_id))
    );
    assert_ne!(
        there, runner.object_id,
        "each tenant has a service principal of its own"
    );

    let wrong = AppCredential {
        client_secret: "wrong".to_owned(),
        ..runner.clone()
    };
    let refused = sign_in(&emulator, &tenant.tenant_id, &wrong, MANAGEMENT).await;
    assert_eq!(refused.body["error_codes"][0], 7_000_215);
    let elsewhere = emulator.add_tenant("another");
    let refused = sign_in(&emulator, &elsewhere.tenant_id, runner, MANAGEMENT).await;
    assert_eq!(refused.body["error_codes"][0], 700_016);
    let nowhere = sign_in(&emulator, &tenant.subscription_id, runner, MANAGEMENT).await;
    assert_eq!(nowhere.body["error_codes"][0], 90002);
}

#[tokio::test]
async fn a_machine_from_a_foreign_image_changes_with_a_token_of_that_tenant() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    let (tenant, there) = partner(&emulator);
    let foreign = format!("Bearer {}", emulator.access_token(&there, MANAGEMENT));
    let system = json!({"type": "SystemAssigned"});
    let targets = emulator.targets().clone();
    for target in [&targets.virtual_machine, &targets.scale_set] {
        let before = assign(&arm, target, &json!({"type": "None"}), &[]).await;
        assert_eq!(before.status, 200, "{before:?}");
        polled(&arm, &before).await;
        let image = emulator.use_image_of(target, &tenant);
        assert!(image.starts_with(&format!("/subscriptions/{}/", tenant.subscription_id)));
        let refused = assign(&arm, target, &system, &[]).await;
        assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
        assert_eq!(
            refused.message(),
            format!(
                "The client has permission to perform action 'Microsoft.Compute/galleries/images/versions/read' on scope \
                 '{target}', however the current tenant '{}' is not authorized to access linked subscription '{}'.",
                emulator.tenant_id(),
                tenant.subscription_id
            )
        );
        assert!(emulator.resource(target)["identity"].is_null(), "nothing took effect");
        assert_eq!(
            arm.get(&format!("{target}?{VERSION}")).await.status,
            200,
            "a read is free"
        );

        let done = assign(&arm, target, &system, &[&foreign]).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert_eq!(polled(&arm, &done).await["status"], "Succeeded");
        assert_eq!(emulator.resource(target)["identity"]["type"], "SystemAssigned");
    }
    emulator.add_tenant("another");
    let elsewhere = assign(&arm, &targets.web_app, &system, &[]).await;
    assert_ne!(elsewhere.status, 403, "other resources have no image");
}

#[tokio::test]
async fn every_auxiliary_token_must_be_good() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    let (tenant, there) = partner(&emulator);
    let target = &emulator.targets().virtual_machine;
    emulator.use_image_of(target, &tenant);
    let system = json!({"type": "SystemAssigned"});
    let good = format!("Bearer {}", emulator.access_token(&there, MANAGEMENT));
    let own = format!("Bearer {}", arm.token);
    let other = emulator.add_tenant("another");
    let elsewhere = emulator.allow_in_tenant(&emulator.runner().client_id, &other.tenant_id);
    let elsewhere = format!("Bearer {}", emulator.access_token(&elsewhere, MANAGEMENT));

    for not_it in [&own, &elsewhere] {
        let refused = assign(&arm, target, &system, &[not_it]).await;
        assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
    }
    let database = emulator.access_token(&there, "https://ossrdbms-aad.database.windows.net");
    let expired = emulator.expired_token(&there, MANAGEMENT);
    let stranger = emulator
        .add_application("stranger", entradb_emulator::Access::Contributor)
        .await
        .unwrap();
    let strangers = emulator.allow_in_tenant(&stranger.client_id, &tenant.tenant_id);
    let strangers = emulator.access_token(&strangers, MANAGEMENT);
    for (token, code) in [
        (&database, "InvalidAuthenticationToken"),
        (&expired, "ExpiredAuthenticationToken"),
        (&strangers, "InvalidAuthenticationToken"),
        (&"no.token.at-all".to_owned(), "InvalidAuthenticationToken"),
    ] {
        let bad = format!("Bearer {token}");
        let refused = assign(&arm, target, &system, &[&good, &bad]).await;
        assert_eq!((refused.status, refused.code()), (401, code), "{refused:?}");
        if token == &expired {
            let message = refused.message();
            assert!(message.contains(&emulator.runner().client_id) && message.contains(&tenant.tenant_id));
        }
    }
    let bare = assign(&arm, target, &system, &[good.trim_start_matches("Bearer ")]).await;
    assert_eq!((bare.status, bare.code()), (401, "InvalidAuthenticationToken"));
    let many = assign(&arm, target, &system, &[&good, &own, &elsewhere, &good]).await;
    assert_eq!(many.status, 400, "three at most");
    for separator in [", ", ";"] {
        let row = [good.as_str(), &own, &elsewhere].join(separator);
        let done = assign(&arm, target, &system, &[&row]).await;
        assert_eq!(done.status, 200, "{separator}");
        polled(&arm, &done).await;
    }
}

#[tokio::test]
async fn identities_and_subscriptions_of_another_tenant_stay_there() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    let (tenant, there) = partner(&emulator);
    let foreign = format!("Bearer {}", emulator.access_token(&there, MANAGEMENT));
    let identity = format!(
        "/subscriptions/{}/resourceGroups/theirs/providers/Microsoft.ManagedIdentity/userAssignedIdentities/theirs",
        tenant.subscription_id
    );
    let mut map = serde_json::Map::new();
    map.insert(identity.clone(), json!({}));
    let wanted = json!({"type": "UserAssigned", "userAssignedIdentities": map});
    let target = &emulator.targets().virtual_machine;
    let refused = assign(&arm, target, &wanted, &[]).await;
    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
    assert!(
        refused.message().contains("userAssignedIdentities/assign/action"),
        "{refused:?}"
    );
    let seen = assign(&arm, target, &wanted, &[&foreign]).await;
    assert_eq!(
        (seen.status, seen.code()),
        (400, "FailedIdentityOperation"),
        "an identity serves its own tenant only"
    );
    let server = format!("{}?api-version=2024-08-01", emulator.postgresql().id);
    let refused = arm
        .send(Method::PATCH, &server, Some(json!({"identity": wanted})))
        .await;
    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));

    let group = format!(
        "/subscriptions/{}/resourcegroups/theirs?api-version=2022-09-01",
        tenant.subscription_id
    );
    let refused = arm.get(&group).await;
    assert_eq!(
        (refused.status, refused.code()),
        (401, "InvalidAuthenticationTokenTenant")
    );
    assert!(refused.message().contains(&format!(
        "must match the tenant 'https://sts.windows.net/{}/'",
        tenant.tenant_id
    )));
    let mut theirs = Arm::new(&emulator);
    theirs.token = emulator.access_token(&there, MANAGEMENT);
    let refused = theirs.get(&format!("{target}?{VERSION}")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (401, "InvalidAuthenticationTokenTenant")
    );
}
