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
        // `ca_file` helps only where nothing else says who vouches for it.
        let kind = match self.roots {
            TokenProxyRoots::Usual => Kind::Untrusted,
            TokenProxyRoots::File(_) | TokenProxyRoots::Given(_) => Kind::SignIn { aadsts: None },
        };
        let message = "it is not who AZURE_KUBERNETES_SNI_NAME and AZURE_KUBERNETES_CA_FILE (or AZURE_KUBERNETES_CA_DATA) \
                       say: leave them as the cluster sets them";
        Error::new(kind, message).during(&doing).with_source(error)
    }
}

fn only(variable: &str, pem: &[u8]) -> Result<Trust, Error> {
    Trust::only_pem(pem).map_err(|error| error.during(variable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;
    use std::time::Duration;
    use url::Url;

    #[tokio::test]
    async fn a_request_keeps_its_path_and_the_proxy_its_own_name() {
        let http = Http::new(Trust::default(), Duration::from_secs(1));
        for (at, name, expected, host, place) in [
            (
                "https://proxy:8443/a/",
                Some("name.aks"),
                "https://name.aks:8443/a/t/token?b=c",
                Some("proxy:8443"),
                Some("proxy"),
            ),
            (
                "https://[::1]",
                Some("name.aks"),
                "https://name.aks/t/token?b=c",
                Some("[::1]"),
                Some("::1"),
            ),
            ("https://proxy/a", None, "https://proxy/a/t/token?b=c", None, None),
        ] {
            let proxy = TokenProxy {
                url: Url::parse(at).unwrap(),
                server_name: name.map(str::to_owned),
                roots: TokenProxyRoots::Usual,
            };
            let asked = Request::new(Method::POST, Url::parse("https://login.test/t/token?b=c").unwrap());
            let proxied = proxy.proxied(&http, asked).await.unwrap();
            assert_eq!(proxied.url.as_str(), expected);
            assert_eq!(proxied.headers.get("host").map(|host| host.to_str().unwrap()), host);
            let Route::Vouched { host, .. } = proxied.route else {
                panic!("{:?}", proxied.route);
            };
            assert_eq!(host.as_deref(), place);
        }
    }
}
