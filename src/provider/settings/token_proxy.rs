//! What a Kubernetes cluster with identity bindings tells its pods of its token proxy. It does not ask it.

use url::{Host, Url};

use crate::azure::settings::{TokenProxy, TokenProxyRoots};
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::settings::{Variables, invalid};

const PROXY: &str = "AZURE_KUBERNETES_TOKEN_PROXY";
const SERVER_NAME: &str = "AZURE_KUBERNETES_SNI_NAME";
const CA_FILE: &str = "AZURE_KUBERNETES_CA_FILE";
const CA_DATA: &str = "AZURE_KUBERNETES_CA_DATA";

/// The token proxy, when there is one.
///
/// # Errors
/// When the variables contradict each other: the cluster sets them, and half of them would send the token another way.
pub(super) fn token_proxy(variables: &Variables) -> Result<Option<TokenProxy>> {
    let say = |name| variables.first(&[name]);
    let Some(address) = say(PROXY) else {
        return match [SERVER_NAME, CA_FILE, CA_DATA]
            .into_iter()
            .find(|name| say(name).is_some())
        {
            None => Ok(None),
            Some(name) => Err(wrong(&format!(
                "{name} is set and {PROXY} is not: set it as the cluster does, or unset {name} too"
            ))),
        };
    };
    let roots = match (say(CA_FILE), say(CA_DATA)) {
        (None, None) => TokenProxyRoots::Usual,
        (Some(path), None) => TokenProxyRoots::File(path.into()),
        (None, Some(pem)) => TokenProxyRoots::Given(pem),
        (Some(_), Some(_)) => {
            return Err(wrong(&format!(
                "{CA_FILE} and {CA_DATA} are both set: unset one of them"
            )));
        }
    };
    let server_name = say(SERVER_NAME);
    if let Some(name) = server_name
        .as_ref()
        .filter(|name| !matches!(Host::parse(name), Ok(Host::Domain(_))))
    {
        return Err(wrong(&format!("{SERVER_NAME} is a host name, and `{name}` is none")));
    }
    Ok(Some(TokenProxy {
        url: url(&address)?,
        server_name,
        roots,
    }))
}

/// The address is not repeated: it may hold a password.
fn url(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| wrong(&format!("{PROXY} is not a URL: {error}")))?;
    if url.scheme() != "https" {
        return Err(wrong(&format!("{PROXY} must begin with https://")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(&format!("{PROXY} must have no user name and no password")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(&format!(
            "{PROXY} must have no query and no fragment: nothing after `?` or `#`"
        )));
    }
    Ok(url)
}

fn wrong(detail: &str) -> Diagnostic {
    invalid(
        PROXY,
        format!("the environment variables of the cluster's token proxy do not fit: {detail}"),
    )
}
