//! The provider block and the environment become one set of settings. The only place that reads the environment.

mod given;
mod token_proxy;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use crate::azure::cloud::{Cloud, Endpoints};
use crate::azure::settings::{CertificateSource, Platform, Settings as AzureSettings};
use crate::azure::trust::Trust;
use crate::protocol::diagnostic::{Diagnostic, Result, chain};
use crate::provider::config::{DialAddress, Environment, Guid, ProviderBlock, Span};
use crate::provider::server::Host;
use crate::provider::settings::given::{content, given_or_read, secret};
use crate::provider::settings::token_proxy::token_proxy;
use crate::retry::StopSignal;
use crate::sql::dial::proxy::{Proxies, Proxy};

/// The variables of the environment.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process; what is not Unicode is left out.
    pub fn of_process() -> Self {
        let unicode =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        unicode.collect()
    }

    /// The first of these that says something.
    fn first(&self, names: &[&str]) -> Option<String> {
        names
            .iter()
            .find_map(|name| self.0.get(*name).filter(|value| !value.is_empty()).cloned())
    }

    fn parse<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<T>> {
        let invalid = |error| invalid(name, format!("the environment variable {name} is invalid: {error}"));
        self.first(&[name])
            .map(|text| text.parse().map_err(invalid))
            .transpose()
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>> {
        let text = self.first(&[name]);
        let parse = |text: String| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(invalid(
                name,
                format!("the environment variable {name} must be `true` or `false`"),
            )),
        };
        text.map(parse).transpose()
    }

    /// `name=value,name=value`
    fn map<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<BTreeMap<String, T>>> {
        let wrong = |why: String| {
            invalid(
                name,
                format!("the environment variable {name} must have the form `name=value,…`: {why}"),
            )
        };
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong("a `=` is missing".into()))?;
            Ok((
                key.trim().to_owned(),
                value.trim().parse().map_err(|error: T::Err| wrong(error.to_string()))?,
            ))
        };
        self.first(&[name])
            .map(|text| text.split(',').map(pair).collect())
            .transpose()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Everything that the provider block and the environment say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For Microsoft's side.
    pub azure: AzureSettings,
    /// For a server's host name in lower case, the address to dial instead.
    pub database_hosts: BTreeMap<String, String>,
    /// For a server's host name in lower case, the role to log in as.
    pub database_logins: BTreeMap<String, String>,
    /// The proxy to databases.
    pub proxies: Proxies,
    /// How long to wait for a database to answer.
    pub connect_timeout: Duration,
    /// How long to wait for a lock in a database.
    pub lock_timeout: Duration,
}

impl Settings {
    /// What to dial instead of a server: what is given for its host and this port comes before what is given for the host.
    pub fn dial_address(&self, host: &Host) -> Option<&str> {
        let exactly = format!("{}:{}", host.name, host.port);
        let found = self.database_hosts.get(&exactly);
        found
            .or_else(|| self.database_hosts.get(&host.name))
            .map(String::as_str)
    }
}

/// As other tools read them: what is said of encrypted connections comes before what is said of all.
fn proxies(variables: &Variables) -> Proxies {
    let address = variables.first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
    let except = variables.first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    Proxies {
        proxy: address.and_then(|address| Proxy::parse(&address)),
        except: except.split(',').map(|name| name.trim().to_owned()).collect(),
    }
}

fn invalid(_name: &str, detail: String) -> Diagnostic {
    let mut detail = detail;
    if let Some(first) = detail.get(..1).map(str::to_uppercase) {
        detail.replace_range(..1, &first);
    }
    Diagnostic::error("Invalid provider configuration", format!("{detail}."))
}

