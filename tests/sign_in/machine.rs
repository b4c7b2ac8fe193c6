//! The identity of the platform that runs us: each platform's endpoint, and how each says no.

use entradb_emulator::{Emulator, Failure, Method, Options};

use crate::sign_in::program::{Signed, managed_identity, refused, signed_in};

/// An Azure of its own: which identities the machine has is everybody's.
async fn emulated() -> Emulator {
    Emulator::start(Options::default()).await.expect("an emulated Azure")
}

#[tokio::test]
async fn an_app_and_a_job_are_who_they_are_told_to_be() {
    let azure = emulated().await;
    let (client, object) = managed_identity(&azure, "app").await;
    azure.machine_identities(true, &[&client]);
    let own = azure.machine_identity().expect("an identity");
    for platform in [azure.app_service(), azure.container_apps()] {
        assert_eq!(signed_in(&azure, &platform, None).await, Signed::as_object(&own));
        assert_eq!(
            signed_in(&azure, &platform, Some(&client)).await,
            Signed::as_object(&object)
        );
        azure.machine_identities(false, &[&client]);
        let told = refused(&azure, &platform, None).await;
        assert!(
            told.contains("there is no system-assigned identity here: assign one, or set `client_id`"),
            "{told}"
        );
        azure.machine_identities(true, &[&client]);
        let unknown = "99999999-0000-4000-8000-000000000000";
        let told = refused(&azure, &platform, Some(unknown)).await;
        assert!(told.contains("signing in by managed identity: "), "{told}");
        assert!(
            told.contains(&format!("no identity with the client ID {unknown} is assigned here")),
            "{told}"
        );
    }
}

#[tokio::test]
async fn machine_learning_and_service_fabric_sign_in() {
    let azure = emulated().await;
    let (client, object) = managed_identity(&azure, "learning").await;
    azure.machine_identities(true, &[&client]);
    let own = azure.machine_identity().expect("an identity");
    let learning = azure.azure_ml();
    assert_eq!(
        signed_in(&azure, &learning, Some(&client)).await,
        Signed::as_object(&object)
    );
    assert_eq!(signed_in(&azure, &learning, None).await, Signed::as_object(&own));
    let fabric = azure.service_fabric();
    assert_eq!(signed_in(&azure, &fabric, None).await, Signed::as_object(&own));
    let told = refused(&azure, &fabric, Some(&client)).await;
    assert!(
        told.contains("Azure Service Fabric signs in one identity only"),
        "{told}"
    );
    assert!(told.contains("leave `client_id` (ARM_CLIENT_ID) out"), "{told}");
    let mut foreign = fabric.clone();
    foreign[2].1 = "00".repeat(20);
    let told = refused(&azure, &foreign, None).await;
    assert!(told.starts_with("Certificate not trusted: "), "{told}");
}

#[tokio::test]
async fn cloud_shell_is_the_person_who_opened_it() {
    let azure = emulated().await;
    let shell = azure.cloud_shell();
    assert_eq!(
        signed_in(&azure, &shell, None).await,
        Signed::as_object(&azure.cloud_shell_user())
    );
    let told = refused(&azure, &shell, Some(&azure.runner().client_id)).await;
    assert!(told.contains("Azure Cloud Shell signs in one identity only"), "{told}");
}

#[tokio::test]
async fn a_key_of_arc_is_read_from_its_own_folder_only() {
    let azure = emulated().await;
    let (arc, keys) = (azure.arc(), azure.arc_key_folder());
    let own = azure.machine_identity().expect("an identity");
    let signed = Signed::by_library(&azure, &arc, None, &keys).await;
    assert_eq!(signed, Ok(Signed::as_object(&own)));
    // Azure's own folder is the rule of the program: whatever the agent names elsewhere is not read.
    let told = refused(&azure, &arc, None).await;
    assert!(
        told.contains("which is no .key file in /var/opt/azcmagent/tokens: it is not read"),
        "{told}"
    );
    azure.set_arc_key_length(5_000);
    let refusal = Signed::by_library(&azure, &arc, None, &keys)
        .await
        .expect_err("too long");
    assert!(refusal.contains("is larger than 4096 bytes"), "{refusal}");
    azure.set_arc_key_length(0);
    azure.machine_identities(false, &[]);
    let refusal = Signed::by_library(&azure, &arc, None, &keys).await.expect_err("nobody");
    assert!(refusal.contains("no managed identity is assigned here"), "{refusal}");
}

#[tokio::test]
async fn a_machine_says_which_identity_it_wants_when_there_are_several() {
    let azure = emulated().await;
    let (one, object) = managed_identity(&azure, "one").await;
    let (two, _) = managed_identity(&azure, "two").await;
    azure.machine_identities(false, &[&one]);
    assert_eq!(
        signed_in(&azure, &[], None).await,
        Signed::as_object(&object),
        "the only one"
    );
    azure.machine_identities(false, &[&one, &two]);
    assert_eq!(signed_in(&azure, &[], Some(&one)).await, Signed::as_object(&object));
    let told = refused(&azure, &[], None).await;
    assert!(told.starts_with("Sign-in failed: "), "{told}");
    assert!(
        told.contains("several identities are assigned here and none is named: set `client_id` (ARM_CLIENT_ID)"),
        "{told}"
    );
    azure.machine_identities(false, &[]);
    let told = refused(&azure, &[], None).await;
    assert!(told.starts_with("No way to sign in: "), "{told}");
    assert!(
        told.contains("no managed identity is assigned here (Identity not found)"),
        "{told}"
    );
    let told = refused(&azure, &[], Some(&two)).await;
    assert!(
        told.starts_with("Sign-in failed: "),
        "a named one is not replaced by another way: {told}"
    );
}

#[tokio::test]
async fn the_metadata_service_is_where_its_variable_says_unless_a_person_says_otherwise() {
    let azure = emulated().await;
    let own = azure.machine_identity().expect("an identity");
    let at = |host: &str| vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), host.to_owned())];
    let there = azure.imds_endpoint().to_owned();
    for host in [there.clone(), format!("{there}/")] {
        assert_eq!(
            signed_in(&azure, &at(&host), None).await,
            Signed::as_object(&own),
            "{host}"
        );
    }
    let told = refused(&azure, &at("http://127.0.0.1:1"), None).await;
    assert!(
        told.contains("this machine has no managed identity endpoint that answers"),
        "{told}"
    );
    // Both a person's word and a platform's come before it.
    let mut elsewhere = at("http://127.0.0.1:1");
    elsewhere.push(("ARM_MSI_ENDPOINT".to_owned(), azure.msi_endpoint()));
    assert_eq!(signed_in(&azure, &elsewhere, None).await, Signed::as_object(&own));
    let mut app = azure.app_service();
    app.extend(at("http://127.0.0.1:1"));
    assert_eq!(signed_in(&azure, &app, None).await, Signed::as_object(&own));
}

#[tokio::test]
async fn a_metadata_service_that_is_being_updated_is_waited_for() {
    let azure = emulated().await;
    let own = azure.machine_identity().expect("an identity");
    for status in [404, 410, 429, 500] {
        let failure = Failure::Status {
            status,
            retry_after: Some(0),
        };
        azure.faults().fail_next(Method::GET, "/metadata/identity", 1, failure);
        assert_eq!(signed_in(&azure, &[], None).await, Signed::as_object(&own), "{status}");
        assert_eq!(azure.faults().outstanding("/metadata/identity"), 0);
    }
}
