//! What goes wrong for people: Terraform ends with 1, and the message says what to do.

use tokio::net::TcpListener;

use crate::terraform::azure::{identity, identity_id, shared};
use crate::terraform::workspace::{Outcome, Workspace};

const APPLY: [&str; 2] = ["apply", "-auto-approve"];

fn user(server: &str, identity: &str) -> String {
    format!(
        "provider \"entradb\" {{}}\n\nresource \"entradb_postgresql_user\" \"app\" {{\n  server      = \"{server}\"\n  \
         identity_id = \"{identity}\"\n}}\n"
    )
}

fn user_of_object(server: &str, object: &str) -> String {
    format!(
        "provider \"entradb\" {{}}\n\nresource \"entradb_postgresql_user\" \"app\" {{\n  server         = \"{server}\"\n  \
         object_id      = \"{object}\"\n  principal_type = \"ServicePrincipal\"\n  name           = \"app\"\n}}\n"
    )
}

/// Signs in with these changes of the environment and makes an identity.
async fn signs_in_with(changes: &[(&str, Option<&str>)]) -> Outcome {
    let mut workspace = Workspace::new(shared().await, &identity("refused-sign-in", ""));
    for (name, value) in changes {
        match value {
            Some(value) => workspace.set(name, *value),
            None => workspace.unset(name),
        }
    }
    workspace.run(&APPLY).await.refused()
}

#[tokio::test]
async fn wrong_credentials_are_explained() {
    signs_in_with(&[("ARM_CLIENT_SECRET", Some("wrong"))])
        .await
        .says(&["AADSTS7000215", "client secret"]);
    signs_in_with(&[("ARM_TENANT_ID", Some("00000000-0000-0000-0000-00000000dead"))])
        .await
        .says(&["AADSTS90002", "00000000-0000-0000-0000-00000000dead", "tenant"]);
    signs_in_with(&[("ARM_CLIENT_ID", Some("00000000-0000-0000-0000-00000000dead"))])
        .await
        .says(&["AADSTS700016", "00000000-0000-0000-0000-00000000dead"]);
}

#[tokio::test]
async fn no_credentials_at_all_are_explained() {
    let outcome = signs_in_with(&[("ARM_CLIENT_SECRET", None), ("ARM_CLIENT_ID", None)]).await;
    outcome.says(&["No way to sign in", "az login", "`ARM_*`", "client_secret is not set"]);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_explained() {
    signs_in_with(&[("ENTRADB_CA_FILE", None)])
        .await
        .says(&["certificate", "ca_file"]);
}

#[tokio::test]
async fn a_variable_that_makes_no_sense_is_named() {
    signs_in_with(&[("ARM_USE_OIDC", Some("perhaps"))])
        .await
        .says(&["ARM_USE_OIDC", "`true` or `false`"]);
    signs_in_with(&[("ENTRADB_DATABASE_HOSTS", Some("nonsense"))])
        .await
        .says(&["ENTRADB_DATABASE_HOSTS"]);
}

#[tokio::test]
async fn an_id_of_something_else_is_refused_before_anything_is_done() {
    let azure = shared().await;
    let identity = identity_id(azure, "refused");
    let server = &azure.postgresql().id;
    let wrong_server = Workspace::new(azure, &user(&identity, &identity));
    wrong_server
        .run(&["validate"])
        .await
        .refused()
        .says(&["server = ", "flexibleServers"]);
    let no_id = Workspace::new(azure, &user(server, "refused"));
    no_id
        .run(&["validate"])
        .await
        .refused()
        .says(&["identity_id = ", "/subscriptions/"]);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let azure = shared().await;
    let nobody = identity_id(azure, "refused-nobody");
    let workspace = Workspace::new(azure, &user(&azure.postgresql().id, &nobody));
    workspace
        .run(&APPLY)
        .await
        .refused()
        .says(&["refused-nobody", "entradb_postgresql_user.app"]);

    let nowhere = azure.postgresql().id.replace("pg-data", "pg-nowhere");
    let workspace = Workspace::new(azure, &user(&nowhere, &nobody));
    workspace.run(&APPLY).await.refused().says(&["pg-nowhere"]);
}

#[tokio::test]
async fn a_dead_host_is_an_error_and_never_an_absence() {
    let azure = shared().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let closed = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let server = &azure.postgresql().fqdn;
    let name = identity("refused-host", "");
    let rest = "\nresource \"entradb_postgresql_user\" \"app\" {\n  server      = \"SERVER\"\n  identity_id = \
                entradb_managed_identity.app.id\n}\n";
    let mut workspace = Workspace::new(azure, &format!("{name}{}", rest.replace("SERVER", server)));
    workspace.apply().await;

    workspace.set("ENTRADB_DATABASE_HOSTS", format!("{server}={closed}"));
    workspace.set("ENTRADB_CONNECT_TIMEOUT", "3s");
    let refused = workspace.run(&["plan"]).await.refused();
    refused.says(&[server, &closed, "-refresh=false", "terraform state rm"]);
    // What the message advises does help.
    workspace.ok(&["plan", "-refresh=false"]).await;
    workspace.run(&["destroy", "-auto-approve"]).await.refused();
    assert!(
        workspace
            .ok(&["state", "list"])
            .await
            .stdout
            .contains("entradb_postgresql_user.app")
    );

    workspace.set(
        "ENTRADB_DATABASE_HOSTS",
        format!("{server}={}", azure.postgresql().address),
    );
    workspace.settled().await;
    workspace.destroy().await;
}

#[tokio::test]
async fn a_host_that_is_not_trusted_gets_no_token() {
    let azure = shared().await;
    // Not under Azure's suffixes, and not named by the provider block.
    let mut workspace = Workspace::new(azure, &user_of_object("localhost", &azure.runner().object_id));
    workspace.unset("ENTRADB_DATABASE_HOSTS");
    workspace
        .run(&APPLY)
        .await
        .refused()
        .says(&["localhost", "database_hosts"]);
}