impl Settings {
    /// Joins the block and the environment: the block speaks first.
    ///
    /// # Errors
    /// When a variable is invalid or a file cannot be read.
    pub fn new(block: ProviderBlock, variables: &Variables, stop: StopSignal) -> Result<Self> {
        let lower = |map: BTreeMap<String, String>| {
            map.into_iter()
                .map(|(host, value)| (host.to_ascii_lowercase(), value))
                .collect()
        };
        let hosts = match &block.database_hosts {
            Some(hosts) => Some(hosts.clone()),
            None => variables.map::<DialAddress>("ENTRADB_DATABASE_HOSTS")?,
        };
        let hosts = hosts
            .unwrap_or_default()
            .into_iter()
            .map(|(host, address)| (host, address.to_string()))
            .collect();
        let logins = match &block.database_logins {
            Some(logins) => Some(logins.clone()),
            None => variables.map("ENTRADB_DATABASE_LOGINS")?,
        };
        let span = |given: Option<Span>, name, default| {
            let span = given.map_or_else(|| variables.parse::<Span>(name), |given| Ok(Some(given)))?;
            Ok::<_, Diagnostic>(span.map_or(default, |span| span.0))
        };
        Ok(Self {
            database_hosts: lower(hosts),
            database_logins: lower(logins.unwrap_or_default()),
            proxies: proxies(variables),
            connect_timeout: span(
                block.connect_timeout,
                "ENTRADB_CONNECT_TIMEOUT",
                Duration::from_secs(15),
            )?,
            lock_timeout: span(block.lock_timeout, "ENTRADB_LOCK_TIMEOUT", Duration::from_millis(800))?,
            azure: azure(block, variables, stop)?,
        })
    }
}

