//! What a test does to the tenant and its resources past the HTTP fronts: people, groups, rights, tokens, identities of
//! machines. It does not know how Azure would be asked for it.

use std::path::Path;

use serde_json::json;

use crate::directory::{Access, Federation, Principal, PrincipalKind};
use crate::error::Result;
use crate::graph::query::Sort;
use crate::journal::hold;
use crate::postgres::server::Administrator;
use crate::{AppCredential, Emulator, Error, PostgresqlServer, issuer, setup, tenants, tokens};

impl Emulator {
    /// Adds a person; answers the object ID.
    ///
    /// # Errors
    /// When a database cannot be told.
    pub async fn add_user(&self, user_principal_name: &str, display_name: &str) -> Result<String> {
        let mut principal = Principal::new(PrincipalKind::User, display_name);
        principal.user_principal_name = Some(user_principal_name.to_owned());
        self.add(principal).await
    }

    /// Adds a security group with these members (object IDs); answers its object ID.
    ///
    /// # Errors
    /// When a database cannot be told.
    pub async fn add_group(&self, display_name: &str, members: &[&str]) -> Result<String> {
        let mut principal = Principal::new(PrincipalKind::Group, display_name);
        principal.members = members.iter().map(|member| (*member).to_owned()).collect();
        self.add(principal).await
    }

    /// Adds an application with a secret and a certificate.
    ///
    /// # Errors
    /// When its files cannot be written or a database cannot be told.
    pub async fn add_application(&self, display_name: &str, access: Access) -> Result<AppCredential> {
        let folder = self.ca_file().parent().unwrap_or(Path::new("/tmp"));
        let (credential, principal) = {
            let mut state = hold(&self.world.state);
            let credential = setup::application(&mut state, folder, display_name, access)?;
            let principal = state.directory.get(&credential.object_id).cloned();
            (credential, principal)
        };
        if let Some(principal) = principal {
            self.add(principal).await?;
        }
        Ok(credential)
    }

    async fn add(&self, principal: Principal) -> Result<String> {
        let object_id = principal.object_id.clone();
        self.world.add_principal(principal).await?;
        Ok(object_id)
    }

    /// Takes an object out of the directory; its roles in databases stay, as in Azure.
    ///
    /// # Errors
    /// When a database cannot be told.
    pub async fn remove_principal(&self, object_id: &str) -> Result<()> {
        self.world.remove_principal(object_id).await
    }

    fn change(&self, object_id: &str, change: impl FnOnce(&mut Principal)) {
        let mut state = hold(&self.world.state);
        change(
            state
                .directory
                .get_mut(object_id)
                .expect("the test names an object that exists"),
        );
    }

    /// Sets what an object may do in Azure Resource Manager.
    ///
    /// # Panics
    /// When there is no such object; so do the other changes of an object.
    pub fn set_access(&self, object_id: &str, access: Access) {
        self.change(object_id, |principal| principal.access = access);
    }

    /// Grants or takes the permission to read the directory through Microsoft Graph. Nobody has it from the start.
    pub fn set_directory_reader(&self, object_id: &str, reads: bool) {
        self.change(object_id, |principal| {
            principal.reads = if reads { Sort::ALL.to_vec() } else { Vec::new() };
        });
    }

    /// Grants or takes the permission to read users, groups or service principals through Microsoft Graph, each on its
    /// own. [`PrincipalKind::Application`] and [`PrincipalKind::ManagedIdentity`] both mean service principals.
    pub fn set_directory_permission(&self, object_id: &str, kind: PrincipalKind, reads: bool) {
        let sort = Sort::of(kind);
        self.change(object_id, |principal| {
            principal.reads.retain(|other| *other != sort);
            if reads {
                principal.reads.push(sort);
            }
        });
    }

    /// Lets Microsoft Graph answer at most this many objects on a page, whatever `$top` says.
    pub fn set_graph_page(&self, objects: usize) {
        hold(&self.world.state).graph_page = Some(objects);
    }

    /// Puts an object into a group or takes it out.
    pub fn set_member(&self, group: &str, member: &str, is_member: bool) {
        self.change(group, |principal| {
            principal.members.retain(|other| other != member);
            if is_member {
                principal.members.push(member.to_owned());
            }
        });
    }

    /// Trusts an external issuer's token for an application or identity, by its client ID.
    ///
    /// # Panics
    /// When there is no such application.
    pub fn federate(&self, client_id: &str, issuer: &str, subject: &str, audience: &str) {
        let mut state = hold(&self.world.state);
        let principal = state
            .directory
            .by_app_id_mut(client_id)
            .expect("the test names an application that exists");
        principal.federations.push(Federation {
            name: format!("federation-{}", principal.federations.len()),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: audience.to_owned(),
            invisible: 0,
        });
    }

    /// A token of any external issuer for `api://AzureADTokenExchange`; Entra can verify that issuer from now on.
    #[must_use]
    pub fn external_token(&self, issuer: &str, subject: &str) -> String {
        issuer::external_token(&self.world, issuer, subject, json!(issuer::EXCHANGE))
    }

    /// The same, but its time is over.
    #[must_use]
    pub fn expired_external_token(&self, issuer: &str, subject: &str) -> String {
        issuer::expired_token(&self.world, issuer, subject, &json!(issuer::EXCHANGE))
    }

