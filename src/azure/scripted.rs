//! For tests: a server on this machine that gives prepared answers, and writes down what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::azure::cloud::Endpoints;
use crate::azure::settings::Settings;
use crate::azure::trust::Trust;
use crate::azure::{Azure, Pace};
use crate::retry::{Backoff, Patience, StopSignal};

/// What the server was asked, and what it has left to say.
#[derive(Default)]
struct Script {
    asked: Vec<String>,
    heads: Vec<String>,
    answers: VecDeque<String>,
}

/// A small Azure: token requests are always granted, others get the prepared answers in turn.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    origin: String,
}

impl Scripted {
    /// Each answer: the status and further lines of the head, an empty line, the body. `{origin}`
    /// stands for the server's own address. "drop" closes the connection instead.
    pub(crate) async fn new(answers: &[&str]) -> Scripted {
        let (server, listener) = Scripted::bound("http", answers).await;
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        server
    }

    /// The same over TLS, with a certificate of an authority of its own; and whom to trust for it.
    pub(crate) async fn with_tls(answers: &[&str]) -> (Scripted, Trust) {
        let (server, pem) = Scripted::with_own_certificate(answers).await;
        (server, Trust::with_pem(pem.as_bytes()).unwrap())
    }

    /// The same over TLS, and the certificate, which signs itself.
    pub(crate) async fn with_own_certificate(answers: &[&str]) -> (Scripted, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (server, listener) = Scripted::bound("https", answers).await;
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move { serving.serve(acceptor.accept(stream).await.ok()?).await });
            }
        });
        (server, made.cert.pem())
    }

    async fn bound(scheme: &str, answers: &[&str]) -> (Scripted, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        let answers = answers
            .iter()
            .map(|answer| answer.replace("{origin}", &origin))
            .collect();
        let script = Arc::new(Mutex::new(Script {
            answers,
            ..Script::default()
        }));
        (Scripted { script, origin }, listener)
    }

    /// The server's own address.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let port = self.origin.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).unwrap()
    }

    /// A header of the request with this number.
    pub(crate) fn header(&self, number: usize, name: &str) -> Option<String> {
        let script = self.script.lock().unwrap();
        script.heads[number].lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    /// An Azure that is here, signed in as a managed identity, and waits a millisecond where it
    /// would wait seconds.
    pub(crate) fn azure(&self) -> Azure {
        self.azure_with(Settings {
            use_msi: true,
            msi_endpoint: Some(format!("{}/token", self.origin)),
            use_cli: false,
            ..Settings::default()
        })
    }

    /// An Azure that is here, with these settings.
    pub(crate) fn azure_with(&self, settings: Settings) -> Azure {
        let here = Some(self.origin.clone());
        let endpoints = Endpoints {
            authority_host: here.clone(),
            resource_manager: here.clone(),
            graph: here,
            ..Endpoints::default()
        };
        let short = Backoff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
        let pace = Pace {
            request: short,
            operation: short,
            propagation: short,
        };
        Azure::with_pace(Settings { endpoints, ..settings }, pace).unwrap()
    }

    /// The requests so far: method, path and query, a space and the body when there is one. Without
    /// those for tokens.
    pub(crate) fn asked(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        script
            .asked
            .iter()
            .filter(|asked| !asked.contains(" /token?"))
            .cloned()
            .collect()
    }

    /// The versions that the writes so far named as the only ones that they are meant for.
    pub(crate) fn versions(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let lines = script.heads.iter().flat_map(|head| head.lines().skip(1));
        let headers = lines.filter_map(|line| line.split_once(':'));
        headers
            .filter(|(name, _)| name.eq_ignore_ascii_case("if-match"))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// The requests for tokens so far.
    pub(crate) fn tokens_asked(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let tokens = script.asked.iter().filter(|asked| asked.contains(" /token?"));
        tokens.cloned().collect()
    }

    /// How often a token was asked for.
    pub(crate) fn sign_ins(&self) -> usize {
        self.tokens_asked().len()
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let (head, body) = read(&mut stream).await?;
        let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
        let is_token = line.contains(" /token?");
        let answer = {
            let mut script = self.script.lock().unwrap();
            script.heads.push(head);
            script.asked.push(if body.is_empty() {
                line
            } else {
                format!("{line} {body}")
            });
            let number = script.asked.len();
            match is_token {
                true => {
                    format!(r#"200\n\n{{"access_token":"token-{number}","expires_in":"3600"}}"#).replace("\\n", "\n")
                }
                false => script
                    .answers
                    .pop_front()
                    .unwrap_or("418\n\nnothing prepared".to_owned()),
            }
        };
        if answer == "drop" {
            return None;
        }
        let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
        let head = head.replace('\n', "\r\n");
        let (status, headers) = head.split_once("\r\n").unwrap_or((&head, "x: y"));
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status} -\r\n{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }
}

/// A minute, in which nothing should be waited for.
pub(crate) fn patience() -> Patience {
    Patience::new(Duration::from_secs(60), Backoff::REQUEST, StopSignal::new())
}

/// The first line, the `If-Match` where there is one, and the body.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |wanted: &str| {
                let mut headers = head.lines().filter_map(|line| line.split_once(':'));
                headers.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned()))
            };
            let length = header("content-length").and_then(|length| length.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
