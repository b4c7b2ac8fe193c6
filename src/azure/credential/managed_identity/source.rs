//! Which token endpoint this process is on: decided here, from settings alone. It does not ask it.

use std::path::Path;

use secrecy::SecretString;

use crate::azure::settings::{Platform, Settings};

const METADATA_SERVICE: &str = "http://169.254.169.254";
/// Where the Azure Arc agent listens when no variable says so.
const ARC_AGENT: &str = "http://localhost:40342/metadata/identity/oauth2/token";

/// A token endpoint of this machine or platform.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Azure Service Fabric.
    ServiceFabric {
        endpoint: String,
        header: SecretString,
        thumbprint: String,
    },
    /// App Service, Functions, Container Apps and their jobs.
    AppService { endpoint: String, header: SecretString },
    /// A machine outside of Azure with the Azure Arc agent.
    Arc { endpoint: String },
    /// Azure Machine Learning.
    MachineLearning { endpoint: String, secret: SecretString },
    /// Azure Cloud Shell.
    CloudShell { endpoint: String },
    /// A virtual machine's instance metadata service, or what speaks like it at `msi_endpoint`.
    MetadataService { endpoint: String },
}

impl Source {
    /// The table. `msi_endpoint` is a person's word and comes first, unless it repeats the address that the platform gives: then it adds nothing.
    pub(crate) fn of(settings: &Settings) -> Source {
        let platform = &settings.platform;
        let own = |endpoint: &&String| !platform.names(endpoint);
        if let Some(endpoint) = settings.msi_endpoint.as_ref().filter(own) {
            let endpoint = endpoint.clone();
            return Source::MetadataService { endpoint };
        }
        let at = |endpoint: &str| endpoint.to_owned();
        let agent = arc_agent(&platform.arc_agent);
        match (
            &platform.identity,
            &platform.identity_header,
            &platform.identity_thumbprint,
        ) {
            (Some(endpoint), Some(header), Some(thumbprint)) => Source::ServiceFabric {
                endpoint: at(endpoint),
                header: header.clone(),
                thumbprint: thumbprint.clone(),
            },
            (Some(endpoint), Some(header), None) => Source::AppService {
                endpoint: at(endpoint),
                header: header.clone(),
            },
            (Some(endpoint), None, _) if platform.has_imds => Source::Arc { endpoint: at(endpoint) },
            _ if agent => Source::Arc {
                endpoint: at(ARC_AGENT),
            },
            _ => match (&platform.msi, &platform.msi_secret) {
                (Some(endpoint), Some(secret)) => Source::MachineLearning {
                    endpoint: at(endpoint),
                    secret: secret.clone(),
                },
                (Some(endpoint), None) => Source::CloudShell { endpoint: at(endpoint) },
                (None, _) => {
                    let host = platform.metadata_service.as_deref().unwrap_or(METADATA_SERVICE);
                    let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
                    Source::MetadataService { endpoint }
                }
            },
        }
    }

    /// For messages, with its article.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Source::ServiceFabric { .. } => "Azure Service Fabric",
            Source::AppService { .. } => "the application's platform (App Service, Functions, Container Apps)",
            Source::Arc { .. } => "the Azure Arc agent",
            Source::MachineLearning { .. } => "Azure Machine Learning",
            Source::CloudShell { .. } => "Azure Cloud Shell",
            Source::MetadataService { .. } => "the metadata service of this machine",
        }
    }

    /// Whether it can be asked for one of several identities.
    pub(crate) fn selects(&self) -> bool {
        match self {
            Source::AppService { .. } | Source::MachineLearning { .. } | Source::MetadataService { .. } => true,
            Source::ServiceFabric { .. } | Source::Arc { .. } | Source::CloudShell { .. } => false,
        }
    }

    /// Whether no answer means that there is none. What a variable of the platform announced is there.
    pub(crate) fn may_be_absent(&self) -> bool {
        matches!(self, Source::MetadataService { .. } | Source::Arc { .. })
    }
}

impl Platform {
    /// Whether a variable of the platform gives this address.
    fn names(&self, endpoint: &str) -> bool {
        let same = |own: &Option<String>| {
            own.as_deref()
                .is_some_and(|own| own.trim_end_matches('/') == endpoint.trim_end_matches('/'))
        };
        same(&self.identity) || same(&self.msi)
    }
}

/// The agent is installed where its program is, also when its variables did not reach us.
fn arc_agent(program: &Path) -> bool {
    !program.as_os_str().is_empty() && program.exists()
}