    /// What a GitHub workflow has in its environment: the address to ask for a token (with its query) and the secret
    /// for it. The tokens' issuer is GitHub's, their subject `repo:example/infrastructure:ref:refs/heads/main`.
    #[must_use]
    pub fn github_token_request(&self) -> (String, String) {
        let address = format!("{}/github/token?run=1", self.world.endpoints.issuer);
        (address, self.world.token_request_secret.clone())
    }

    /// Lets the runner log in with tokens of the pretended GitHub workflow.
    pub fn federate_runner_with_github(&self) {
        self.federate(
            &self.runner().client_id,
            issuer::GITHUB,
            issuer::GITHUB_SUBJECT,
            issuer::EXCHANGE,
        );
    }

    /// A token of this object for a resource, such as `https://management.azure.com/`.
    ///
    /// # Panics
    /// When there is no such object.
    #[must_use]
    pub fn access_token(&self, object_id: &str, resource: &str) -> String {
        self.token(object_id, resource, tokens::APPLICATION_LIFE)
    }

    /// A token of this object for the databases.
    #[must_use]
    pub fn database_token(&self, object_id: &str) -> String {
        self.token(
            object_id,
            tokens::database_resource(&self.world),
            tokens::APPLICATION_LIFE,
        )
    }

    /// A token of this object for a resource whose time is over.
    #[must_use]
    pub fn expired_token(&self, object_id: &str, resource: &str) -> String {
        self.token(object_id, resource, 0)
    }

    /// Every token that the tenant, the cluster and the other issuers have signed so far.
    #[must_use]
    pub fn issued_tokens(&self) -> Vec<String> {
        hold(&self.world.issued).clone()
    }

    fn token(&self, object_id: &str, resource: &str, life: i64) -> String {
        let found = tenants::anywhere(&self.world, object_id);
        let (tenant, principal) = found.expect("the test names an object that exists");
        tokens::issue_in(&self.world, &tenant, &principal, resource, life)
    }

    /// What an Azure Pipelines job has in its environment: the address to ask for a token and the secret for it. Any
    /// service connection ID will do.
    #[must_use]
    pub fn pipelines_token_request(&self) -> (String, String) {
        let address = format!("{}/pipelines/oidctoken", self.world.endpoints.issuer);
        (address, self.world.token_request_secret.clone())
    }

    /// Lets the runner log in with tokens of the pretended service connection.
    pub fn federate_runner_with_pipelines(&self) {
        let (issuer, subject) = (issuer::PIPELINES, issuer::PIPELINES_SUBJECT);
        self.federate(&self.runner().client_id, issuer, subject, issuer::EXCHANGE);
    }

    /// Attaches a managed identity (object ID) to the machine behind the instance metadata service.
    pub fn attach_to_machine(&self, object_id: &str) {
        hold(&self.world.state).machine_identities.push(object_id.to_owned());
    }

    /// Detaches a managed identity from the machine.
    pub fn detach_from_machine(&self, object_id: &str) {
        let mut state = hold(&self.world.state);
        state.machine_identities.retain(|other| other != object_id);
        if state.machine_system_identity.as_deref() == Some(object_id) {
            state.machine_system_identity = None;
        }
    }

    /// The object ID of the machine's system-assigned identity, which is Contributor.
    #[must_use]
    pub fn machine_identity(&self) -> Option<String> {
        hold(&self.world.state).machine_system_identity.clone()
    }

    /// Gives the cluster another issuer, as re-creating it does; answers the new one.
    ///
    /// # Panics
    /// Never: the cluster exists as long as the emulator.
    pub fn rotate_cluster_issuer(&self) -> String {
        let issuer = setup::new_issuer(&self.world.options, &self.world.endpoints);
        let mut state = hold(&self.world.state);
        state.issuers.insert(issuer.clone());
        let cluster = state.targets.get_mut(&self.cluster_id().to_ascii_lowercase());
        let cluster = cluster.expect("the cluster is never removed");
        cluster.body["properties"]["oidcIssuerProfile"] = json!({"enabled": true, "issuerURL": issuer});
        issuer
    }

    /// Makes an object an Entra administrator of the first server without asking ARM.
    ///
    /// # Errors
    /// When the object does not exist or the server refuses the role.
    pub async fn add_administrator(&self, object_id: &str, name: &str) -> Result<()> {
        let principal = hold(&self.world.state).directory.get(object_id).cloned();
        let principal = principal.ok_or_else(|| Error::new(format!("there is no object {object_id}")))?;
        let server = self.first_server();
        server
            .put_administrator(name, object_id, principal.kind.label())
            .await?;
        let kind = match principal.kind {
            PrincipalKind::User => "User",
            PrincipalKind::Group => "Group",
            PrincipalKind::Application | PrincipalKind::ManagedIdentity => "ServicePrincipal",
        };
        let mut record = hold(&server.record);
        record.administrators.retain(|one| one.object_id != object_id);
        record.administrators.push(Administrator {
            object_id: object_id.to_owned(),
            name: name.to_owned(),
            kind,
            tenant: self.tenant_id().to_owned(),
        });
        Ok(())
    }

    /// Starts one more PostgreSQL server in the resource group, with the same databases. Its certificate comes from the
    /// same root; nobody is its Entra administrator yet.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn add_postgresql(&self, name: &str) -> Result<PostgresqlServer> {
        let folder = self.ca_file().parent().unwrap_or(Path::new("/tmp")).to_owned();
        let (world, authority) = (self.world.clone(), self.authority.clone());
        let starting = setup::add_server(world, authority, folder, name.to_owned());
        let server = self.threads.run(starting).await?;
        Ok(setup::described(&server, &self.world.options.databases))
    }
}
