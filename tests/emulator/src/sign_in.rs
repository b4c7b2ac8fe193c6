//! What a program finds in its environment on each platform that signs it in, and what a test changes about that.
//! It does not know the forms of the requests.

use std::path::Path;

use crate::Emulator;
use crate::issuer;
use crate::journal::hold;
use crate::managed_endpoints as endpoints;

/// The service connection of the pretended pipeline. Any other ID will do too.
const SERVICE_CONNECTION: &str = "3f1c8d52-7a4b-4c56-9d20-0c5e7b1a9f44";

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Emulator {
    fn machine_address(&self, path: &str) -> String {
        format!("{}{path}", self.world.endpoints.instance_metadata)
    }

    /// The environment of an App Service app or a function app. All of these platforms have the identities of
    /// [`Emulator::machine_identities`].
    #[must_use]
    pub fn app_service(&self) -> Vec<(String, String)> {
        pairs([
            ("IDENTITY_ENDPOINT", self.machine_address(endpoints::APP_SERVICE)),
            ("IDENTITY_HEADER", self.world.platform_secret.clone()),
        ])
    }

    /// The environment of a container app or of a job.
    #[must_use]
    pub fn container_apps(&self) -> Vec<(String, String)> {
        pairs([
            ("IDENTITY_ENDPOINT", self.machine_address(endpoints::CONTAINER_APPS)),
            ("IDENTITY_HEADER", self.world.platform_secret.clone()),
        ])
    }

    /// The environment on a server that Azure Arc manages. Its key files are in a folder of the emulator unless
    /// [`Emulator::set_arc_key_folder`] says otherwise: Azure's own, `/var/opt/azcmagent/tokens`, needs root.
    #[must_use]
    pub fn arc(&self) -> Vec<(String, String)> {
        pairs([
            ("IDENTITY_ENDPOINT", self.machine_address(endpoints::ARC)),
            ("IMDS_ENDPOINT", self.world.endpoints.instance_metadata.clone()),
        ])
    }

    /// Where Azure Arc's agent puts its next key files.
    pub fn set_arc_key_folder(&self, folder: &Path) {
        folder.clone_into(&mut hold(&self.world.state).arc.folder);
    }

    /// Where Azure Arc's agent puts its key files now.
    #[must_use]
    pub fn arc_key_folder(&self) -> std::path::PathBuf {
        hold(&self.world.state).arc.folder.clone()
    }

    /// How many bytes the next key files have at least; a client must refuse more than 4096.
    pub fn set_arc_key_length(&self, bytes: usize) {
        hold(&self.world.state).arc.length = bytes;
    }

    /// The environment of Cloud Shell, whose tokens are those of the person `shell@example.com`, a Contributor.
    #[must_use]
    pub fn cloud_shell(&self) -> Vec<(String, String)> {
        pairs([("MSI_ENDPOINT", self.machine_address(endpoints::CLOUD_SHELL))])
    }

    /// The object ID of the person in the Cloud Shell.
    #[must_use]
    pub fn cloud_shell_user(&self) -> String {
        hold(&self.world.state).cloud_shell_user.clone()
    }

    /// The environment on an Azure ML compute instance.
    #[must_use]
    pub fn azure_ml(&self) -> Vec<(String, String)> {
        pairs([
            ("MSI_ENDPOINT", self.machine_address(endpoints::MACHINE_LEARNING)),
            ("MSI_SECRET", self.world.platform_secret.clone()),
        ])
    }

    /// The environment of a Service Fabric application: the endpoint speaks TLS, and its certificate is pinned.
    #[must_use]
    pub fn service_fabric(&self) -> Vec<(String, String)> {
        let address = format!("{}{}", self.world.endpoints.issuer, endpoints::SERVICE_FABRIC);
        pairs([
            ("IDENTITY_ENDPOINT", address),
            ("IDENTITY_HEADER", self.world.platform_secret.clone()),
            ("IDENTITY_SERVER_THUMBPRINT", self.world.thumbprint.clone()),
        ])
    }

    /// The environment of a GitHub workflow that may ask for tokens.
    #[must_use]
    pub fn github(&self) -> Vec<(String, String)> {
        let (address, secret) = self.github_token_request();
        pairs([
            ("ACTIONS_ID_TOKEN_REQUEST_URL", address),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", secret),
        ])
    }

    /// The environment of an Azure Pipelines job with a service connection.
    #[must_use]
    pub fn azure_pipelines(&self) -> Vec<(String, String)> {
        let (address, secret) = self.pipelines_token_request();
        pairs([
            ("SYSTEM_OIDCREQUESTURI", address),
            ("SYSTEM_ACCESSTOKEN", secret),
            ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", SERVICE_CONNECTION.to_owned()),
        ])
    }

    /// The environment that the workload identity webhook gives to a pod of this service account, with its token in a
    /// file. `client_id` is the identity that the service account names.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn workload_identity(
        &self,
        client_id: &str,
        namespace: &str,
        service_account: &str,
    ) -> Result<Vec<(String, String)>, std::io::Error> {
        let token = issuer::service_account_token(&self.world, &self.cluster_issuer(), namespace, service_account);
        let folder = self.ca_file().parent().unwrap_or(Path::new("/tmp"));
        let path = folder.join(format!("{namespace}-{service_account}.jwt"));
        std::fs::write(&path, token)?;
        Ok(pairs([
            ("AZURE_FEDERATED_TOKEN_FILE", path.display().to_string()),
            ("AZURE_CLIENT_ID", client_id.to_owned()),
            ("AZURE_TENANT_ID", self.tenant_id().to_owned()),
            ("AZURE_AUTHORITY_HOST", format!("{}/", self.authority_host())),
        ]))
    }

    /// Which identities the pretended machine, app or job has from now on: its own or not, and these user-assigned ones,
    /// each by resource ID, client ID or object ID.
    ///
    /// # Panics
    /// When there is no such identity.
    pub fn machine_identities(&self, system: bool, user_assigned: &[&str]) {
        let mut state = hold(&self.world.state);
        let same = |own: Option<&str>, given: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(given));
        let found = user_assigned.iter().map(|wanted| {
            let one = state.directory.all().find(|one| {
                same(Some(&one.object_id), wanted)
                    || same(one.app_id.as_deref(), wanted)
                    || same(one.resource_id.as_deref(), wanted)
            });
            one.expect("the test names an identity that exists").object_id.clone()
        });
        let found: Vec<String> = found.collect();
        let own = state.directory.all().find(|one| {
            let id = one.resource_id.as_deref().unwrap_or_default();
            id.to_ascii_lowercase().ends_with("/virtualmachines/terraform-vm")
        });
        let own = own.map(|one| one.object_id.clone());
        state.machine_system_identity = own.filter(|_| system);
        state.machine_identities = found;
    }

    /// Lets the secret of an application (client ID) run out: AADSTS7000222 from now on.
    ///
    /// # Panics
    /// When there is no such application; so does the other change of one.
    pub fn expire_secret(&self, client_id: &str) {
        let mut state = hold(&self.world.state);
        let app = state.directory.by_app_id_mut(client_id);
        let app = app.expect("the test names an application that exists");
        let secrets = std::mem::take(&mut app.secrets);
        app.expired_secrets.extend(secrets);
    }

    /// Takes an application's certificates away: AADSTS700027 from now on.
    pub fn remove_certificates(&self, client_id: &str) {
        let mut state = hold(&self.world.state);
        let app = state.directory.by_app_id_mut(client_id);
        app.expect("the test names an application that exists")
            .certificates
            .clear();
    }
}
