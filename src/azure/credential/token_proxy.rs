//! The token proxy of a Kubernetes cluster with identity bindings: it takes a request to Entra in Entra's place. It does not know what is asked.

use crate::azure::answer::Answer;
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request, Route, chain};
use crate::azure::settings::{TokenProxy, TokenProxyRoots};
use crate::azure::trust::Trust;

impl TokenProxy {
    /// Sends a request that is meant for Entra.
    pub(crate) async fn send(&self, http: &Http, request: Request) -> Result<Answer, Error> {
        let proxied = self.proxied(http, request).await?;
        http.send(proxied).await.map_err(|error| self.explain(error))
    }

    async fn proxied(&self, http: &Http, mut request: Request) -> Result<Request, Error> {
        let trust = match &self.roots {
            TokenProxyRoots::Usual => http.trust().clone(),
            TokenProxyRoots::Given(pem) => only("AZURE_KUBERNETES_CA_DATA", pem.as_bytes())?,
            TokenProxyRoots::File(path) => {
                let pem = tokio::fs::read(path).await.map_err(|error| {
                    let path = path.display();
                    let message = format!("the file {path} that AZURE_KUBERNETES_CA_FILE names cannot be read");
                    Error::new(Kind::Configuration, message).with_source(error)
                })?;
                only("AZURE_KUBERNETES_CA_FILE", &pem)?
            }
        };
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), request.url.path()));
        url.set_query(request.url.query());
        let mut host = None;
        if let Some(name) = &self.server_name {
            request = request.header("host", url.authority())?;
            host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned());
            url.set_host(Some(name)).map_err(|error| {
                let message = format!("AZURE_KUBERNETES_SNI_NAME {name:?} is not a host name");
                Error::new(Kind::Configuration, message).with_source(error)
            })?;
        }
        request.url = url;
        request.route = Route::Vouched { trust, host };
        Ok(request)
    }

    /// What was tried and, when it is about the certificate, what says which one is expected.
    fn explain(&self, error: Error) -> Error {
        let doing = format!(
            "asking the cluster's token proxy {} (AZURE_KUBERNETES_TOKEN_PROXY)",
            self.url
        );
        if !chain(&error).any(|error| error.is::<rustls::Error>()) {
            return error.during(&doing);
        }
        let message = "it is not who AZURE_KUBERNETES_SNI_NAME and AZURE_KUBERNETES_CA_FILE (or AZURE_KUBERNETES_CA_DATA) \
                       say: leave them as the cluster sets them";
        Error::new(Kind::Untrusted, message).during(&doing).with_source(error)
    }
}

fn only(variable: &str, pem: &[u8]) -> Result<Trust, Error> {
    Trust::only_pem(pem).map_err(|error| error.during(variable))
}