#[expect(clippy::too_many_lines, reason = "a table: a line for each setting")]
fn azure(block: ProviderBlock, variables: &Variables, stop: StopSignal) -> Result<AzureSettings> {
    let flag = |given: Option<bool>, name, default| {
        Ok::<_, Diagnostic>(
            given
                .map_or_else(|| variables.flag(name), |given| Ok(Some(given)))?
                .unwrap_or(default),
        )
    };
    let text = |given: &Option<String>, names: &[&str]| given.clone().or_else(|| variables.first(names));
    let aks = flag(block.use_aks_workload_identity, "ARM_USE_AKS_WORKLOAD_IDENTITY", false)?;
    let client_id = given_or_read(
        block.client_id.map(|id| id.to_string()),
        block.client_id_file_path,
        variables,
        (&["ARM_CLIENT_ID"], "ARM_CLIENT_ID_FILE_PATH"),
        "client_id_file_path",
    )?
    .or_else(|| variables.first(&["AZURE_CLIENT_ID"]).filter(|_| aks));
    let client_secret = given_or_read(
        block.client_secret.map(|secret| secret.0),
        block.client_secret_file_path,
        variables,
        (&["ARM_CLIENT_SECRET"], "ARM_CLIENT_SECRET_FILE_PATH"),
        "client_secret_file_path",
    )?;
    let file = |path: String| CertificateSource::File(path.into());
    let certificate = match (block.client_certificate, block.client_certificate_path) {
        (None, Some(path)) => Some(file(path)),
        (given, _) => secret(given, variables, &["ARM_CLIENT_CERTIFICATE"])
            .map(CertificateSource::Base64)
            .or_else(|| variables.first(&["ARM_CLIENT_CERTIFICATE_PATH"]).map(file)),
    };
    let oidc_token = match (block.oidc_token, &block.oidc_token_file_path) {
        (None, Some(_)) => None,
        (given, _) => secret(given, variables, &["ARM_OIDC_TOKEN"]),
    };
    let token_files: &[&str] = if aks {
        &["ARM_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
    } else {
        &["ARM_OIDC_TOKEN_FILE_PATH"]
    };
    Ok(AzureSettings {
        cloud: cloud(block.environment, variables)?,
        metadata_host: text(&block.metadata_host, &["ARM_METADATA_HOSTNAME", "ARM_METADATA_HOST"]),
        endpoints: Endpoints {
            authority_host: text(
                &block.active_directory_authority_host,
                if aks {
                    &["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST"]
                } else {
                    &["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"]
                },
            ),
            resource_manager: text(&block.resource_manager_endpoint, &["ARM_RESOURCE_MANAGER_ENDPOINT"]),
            resource_manager_audience: text(&block.resource_manager_audience, &["ARM_RESOURCE_MANAGER_AUDIENCE"]),
            graph: text(&block.microsoft_graph_endpoint, &["ARM_MICROSOFT_GRAPH_ENDPOINT"]),
        },
        tenant_id: text(
            &block.tenant_id,
            if aks {
                &["ARM_TENANT_ID", "AZURE_TENANT_ID"]
            } else {
                &["ARM_TENANT_ID"]
            },
        ),
        auxiliary_tenant_ids: auxiliary_tenants(block.auxiliary_tenant_ids, variables)?,
        subscription_id: block
            .subscription_id
            .map(|id| id.to_string())
            .or_else(|| variables.first(&["ARM_SUBSCRIPTION_ID"])),
        client_id,
        client_secret,
        client_certificate: certificate,
        client_certificate_password: secret(
            block.client_certificate_password,
            variables,
            &["ARM_CLIENT_CERTIFICATE_PASSWORD"],
        ),
        use_oidc: flag(block.use_oidc, "ARM_USE_OIDC", false)?,
        use_aks_workload_identity: aks,
        oidc_token,
        oidc_token_file_path: text(&block.oidc_token_file_path, token_files).map(PathBuf::from),
        token_proxy: aks.then(|| token_proxy(variables)).transpose()?.flatten(),
        oidc_request_url: text(
            &block.oidc_request_url,
            &[
                "ARM_OIDC_REQUEST_URL",
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                "SYSTEM_OIDCREQUESTURI",
            ],
        ),
        oidc_request_token: secret(
            block.oidc_request_token,
            variables,
            &[
                "ARM_OIDC_REQUEST_TOKEN",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                "SYSTEM_ACCESSTOKEN",
            ],
        ),
        ado_pipeline_service_connection_id: text(
            &block.ado_pipeline_service_connection_id,
            &[
                "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID",
                "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID",
                "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
            ],
        ),
        use_msi: flag(block.use_msi, "ARM_USE_MSI", false)?,
        msi_endpoint: text(&block.msi_endpoint, &["ARM_MSI_ENDPOINT"]),
        platform: platform(variables),
        use_cli: flag(block.use_cli, "ARM_USE_CLI", true)?,
        trust: trust(text(&block.ca_file, &["ENTRADB_CA_FILE"]))?,
        stop,
        ..AzureSettings::default()
    })
}

fn cloud(given: Option<Environment>, variables: &Variables) -> Result<Cloud> {
    let name = given
        .map(|environment| environment.to_string())
        .or_else(|| variables.first(&["ARM_ENVIRONMENT"]));
    let Some(name) = name else { return Ok(Cloud::public()) };
    Cloud::named(&name).ok_or_else(|| {
        invalid(
            "environment",
            format!("`{name}` is no cloud: `public`, `usgovernment` or `china` is required"),
        )
    })
}

fn auxiliary_tenants(given: Option<Vec<Guid>>, variables: &Variables) -> Result<Vec<String>> {
    const NAME: &str = "ARM_AUXILIARY_TENANT_IDS";
    let separated = |text: String| -> Result<Vec<Guid>> {
        let ids = text.split([';', ',']).map(str::trim).filter(|id| !id.is_empty());
        let wrong = |id, why| {
            invalid(
                NAME,
                format!("the environment variable {NAME} names `{id}`, which is no tenant: {why}"),
            )
        };
        ids.map(|id| id.parse().map_err(|why: &str| wrong(id, why))).collect()
    };
    let tenants = match given {
        Some(tenants) => tenants,
        None => variables.first(&[NAME]).map(separated).transpose()?.unwrap_or_default(),
    };
    if tenants.len() > 3 {
        let detail = format!(
            "`auxiliary_tenant_ids` names {} tenants; at most three are allowed",
            tenants.len()
        );
        return Err(invalid("auxiliary_tenant_ids", detail));
    }
    Ok(tenants.iter().map(Guid::to_string).collect())
}

/// What the platform that runs us tells every program of its own.
fn platform(variables: &Variables) -> Platform {
    let text = |name| variables.first(&[name]);
    Platform {
        identity: text("IDENTITY_ENDPOINT"),
        identity_header: text("IDENTITY_HEADER").map(SecretString::from),
        identity_thumbprint: text("IDENTITY_SERVER_THUMBPRINT"),
        has_imds: text("IMDS_ENDPOINT").is_some(),
        msi: text("MSI_ENDPOINT"),
        msi_secret: text("MSI_SECRET").map(SecretString::from),
        metadata_service: text("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        ..Platform::default()
    }
}

fn trust(ca_file: Option<String>) -> Result<Trust> {
    match content(ca_file, "ca_file")? {
        Some(pem) => Trust::with_pem(pem.as_bytes()).map_err(|error| invalid("ca_file", chain(&error))),
        None => Ok(Trust::default()),
    }
}

#[cfg(test)]
mod tests;
